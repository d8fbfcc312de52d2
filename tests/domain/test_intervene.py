"""What operators do at a node themselves: skip it, complete it by hand, set variables."""

import json

import pytest
from msgspec.structs import replace

from schemas.commands import (
    CancelInstance,
    CompleteCall,
    CompleteNode,
    FailCall,
    ResumeInstance,
    RetryIncident,
    RunInstance,
    SetVariables,
    SkipNode,
    SuspendInstance,
)
from schemas.events import (
    ActivityCancelled,
    ErrorOccurred,
    IncidentResolved,
    Moves,
    NodeCompleted,
    NodeSkipped,
    VariablesSet,
    WorkflowCompleted,
)
from schemas.results import CompleteActivity, FailActivity
from schemas.tasks import ActivityCancellation
from streams.domain.protocol import CancelTask, SendCommand
from streams.testing.spec import has, instance
from streams.testing.steps import activity_of, complete, waiting

HEAD = "id: flow\nversion: 1.0.0\n"


def started(nodes, rest="", **variables):
    source = f"{HEAD}nodes:\n  start: {{type: start, next: work}}\n{nodes}\n"
    source += (
        f"  after: {{type: activity, activity_type: job, next: end}}\n  end: {{type: end}}\n{rest}"
    )
    return instance(source).given(RunInstance("flow", "", json.dumps(variables).encode()))


def number(spec):
    """Return the number of the only open incident."""
    (found,) = spec.state.incidents
    return found


WORK = """
  work:
    type: activity
    activity_type: job
    input: {n: "${n}"}
    result_path: got
    output: {y: "${output.x + n}"}
    next: after
"""

AT_ENTRY = {
    "an activity": WORK,
    "a timer": '  work: {type: timer, duration: "${n}", output: {y: now}, next: after}',
    "a call": '  work: {type: call, definition: other, input: {n: "${n}"}, next: after}',
    "a scope": """
  work:
    type: scope
    input: {given: "${n}"}
    nodes: {in: {type: start, next: out}, out: {type: end}}
    next: after""",
}


@pytest.mark.parametrize("kind", AT_ENTRY)
def test_a_node_that_cannot_begin_is_skipped(kind):
    spec = started(AT_ENTRY[kind])
    broken = number(spec)
    spec = spec.when(SkipNode(broken, reason="by phone")).then(
        IncidentResolved(broken, "skipped"),
        has(NodeSkipped, node="work", incident=broken, reason="by phone"),
        "activity.scheduled",
    )
    assert spec.past[-2].moves == Moves([1], [], ["work", "work->after"])
    assert (waiting(spec), spec.state.variables) == (["after"], {})
    spec.when(SkipNode(broken)).then_rejected("NotFound", str(broken), "open are: none")
    assert complete(spec, "after").state.status == "Completed"


def test_a_node_whose_output_fails_is_skipped_and_its_result_stays():
    spec = complete(started(WORK, n=1), "work", b'{"x":"one"}')
    assert spec.state.tokens == {1: "work/out"}
    spec = spec.given(SkipNode(number(spec)))
    assert waiting(spec) == ["after"]
    assert spec.state.variables == {"n": b"1", "got": b'{"x":"one"}'}


CHOICE = """
  work:
    type: exclusive
    next: [{to: after, when: "${n > 5}"}, {to: other, when: "${n < 0}"}OTHERWISE]
  other: {type: activity, activity_type: job, next: end}
"""


def test_an_operator_names_the_flow_out_of_a_choice():
    spec = started(CHOICE.replace("OTHERWISE", ""), n=3)
    broken = number(spec)
    spec.when(SkipNode(broken)).then_rejected(
        "MissingParameter", "flow", "work->after", "work->other"
    )
    spec.when(SkipNode(broken, "after->end")).then_rejected(
        "InvalidInput", "after->end", "work->after", "work->other"
    )
    after = spec.given(SkipNode(broken, "work->other"))
    assert waiting(after) == ["other"]
    assert after.state.path[-2:] == ["work", "work->other"]


