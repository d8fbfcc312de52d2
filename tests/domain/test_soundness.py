"""Soundness of definitions: what is found, where, and the run that shows it."""

import pytest

from schemas.commands import RunInstance
from schemas.results import CompleteActivity
from streams.domain.net.soundness import soundness
from streams.forms import prove, read_definition
from streams.testing.spec import instance

FORK = """
id: flow
version: 1.0.0
nodes:
  start: {type: start, next: fork}
  fork: {type: parallel, next: [a, b]}
  a: {type: activity, activity_type: job, next: meet}
  b: {type: activity, activity_type: job, next: meet}
  meet: {type: KIND, next: after}
  after: {type: activity, activity_type: job, next: end}
  end: {type: end}
"""
CHOICE = """
id: flow
version: 1.0.0
nodes:
  start: {type: start, next: check}
  check:
    type: exclusive
    next: [{to: a, when: "${n > 1}"}, {to: b, default: true}]
  a: {type: activity, activity_type: job, next: meet}
  b: {type: activity, activity_type: job, next: meet}
  meet: {type: parallel, next: end}
  end: {type: end}
"""


def judged(source, **options):
    return soundness(read_definition(source), **options)


def only(verdict):
    (violation,) = verdict.violations
    return violation


def test_a_split_that_is_joined_is_sound():
    assert judged(FORK.replace("KIND", "parallel")).sound


def test_a_split_that_is_merged_gives_two_tokens():
    found = only(judged(FORK.replace("KIND", "exclusive")))
    assert (found.property, found.node) == ("1-safe", "meet")
    assert "flow meet->after from meet to after can carry two tokens at once" in found.message
    assert "the net is bounded: no place ever has more than 2 tokens" in found.message
    trace = [step.node for step in found.trace]
    assert trace in (
        ["start", "fork", "a", "b", "meet", "meet"],
        ["start", "fork", "a", "meet", "b", "meet"],
    )


def test_an_end_that_two_tokens_reach_is_reached_twice():
    source = FORK.replace("next: meet}", "next: end}").replace(
        "  meet: {type: KIND, next: after}\n  after: {type: activity, activity_type: job, next: "
        "end}\n",
        "",
    )
    found = only(judged(source))
    assert (found.property, found.node) == ("proper completion", "end")


def test_a_choice_that_is_joined_stops_for_ever_and_the_engine_shows_it():
    verdict = judged(CHOICE)
    stuck, *dead = verdict.violations
    assert stuck.property == "option to complete"
    assert [(one.property, one.node) for one in dead] == [
        ("no dead nodes", "meet"),
        ("no dead nodes", "end"),
    ]
    assert stuck.node == "meet"
    assert len(stuck.trace) == 3
    assert "waits for one on" in stuck.message
    other = "b" if stuck.trace[2].node == "a" else "a"
    assert f"{other}->meet" in stuck.message
    spec = instance(CHOICE).given(RunInstance("flow", "", b'{"n":2}'))
    spec = spec.given(CompleteActivity(2, 1, b"{}"))
    assert (spec.state.status, spec.state.activities) == ("Running", {})


def test_a_loop_that_multiplies_tokens_is_found_although_its_markings_are_endless():
    source = """
id: flow
version: 1.0.0
nodes:
  start: {type: start, next: again}
  again: {type: timer, duration: 1, next: fork}
  fork: {type: parallel, next: [again, work]}
  work: {type: activity, activity_type: job, next: end}
  end: {type: end}
"""
    verdict = judged(source)
    found = verdict.violations[0]
    assert found.property in {"1-safe", "proper completion"}
    assert "the net is not bounded: tokens can multiply without end" in found.message
    assert verdict.bound.most == 0


@pytest.mark.parametrize("branches", [2, 3, 5])
def test_the_bound_is_how_many_tokens_can_come_together(branches):
    names = [f"n{number}" for number in range(branches)]
    lines = [f"  {n}: {{type: activity, activity_type: job, next: meet}}\n" for n in names]
    source = FORK.replace("KIND", "exclusive").replace("[a, b]", f"[{', '.join(names)}]")
    kept = [line for line in source.splitlines(keepends=True) if line[:5] not in {"  a: ", "  b: "}]
    assert judged("".join([*kept, *lines])).bound.most == branches


