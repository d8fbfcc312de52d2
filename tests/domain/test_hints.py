"""Warnings: what is no error, and will surprise. Each with its line, and none of them stops."""

import pytest

from schemas.commands import RunInstance
from streams.forms import examine, read_definition
from streams.testing.spec import instance

CHOICE = """id: flow
version: 1.0.0
variables: {price: number}
nodes:
  start: {type: start, next: check}
  check: {type: KIND}
  a: {type: activity, activity_type: job, next: end}
  b: {type: activity, activity_type: job, next: end}
  c: {type: activity, activity_type: job, next: end}
  end: {type: end}
flows:
  - {id: one, source: check, target: a, ONE}
  - {id: two, source: check, target: b, TWO}
  - {id: three, source: check, target: c, THREE}
"""
DEFAULT = "default: true"


def choice(one, two, three, kind="exclusive"):
    source = CHOICE.replace("ONE", one).replace("TWO", two).replace("THREE", three)
    return source.replace("KIND", kind)


def warned(source):
    definition, problems = examine(source, "flow.yaml")
    assert {problem.severity for problem in problems} <= {"warning"}
    assert definition == read_definition(source)
    return [str(problem).removeprefix("flow.yaml:") for problem in problems]


def test_a_choice_that_can_take_every_flow_is_fine():
    assert warned(choice("when: n > 1", "when: n > 0", DEFAULT)) == []
    assert warned(choice("when: n > 1", "when: n > 0", "weight: 0")) == []


@pytest.mark.parametrize("never", ["false", "1 > 2", "!true", "'a' == 'b'"])
def test_a_condition_that_is_always_false_is_named_and_so_is_what_is_not_reached(never):
    assert warned(choice("when: n > 1", f'when: "{never}"', DEFAULT)) == [
        "13:5 flows[1]: warning: flow two is never taken: its condition is always false",
        "8:3 nodes.b: warning: b is never reached: every flow that leads to it is never taken",
    ]


def test_what_comes_after_a_flow_that_is_always_taken_is_never_taken():
    found = warned(choice("when: n > 1", "when: true", DEFAULT))
    assert found[0] == (
        "14:5 flows[2]: warning: flow three is never taken: two is tried before it, and is always "
        "taken"
    )
    assert found[1].startswith("9:3 nodes.c: warning: c is never reached")


def test_weight_decides_which_flow_is_tried_first():
    found = warned(choice("when: n > 1", "{}", "when: n > 2").replace("{}", "weight: 9"))
    assert [text.split(":")[0] for text in found] == ["12", "14", "7", "9"]
    assert "flow one is never taken: two is tried before it" in found[0]
    spec = instance(choice("when: n > 1", "weight: 9", "when: n > 2"))
    spec = spec.given(RunInstance("flow", "", b'{"n":5}'))
    assert [activity.node for activity in spec.state.activities.values()] == ["b"]


def test_an_activity_with_a_flow_that_is_always_taken_needs_no_default():
    source = choice("when: n > 1", "weight: 1", DEFAULT, "activity, activity_type: job")
    assert warned(source)[0].endswith(
        "flow three is never taken: two is always taken, so that there is no need of a default"
    )
    assert warned(choice("when: n > 1", "when: n < 1", DEFAULT, "activity, activity_type: j")) == []


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        ("1 + 1", "a condition must give true or false, this gave 2"),
        ("1 / 0 > 1", "division by zero"),
    ],
)
def test_a_condition_that_always_fails_is_named(condition, why):
    (found,) = warned(choice(f'when: "{condition}"', "when: n > 0", DEFAULT))
    assert found.startswith("12:5 flows[0].condition: warning: flow one: ")
    assert why in found
    assert found.endswith("an incident arises whenever it is tried")


def test_a_condition_with_variables_is_taken_to_be_open():
    assert warned(choice("when: size(workflow) > 0", "when: n > n", DEFAULT)) == []


def test_mixed_numbers_are_named_in_conditions_and_in_values():
    source = choice("when: price * 2 > 10.0", "when: n > 0", DEFAULT)
    (found,) = warned(source)
    assert "`price * 2` of `price * 2 > 10.0` mixes an integer with a decimal number" in found
    assert found.startswith("12:")
    source = choice("when: n > 1", "when: n > 0", DEFAULT).replace(
        "  c: {type: activity, activity_type: job,",
        '  c: {type: activity, activity_type: job, input: {twice: "${price * 2}"},',
    )
    (found,) = warned(source)
    assert found.startswith("9:")
    assert "`price * 2`" in found


def test_very_many_hints_are_cut():
    flows = "".join(
        f"  - {{id: f{n}, source: check, target: a, when: false}}\n" for n in range(500)
    )
    _, problems = examine(choice("when: n > 1", "when: n > 0", DEFAULT) + flows)
    assert len(problems) == 200


def test_what_undoes_an_activity_is_reached_with_it():
    source = choice("when: n > 1", "when: 'true'", DEFAULT).replace(
        "  b: {type: activity, activity_type: job,",
        "  undo: {type: activity, activity_type: job}\n"
        "  b: {type: activity, activity_type: job, "
        "on_failure: {strategy: compensate, compensation_activity: undo},",
    )
    found = warned(source)
    assert any("flow three is never taken" in one for one in found)
    assert not any("undo" in one for one in found)