def test_a_choice_whose_condition_fails_is_skipped_by_its_default_flow():
    spec = started(CHOICE.replace("OTHERWISE", ", {to: end, default: true}"))
    assert number(spec)
    spec.when(SkipNode(number(spec))).then(
        "incident.resolved", has(NodeSkipped, node="work"), "workflow.completed"
    )


def test_the_only_flow_is_taken_whatever_its_condition_says():
    spec = started('  work: {type: exclusive, next: [{to: after, when: "${n > 5}"}]}', n=3)
    assert waiting(spec.given(SkipNode(number(spec)))) == ["after"]


def test_a_choice_goes_where_its_conditions_say_once_they_can():
    spec = started(CHOICE.replace("OTHERWISE", ""))
    spec = spec.given(SetVariables(b'{"n":9}'), SkipNode(number(spec)))
    assert waiting(spec) == ["after"]


def test_of_an_event_gateway_one_event_is_taken_as_having_come():
    nodes = """
  work: {type: event_gateway, next: [soon, late]}
  soon: {type: timer, duration: "${n}", output: {which: soon}, next: after}
  late: {type: timer, duration: PT1S, next: end}
"""
    spec = started(nodes)
    spec.when(SkipNode(number(spec))).then_rejected("MissingParameter", "work->soon", "work->late")
    spec = spec.given(SkipNode(number(spec), "work->soon"))
    assert (waiting(spec), spec.state.variables, spec.next_due()) == (["after"], {}, 0)
    assert spec.state.path[-4:] == ["work", "work->soon", "soon", "soon->after"]


def test_a_boundary_timer_goes_with_the_node_that_is_skipped():
    nodes = """
  work: {type: call, definition: other, on_failure: manual_intervention, next: after}
  late: {type: boundary, on: work, duration: PT9S, next: end}
"""
    spec = started(nodes)
    (call,) = spec.state.calls
    spec = spec.given(FailCall(call, "Boom", "no"))
    assert len(spec.state.subscriptions) == 1
    spec = spec.given(SkipNode(number(spec)))
    assert (waiting(spec), spec.state.subscriptions, spec.next_due()) == (["after"], {}, 0)


SCOPED = """
  work:
    type: scope
    variables: {x: {type: integer, default: 1}}
    output: {y: "${x + missing}"}
    nodes:
      in: {type: start, next: inner}
      inner: {type: activity, activity_type: job, input: "${n}", next: out}
      out: {type: end}
    next: after
"""


def test_a_node_of_a_scope_is_skipped_and_the_scope_ends_with_it():
    spec = started(SCOPED, missing=4)
    spec = spec.when(SkipNode(number(spec))).then(
        "incident.resolved", has(NodeSkipped, node="inner"), "node.executed", "activity.scheduled"
    )
    assert spec.state.scopes == {}
    assert spec.state.variables["y"] == b"5"


def test_a_result_that_cannot_be_computed_is_no_node_to_skip():
    scope = started(SCOPED, n=1)
    scope = complete(scope, "inner")
    whole = complete(started(WORK, 'result: {z: "${z}"}', n=1), "work", b'{"x":1}')
    whole = complete(whole, "after")
    for spec in (scope, whole):
        for command in (SkipNode(number(spec)), CompleteNode(b"1", number(spec))):
            spec.when(command).then_rejected("InvalidState", "set the variables", "retry")
    mended = whole.given(SetVariables(b'{"z":7}')).when(RetryIncident(0))
    assert mended.events[-1] == WorkflowCompleted(b'{"z":7}')
    mended = scope.given(SetVariables(b'{"missing":7}'), RetryIncident(0))
    assert (waiting(mended), mended.state.variables["y"]) == (["after"], b"8")


def test_an_incident_that_stopped_the_whole_instance_is_retried_only():
    spec = started(WORK, n=1).given(ErrorOccurred("stalled", "a defect", command=b"cmd"))
    for command in (SkipNode(3), CompleteNode(b"1", 3)):
        spec.when(command).then_rejected("InvalidState", "whole instance", "retry")


