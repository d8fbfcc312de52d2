"""Call activities: a child starts, answers, or fails."""

import pytest

from schemas.call_events import CallFailed, CallStarted
from schemas.commands import (
    CancelInstance,
    CompleteCall,
    FailCall,
    RetryIncident,
    RunInstance,
    StartChild,
)
from schemas.events import (
    ErrorOccurred,
    Moves,
    NodeExecuted,
    WorkflowCompleted,
    WorkflowFailed,
)
from schemas.results import FailActivity
from streams.domain.protocol import SendCommand
from streams.testing.spec import has, instance


def source_of(definition, more="", top=""):
    return f"""
id: flow
version: 1.0.0
{top}
nodes:
  start: {{type: start, next: sub}}
  sub: {{type: call, definition: {definition}, next: end{more and ", " + more}}}
  end: {{type: end}}
"""


def calling(more="", aggregate_id="one"):
    source = source_of("other", more)
    return instance(source, aggregate_id=aggregate_id).when(RunInstance("flow", "", b'{"n":1}'))


def test_a_call_asks_for_its_child_with_the_mapped_input():
    decided = calling('version: 2.0.0, input: {a: "${n + 1}", b: text}')
    given = b'{"a":2,"b":"text"}'
    decided.then("workflow.started", CallStarted("sub", 1, "one~2", "other", "2.0.0", given))
    decided.then_effects(
        SendCommand("instance", "one~2", "", StartChild("other", "2.0.0", given, "one", "first", 2))
    )


@pytest.mark.parametrize(
    ("aggregate_id", "more", "child"),
    [
        ("one", "", "one~2"),
        ("one~4", "", "one~4.2"),
        ("one", "placement: spread", "one.first.2"),
        ("one~4", "placement: spread", "one.4.first.2"),
    ],
)
def test_the_childs_id_says_where_it_lives(aggregate_id, more, child):
    spec = calling(more, aggregate_id).accepted()
    assert spec.state.calls[2].child_id == child


def test_calls_that_nest_too_deep_become_an_incident():
    spec = calling(aggregate_id="one~" + "4" * 124).accepted()
    assert spec.past[-1].code == "InvalidInput"
    assert "too deep" in spec.past[-1].message


def test_a_childs_result_is_the_calls_output():
    spec = calling('result_path: got, output: {n: "${output.x}"}').accepted()
    spec.when(CompleteCall(2, b'{"x":5}')).then(
        NodeExecuted(
            "sub",
            "call",
            Moves([1], [], ["sub", "sub->end", "end"], {"got": b'{"x":5}', "n": b"5"}),
            output=b'{"x":5}',
        ),
        WorkflowCompleted(b'{"got":{"x":5},"n":5}'),
    )


def test_an_answer_that_comes_again_changes_nothing():
    spec = calling().accepted().given(CompleteCall(2, b"{}"))
    spec.when(CompleteCall(2, b"{}")).then_nothing()
    spec.when(FailCall(2, "State", "late")).then_nothing()


def test_a_child_that_fails_fails_its_caller_with_its_code_and_its_id():
    calling().accepted().when(FailCall(2, "Boom", "it broke")).then(
        has(CallFailed, child_id="one~2", code="Boom", recovery="fail_workflow"),
        has(
            WorkflowFailed,
            code="Boom",
            message="the called workflow one~2 did not complete: it broke",
            node="sub",
            restartable=True,
        ),
    )


def test_the_error_names_every_workflow_on_its_way_out():
    spec = instance(source_of("other"), aggregate_id="root~9").given(
        StartChild("flow", "", b"{}", "root", "life", 9)
    )
    decided = spec.when(FailCall(2, "Boom", "the called workflow root~9.2.4 did not complete: no"))
    decided.then("call.failed", "workflow.failed")
    (told,) = [one.body for one in decided.effects if isinstance(one.body, FailCall)]
    assert (told.code, told.refused) == ("Boom", False)
    assert told.message == (
        "the called workflow root~9.2 did not complete: "
        "the called workflow root~9.2.4 did not complete: no"
    )


@pytest.mark.parametrize(
    ("on_failure", "engine", "then"),
    [
        ("", "fail_workflow", "Failed"),
        ("", "manual_intervention", "Running"),
        ("", "skip", "Completed"),
        ("on_failure: skip", "manual_intervention", "Completed"),
        ("on_failure: manual_intervention", "fail_workflow", "Running"),
    ],
)
def test_the_definition_and_the_engine_have_the_defaults_of_calls_too(on_failure, engine, then):
    spec = instance(source_of("other", top=on_failure)).with_limits(failure_strategy=engine)
    spec = spec.given(RunInstance("flow"), FailCall(2, "Boom", "it broke"))
    assert (spec.state.status, len(spec.state.incidents)) == (then, then == "Running")


def test_a_child_that_cannot_start_is_an_incident_and_a_retry_starts_another():
    spec = calling().accepted()
    spec = spec.when(FailCall(2, "NotFound", "no such definition", refused=True)).then(
        has(ErrorOccurred, code="NotFound", node="sub", token=1)
    )
    assert "one~2 could not start: no such definition" in spec.past[-1].message
    assert spec.state.calls == {}
    spec = spec.when(RetryIncident(3)).then(
        "incident.resolved", has(CallStarted, child_id="one~5", token=1, attempt=1)
    )
    # The former child has no say any more.
    spec.when(CompleteCall(2, b"{}")).then_nothing()
    spec.when(CompleteCall(5, b"{}")).then("node.executed", "workflow.completed")


def test_an_output_mapping_of_a_call_that_fails_keeps_the_childs_result():
    spec = calling('output: {n: "${output.x}"}').accepted()
    spec = spec.when(CompleteCall(2, b"{}")).then(
        has(NodeExecuted, output=b"{}"), has(ErrorOccurred, place="sub/out")
    )
    assert spec.state.calls == {}
    assert spec.state.variables["result"] == b"{}"


def test_an_instance_that_fails_cancels_its_children_and_tells_its_own_parent():
    source = """
id: flow
version: 1.0.0
nodes:
  start: {type: start, next: [sub, work]}
  sub: {type: call, definition: other, next: end}
  work: {type: activity, activity_type: job, next: end}
  end: {type: end}
"""
    spec = instance(source, aggregate_id="root~9").given(
        StartChild("flow", "", b"{}", "root", "life", 9)
    )
    decided = spec.when(FailActivity(3, 1, "Boom", "it broke"))
    decided.then("activity.failed", "workflow.failed")
    decided.then_effects(
        SendCommand("instance", "root~9.2", "", CancelInstance("the workflow failed at work")),
        SendCommand("instance", "root", "life", FailCall(9, "Boom", "it broke")),
    )
