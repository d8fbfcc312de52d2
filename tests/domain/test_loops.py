"""A node that is run again and again: BPMN's standard loop."""

import json

import pytest

from schemas.commands import Continue, RetryIncident, RunInstance, SetVariables
from schemas.iteration_events import ItemStarted, IterationCompleted
from streams.forms import examine, read_definition
from streams.forms.write import write_definition
from streams.testing.spec import instance
from streams.testing.steps import complete, fail, waiting

HEAD = "id: flow\nversion: 1.0.0\n"


def source(loop):
    return f"""{HEAD}
nodes:
  start: {{type: start, next: ask}}
  ask:
    type: activity
    activity_type: job
    loop: {loop}
    input: {{round: "${{index}}"}}
    next: end
  bad: {{type: boundary, on: ask, error: Boom, next: end}}
  end: {{type: end}}
"""


def started(text, **variables):
    return instance(text).given(RunInstance("flow", "", json.dumps(variables).encode()))


def rounds(spec):
    return sum(isinstance(event, ItemStarted) for event in spec.past)


def reason(spec):
    (over,) = [one for one in spec.past if isinstance(one, IterationCompleted)]
    return over.reason


def test_until_is_tested_after_each_run():
    spec = started(source('{until: "${result.ok}"}'))
    for number, answer in enumerate((b'{"ok":false}', b'{"ok":false}', b'{"ok":true}')):
        (task,) = spec.state.activities.values()
        assert json.loads(task.input) == {"round": number}
        spec = complete(spec, "ask", answer)
    assert (spec.state.status, rounds(spec), reason(spec)) == ("Completed", 3, "until")
    assert spec.state.variables["result"] == b'{"ok":true}'


def test_while_is_tested_before_each_run_the_first_too():
    text = source('{while: "${left > 0}"}').replace(
        "    next: end", '    output: {left: "${left - 1}"}\n    next: end', 1
    )
    assert started(text, left=0).state.status == "Completed"
    spec = started(text, left=2)
    spec = complete(complete(spec, "ask"), "ask")
    assert (spec.state.status, rounds(spec), reason(spec)) == ("Completed", 2, "while")


def test_a_condition_sees_the_number_of_the_run():
    spec = complete(complete(started(source('{while: "${index < 2}"}')), "ask"), "ask")
    assert (spec.state.status, rounds(spec)) == ("Completed", 2)
    spec = complete(complete(started(source('{until: "${index == 1}"}')), "ask"), "ask")
    assert (spec.state.status, rounds(spec)) == ("Completed", 2)


@pytest.mark.parametrize("loop", ["{max: 3}", '{until: "${result.ok}", max: 3}'])
def test_a_loop_with_a_bound_ends_at_it(loop):
    spec = started(source(loop))
    for _ in range(3):
        assert waiting(spec) == ["ask"]
        spec = complete(spec, "ask", b'{"ok":false}')
    assert (spec.state.status, reason(spec)) == ("Completed", "all")


def test_an_error_leaves_the_loop_by_the_boundary():
    spec = fail(complete(started(source('{until: "${result.ok}"}')), "ask", b'{"ok":false}'), "ask")
    assert (spec.state.status, spec.state.iterations, spec.state.scopes) == ("Completed", {}, {})


@pytest.mark.parametrize(("loop", "place"), [("until", "item 0 of ask: "), ("while", "")])
def test_a_condition_that_fails_is_an_incident_that_can_be_mended(loop, place):
    spec = started(source(f'{{{loop}: "${{index >= wanted}}"}}'))
    if loop == "until":
        spec = complete(spec, "ask")
    ((number, incident),) = spec.state.incidents.items()
    assert (incident.code, incident.message.startswith(place)) == ("expression_failed", True)
    spec = spec.given(SetVariables(b'{"wanted":0}'), RetryIncident(number))
    if loop == "until":
        assert spec.state.status == "Completed"
    else:
        assert waiting(spec) == ["ask"]


BUSY = f"""{HEAD}
variables: {{n: {{type: integer, default: 0}}}}
nodes:
  start: {{type: start, next: part}}
  part:
    type: scope
    loop: {{while: "${{n < 120}}"}}
    output: {{n: "${{n + 1}}"}}
    nodes:
      in: {{type: start, next: out}}
      out: {{type: end}}
    next: end
  end: {{type: end}}
"""


def test_a_loop_that_never_waits_shares_the_engine_and_is_warned_of():
    spec = instance(BUSY).with_limits(events_per_command=100).given(RunInstance("flow"))
    commands = 1
    while spec.state.status == "Running":
        decided = spec.when(Continue())
        assert len(decided.events) <= 100
        spec, commands = decided.accepted(), commands + 1
    assert spec.state.variables["n"] == b"120"
    assert commands > 3
    _, problems = examine(BUSY, "flow.yaml")
    (problem,) = problems
    assert (problem.severity, problem.line) == ("warning", 9)
    assert "nothing in part waits" in problem.message


def test_a_loop_over_a_scope_that_waits_is_not_warned_of():
    text = BUSY.replace("{type: start, next: out}", "{type: start, next: pause}").replace(
        "      out:", "      pause: {type: timer, duration: PT1M, next: out}\n      out:"
    )
    assert examine(text)[1] == []


@pytest.mark.parametrize(
    ("loop", "said"),
    [
        ("{}", "it would never end"),
        ('{while: "${a}", until: "${b}"}', "not both"),
        ("{max: 0}", "greater than or equal to 1"),
        ('{while: "${a +}"}', "at "),
        ("{max: 3, index: output}", "'output' means something else here"),
        ("{max: 3}\n    each: [1, 2]", "each or loop, not both"),
    ],
)
def test_a_loop_that_cannot_run_says_why(loop, said):
    _, problems = examine(source(loop))
    assert said in " ".join(problem.message for problem in problems)


@pytest.mark.parametrize("loop", ['{until: "${result.ok}"}', '{while: "${a}", max: 3, index: n}'])
def test_a_loop_is_written_as_it_is_read(loop):
    definition = read_definition(source(loop))
    assert read_definition(write_definition(definition)).nodes == definition.nodes