def test_while_suspended_the_token_leaves_and_is_held_back():
    spec = started(WORK).given(SuspendInstance())
    spec = spec.when(SkipNode(number(spec))).then("incident.resolved", "node.skipped")
    assert (spec.state.status, waiting(spec)) == ("Suspended", [])
    assert list(spec.state.tokens.values()) == ["work->after"]
    assert waiting(spec.given(ResumeInstance())) == ["after"]


def test_an_open_activity_is_completed_by_hand_and_its_task_cancelled():
    spec = started(WORK, n=1)
    decided = spec.when(CompleteNode(b'{"x":4}', activity=2, reason="by phone"))
    spec = decided.then(
        ActivityCancelled(2, "work", "by phone"),
        NodeCompleted(
            "work",
            "activity",
            b'{"x":4}',
            0,
            2,
            "by phone",
            Moves([1], [], ["work", "work->after"], {"got": b'{"x":4}', "y": b"5"}),
        ),
        "activity.scheduled",
    )
    assert decided.effects[0] == CancelTask(ActivityCancellation(2, 1, "by phone"))
    assert spec.state.variables == {"n": b"1", "got": b'{"x":4}', "y": b"5"}
    spec.when(CompleteActivity(2, 1, b"{}")).then_rejected("already_closed")
    spec.when(FailActivity(2, 1, "Boom")).then_rejected("already_closed")
    spec.when(CompleteNode(b"1", activity=2)).then_rejected("already_closed", "2")


def test_an_activity_between_two_attempts_has_no_task_to_cancel():
    spec = started(WORK, "retry: {fixed: {attempts: 3, delay: PT5S}}", n=1)
    spec = spec.given(FailActivity(2, 1, "Boom"))
    decided = spec.when(CompleteNode(b'{"x":4}', activity=2))
    assert not any(isinstance(effect, CancelTask) for effect in decided.effects)
    assert waiting(decided.accepted()) == ["after"]


def test_an_open_call_is_completed_by_hand_and_its_child_cancelled():
    nodes = """
  work: {type: call, definition: other, output: {y: "${output.x}"}, next: after}
  late: {type: boundary, on: work, duration: PT9S, next: end}
"""
    spec = started(nodes)
    (call,) = spec.state.calls
    decided = spec.when(CompleteNode(b'{"x":4}', call=call))
    child = spec.state.calls[call].child_id
    assert decided.effects[0] == SendCommand(
        "instance", child, "", CancelInstance("work was completed by hand")
    )
    spec = decided.then(has(NodeCompleted, node_type="call", work=call), "activity.scheduled")
    assert (spec.state.calls, spec.state.subscriptions) == ({}, {})
    assert spec.state.variables == {"result": b'{"x":4}', "y": b"4"}
    spec.when(CompleteCall(call, b"{}")).then_nothing()
    spec.when(FailCall(call, "State", "it was cancelled")).then_nothing()
    spec.when(CompleteNode(b"1", call=call)).then_rejected("already_closed", str(call))


def test_an_incident_is_completed_by_hand_at_the_entry_and_at_the_way_out():
    at_entry = started(WORK)
    at_entry = at_entry.given(SetVariables(b'{"n":1}'))
    way_out = complete(started(WORK, n=1), "work", b'{"x":"one"}')
    for spec in (at_entry, way_out):
        broken = number(spec)
        done = spec.when(CompleteNode(b'{"x":4}', broken)).then(
            IncidentResolved(broken, "completed"),
            has(NodeCompleted, node="work", incident=broken, work=0),
            "activity.scheduled",
        )
        assert done.state.variables == {"n": b"1", "got": b'{"x":4}', "y": b"5"}
        done.when(CompleteNode(b"1", broken)).then_rejected("NotFound")


def test_a_node_of_a_scope_is_completed_by_hand():
    nodes = SCOPED.replace('input: "${n}"', 'output: {x: "${output}"}')
    spec = started(nodes, missing=4)
    spec = spec.given(CompleteNode(b"6", activity=activity_of(spec, "inner")))
    assert (waiting(spec), spec.state.variables["y"]) == (["after"], b"10")


