"""RestartFailed: what has failed begins again where it failed, or at its start."""

from schemas.commands import (
    CancelInstance,
    Continue,
    FireTimer,
    RunInstance,
    SkipNode,
    StartChild,
)
from schemas.events import Token, WorkflowFailed
from schemas.restart_commands import RestartFailed
from schemas.restart_events import WorkflowRestarted
from streams.domain.instance.aggregate import INSTANCE
from streams.testing.spec import has, instance
from streams.testing.steps import complete, fail, waiting

FLOW = """
id: flow
version: 1.0.0
nodes:
  start: {type: start, next: one}
  one: {type: activity, activity_type: a, output: {x: "${output.x}"}, compensate_with: undo,
        next: fork}
  undo: {type: activity, activity_type: a}
  fork: {type: parallel, next: [two, three, pause]}
  two: {type: activity, activity_type: a, next: join}
  three: {type: activity, activity_type: a, input: {x: "${x}"}, next: join}
  pause: {type: timer, duration: PT1H, next: join}
  join: {type: parallel, next: last}
  last: {type: activity, activity_type: a, next: end}
  end: {type: end}
"""


def failed():
    spec = complete(instance(FLOW).given(RunInstance("flow")), "one", b'{"x":5}')
    return fail(complete(spec, "two"), "three")


def forgotten_but_its_record(spec):
    kept = INSTANCE.decode(INSTANCE.encode(INSTANCE.remnant(spec.state)))
    assert kept == spec.state
    return spec


def test_it_begins_again_where_it_failed_with_its_variables_and_other_tokens():
    spec = forgotten_but_its_record(failed())
    assert spec.state.status == "Failed"
    spec = spec.when(RestartFailed(reason="mended")).then(
        has(WorkflowRestarted, reason="mended", from_start=False),
        "timer.scheduled",
        "activity.scheduled",
    )
    assert (spec.state.status, waiting(spec), spec.state.reason) == ("Running", ["three"], "")
    assert spec.effects[-2].task.input == b'{"x":5}'
    assert spec.effects[-1].body == Continue()
    spec = complete(spec.given(Continue()), "three")
    spec = spec.later(3_600_000).given(FireTimer(0))
    assert waiting(spec) == ["last"]
    spec = complete(spec, "last")
    assert (spec.state.status, spec.state.resting) == ("Completed", {})


def test_it_begins_at_its_start():
    spec = (
        failed()
        .when(RestartFailed(from_start=True))
        .then(has(WorkflowRestarted, from_start=True), "activity.scheduled")
    )
    assert waiting(spec) == ["one"]
    assert spec.state.variables["x"] == b"5"


def test_it_may_fail_and_be_restarted_again_and_then_undone():
    spec = fail(failed().given(RestartFailed()), "three").given(RestartFailed())
    assert waiting(spec) == ["three"]
    spec = spec.given(CancelInstance())
    assert waiting(spec) == ["undo"]
    assert complete(spec, "undo").state.status == "Cancelled"


def test_what_has_not_failed_is_not_restarted():
    spec = instance(FLOW).given(RunInstance("flow"))
    spec.when(RestartFailed()).then_rejected("InvalidState", "the instance is Running")


def test_a_former_failure_and_a_child_are_not_restarted():
    spec = instance(FLOW).given(RunInstance("flow"), WorkflowFailed("Boom", "why", "one"))
    spec.when(RestartFailed()).then_rejected("InvalidState", "former release")
    begin = StartChild("flow", "", b"{}", "root", "life", 2)
    spec = fail(instance(FLOW, aggregate_id="root~2").given(begin), "one")
    spec.when(RestartFailed()).then_rejected("InvalidState", "restart the caller")


def test_one_with_a_large_variable_is_not_kept():
    spec = instance(FLOW).given(RunInstance("flow", "", b'{"big":"' + b"x" * 5_000 + b'"}'))
    spec = fail(spec, "one")
    assert INSTANCE.remnant(spec.state).variables == {}
    spec.when(RestartFailed()).then_rejected("InvalidState", "4 KiB")


SCOPED = """
id: scoped
version: 1.0.0
nodes:
  start: {type: start, next: part}
  part:
    type: scope
    variables: {n: {type: integer, default: 1}}
    nodes:
      in: {type: start, next: a}
      a: {type: activity, activity_type: a, output: {n: "${n + 1}"}, next: b}
      b: {type: activity, activity_type: a, input: {n: "${n}"}, next: out}
      out: {type: end}
    next: end
  end: {type: end, error: Over}
"""


def test_a_scope_that_it_failed_in_begins_anew():
    spec = fail(complete(instance(SCOPED).given(RunInstance("scoped")), "a"), "b")
    assert spec.past[-1].resting == [Token(1, "part")]
    spec = spec.given(RestartFailed())
    assert waiting(spec) == ["a"]
    spec = complete(spec, "a")
    assert spec.effects[-1].task.input == b'{"n":2}'


def test_after_an_error_end_it_begins_only_at_its_start():
    spec = complete(complete(instance(SCOPED).given(RunInstance("scoped")), "a"), "b")
    assert spec.state.status == "Failed"
    spec.when(RestartFailed()).then_rejected("InvalidState", "from the start")
    assert waiting(spec.given(RestartFailed(from_start=True))) == ["a"]


THROWING = """
id: throwing
version: 1.0.0
nodes:
  start: {type: start, next: one}
  one: {type: activity, activity_type: a, compensate_with: un_one, next: two}
  un_one: {type: activity, activity_type: a}
  two: {type: activity, activity_type: a, compensate_with: un_two, next: undo}
  un_two: {type: activity, activity_type: a, on_failure: fail_workflow}
  undo: {type: throw, compensate: "*", next: end}
  end: {type: end}
"""


def test_what_was_being_undone_is_undone_from_where_it_failed():
    spec = complete(complete(instance(THROWING).given(RunInstance("throwing")), "one"), "two")
    spec = fail(spec, "un_two").given(RestartFailed())
    assert waiting(spec) == ["un_two"]
    spec = complete(complete(spec, "un_two"), "un_one")
    assert spec.state.status == "Completed"


def test_a_node_that_was_done_and_could_not_be_left_waits_for_an_operator_again():
    source = FLOW.replace(
        "next: join}\n  three", 'output: {y: "${output.y}"}, next: join}\n  three'
    )
    spec = complete(instance(source).given(RunInstance("flow")), "one", b'{"x":5}')
    spec = fail(complete(spec, "two"), "three").given(RestartFailed())
    (number,) = spec.state.incidents
    assert spec.state.incidents[number].node == "two"
    spec = spec.given(SkipNode(number))
    assert spec.state.incidents == {}