def test_what_is_safe_has_the_bound_of_one():
    assert judged(FORK.replace("KIND", "parallel")).bound.most == 1
    assert judged(CHOICE).bound.most == 1


def test_growth_is_seen_in_a_net_that_is_too_wide_to_be_seen_whole():
    source = wide(12, 6).replace(
        "join: {type: parallel, next: end}", "join: {type: exclusive, next: r}"
    )
    again = "  r: {type: timer, duration: 1, next: s}\n  s: {type: parallel, next: [r, end]}"
    verdict = judged(f"{source}\n{again}")
    assert verdict.bound.most == 0


def test_of_opposite_conditions_out_of_an_activity_one_is_taken():
    source = """
id: flow
version: 1.0.0
nodes:
  start: {type: start, next: work}
  work:
    type: activity
    activity_type: job
    next: [{to: work, when: "${n < 3}"}, {to: end, when: "${n >= 3}"}]
  end: {type: end}
"""
    assert judged(source).sound
    both = judged(source.replace("n >= 3", "n > 1"))
    assert both.violations[0].property in {"1-safe", "proper completion"}
    assert "work (work->work, work->end)" in str(both.violations[0])


def wide(branches, length):
    """Branches side by side, each with a choice and a loop, between a split and a join."""
    lines = ["id: wide", "version: 1.0.0", "nodes:", "  start: {type: start, next: fork}"]
    lines.append(
        f"  fork: {{type: parallel, next: [{', '.join(f'b{n}x0' for n in range(branches))}]}}"
    )
    for n in range(branches):
        lines += [
            f"  b{n}x{m}: {{type: activity, activity_type: job, next: b{n}x{m + 1}}}"
            for m in range(length - 1)
        ]
        last = f"b{n}x{length - 1}"
        lines.append(f"  {last}: {{type: activity, activity_type: job, next: c{n}}}")
        ways = f'[{{to: {last}, when: "${{k > 1}}"}}, {{to: join, default: true}}]'
        lines.append(f"  c{n}: {{type: exclusive, next: {ways}}}")
    lines += ["  join: {type: parallel, next: end}", "  end: {type: end}"]
    return "\n".join(lines)


def test_a_net_of_blocks_is_decided_however_wide_it_is():
    verdict = judged(wide(12, 6))
    assert (verdict.sound, verdict.violations) == (True, [])
    assert verdict.states < 5_000


def test_a_run_against_a_wide_net_has_only_the_steps_that_it_needs():
    source = wide(12, 6).replace("join: {type: parallel", "join: {type: exclusive")
    found = only(judged(source))
    branches = {step.node.split("x")[0] for step in found.trace if "x" in step.node}
    assert len(branches) == 2
    assert found.trace.count(("fork", ())) == 1
    assert len(found.trace) == 2 + 2 * (6 + 2) + (2 if found.property == "proper completion" else 0)


def test_past_the_budget_nothing_is_claimed():
    verdict = judged(wide(12, 6), max_states=50)
    assert verdict.sound is None
    assert "more than 50 states" in verdict.why_unknown
    _, problems, _ = prove(wide(12, 6), "wide.yaml", 50)
    assert [problem.severity for problem in problems] == ["warning"]


def test_a_split_into_too_many_conditions_is_not_judged():
    flows = ", ".join(f'{{to: end, when: "${{n > {k}}}", id: f{k}}}' for k in range(13))
    source = f"""
id: flow
version: 1.0.0
nodes:
  start: {{type: start, next: work}}
  work: {{type: activity, activity_type: job, next: [{flows}]}}
  end: {{type: end}}
"""
    verdict = judged(source)
    assert verdict.sound is None
    assert "work has too many conditional flows" in verdict.why_unknown


@pytest.mark.parametrize("word", ["1-safe: flow", "start → fork → a"])
def test_a_problem_names_line_path_property_and_run(word):
    _, (problem,), verdict = prove(FORK.replace("KIND", "exclusive"), "flow.yaml")
    assert not verdict.sound
    assert str(problem).startswith("flow.yaml:9:")
    assert (problem.path, problem.property) == ("nodes.meet", "1-safe")
    assert problem.trace[:3] == ["start", "fork", "a"]
    assert word in problem.message