def test_a_result_that_does_not_fit_is_refused_and_nothing_changes():
    spec = started(WORK, n=1).with_limits(variable=100)
    for result, code, words in (
        (b"{", "InvalidInput", "JSON"),
        (b'{"x":"a"}', "DataTransformation", "skip the node"),
        (b'"%s"' % (b"x" * 200), "limit_exceeded", "the limit is 100"),
    ):
        spec.when(CompleteNode(result, activity=2)).then_rejected(code, words)
    doubling = started(WORK.replace("output.x + n", "got + got")).with_limits(variable=100)
    doubling = doubling.when(CompleteNode(b'"%s"' % (b"x" * 80), number(doubling)))
    doubling.then_rejected("limit_exceeded", "the limit is 100")


def test_what_has_no_result_is_skipped_instead():
    spec = started(AT_ENTRY["a timer"])
    spec.when(CompleteNode(b"1", number(spec))).then_rejected("InvalidInput", "skip it")


@pytest.mark.parametrize(
    "numbers", [{}, {"incident": 1, "activity": 2}, {"activity": 2, "call": 3}]
)
def test_one_thing_is_completed_at_a_time(numbers):
    started(WORK, n=1).when(CompleteNode(b"1", **numbers)).then_rejected(
        "MissingParameter", "exactly one"
    )


def test_variables_are_set_once_and_seen_by_the_retry():
    spec = started(WORK)
    command = SetVariables(b'{"n":1,"m":{"a":[1]}}', reason="mended")
    spec = spec.when(command).then(
        VariablesSet("mended", Moves(writes={"n": b"1", "m": b'{"a":[1]}'}))
    )
    spec.when(command).then_nothing()
    spec = spec.given(RetryIncident(0))
    assert waiting(spec) == ["work"]
    assert spec.effects[0].task.input == b'{"n":1}'


def test_local_variables_are_set_in_their_scope():
    spec = started(SCOPED)
    (scope,) = spec.state.scopes
    spec = spec.when(SetVariables(b'{"x":8}', scope)).then(
        VariablesSet("", Moves(writes={f"@{scope}/x": b"8"}))
    )
    assert spec.state.scopes[scope].variables == {"x": b"8"}
    assert spec.state.variables == {}
    spec.when(SetVariables(b'{"x":8}', scope)).then_nothing()
    spec = spec.given(SetVariables(b'{"missing":2,"n":1}'), SkipNode(number(spec)))
    assert spec.state.variables["y"] == b"10"
    spec.when(SetVariables(b'{"x":8}', scope)).then_rejected("NotFound", "running are: none")


@pytest.mark.parametrize(
    ("variables", "scope", "code", "words"),
    [
        (b"[1]", 0, "InvalidInput", ("not a JSON object",)),
        (b'{"@3/x":1}', 0, "InvalidInput", ("@3/x", "name it otherwise")),
        (b"{}", 0, "MissingParameter", ("at least one",)),
        (b'{"n":1}', 2, "InvalidInput", ("n", "scope 2 (work)", "which has x", "scope 0")),
        (b'{"x":1}', 9, "NotFound", ("9", "2 (work)")),
        (b'{"n":"%s"}' % (b"x" * 200), 0, "limit_exceeded", ("'n'", "the limit is 100")),
        (b'{"x":"%s"}' % (b"x" * 200), 2, "limit_exceeded", ("'x'", "the limit is 100")),
    ],
)
def test_variables_that_cannot_be_set_are_refused(variables, scope, code, words):
    spec = started(SCOPED).with_limits(variable=100)
    spec.when(SetVariables(variables, scope)).then_rejected(code, *words)


@pytest.mark.parametrize("command", [SkipNode(2), CompleteNode(b"1", 2), SetVariables(b'{"n":1}')])
def test_an_intervention_may_expect_a_sequence_and_has_a_short_reason(command):
    spec = started(WORK)
    spec.when(command, expected_sequence=1).then_rejected("version_conflict", "at sequence 2")
    spec.when(replace(command, reason="x" * 20_000)).then_rejected(
        "limit_exceeded", "say it shorter"
    )
