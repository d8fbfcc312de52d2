"""What operators ask: suspend, resume, cancel, terminate."""

import pytest

from schemas.commands import (
    CancelInstance,
    CreateInstance,
    FireTimer,
    ResumeInstance,
    RunInstance,
    StartChild,
    SuspendInstance,
    TerminateInstance,
)
from schemas.events import (
    ActivityScheduled,
    WorkflowCancelled,
    WorkflowResumed,
    WorkflowSuspended,
    WorkflowTerminated,
)
from schemas.results import CompleteActivity, FailActivity
from schemas.tasks import ActivityCancellation
from streams.domain.instance.state import FINISHED
from streams.domain.protocol import CancelTask, SendCommand
from streams.testing.spec import NOW, has, instance

SOURCE = """
id: flow
version: 1.0.0
nodes:
  start: {type: start, next: [work, sleep, child]}
  work: {type: activity, activity_type: work, next: more}
  more: {type: activity, activity_type: more, next: end}
  sleep: {type: timer, duration: PT10S, next: end}
  child: {type: call, definition: other, next: end}
  end: {type: end}
"""
# Keys: started 1, work 2 (token 1), sleep 3 (token 2), child 4 (token 3).


def running():
    return instance(SOURCE).given(RunInstance("flow"))


def suspended():
    return running().given(SuspendInstance("lunch"))


BY_STATUS = {
    "Created": lambda: instance(SOURCE).given(CreateInstance("flow")),
    "Running": running,
    "Suspended": suspended,
    "Failed": lambda: running().given(FailActivity(2, 1, "Boom")),
    "Cancelled": lambda: running().given(CancelInstance()),
    "Terminated": lambda: running().given(TerminateInstance()),
}


def test_suspending_notes_the_reason():
    spec = running().when(SuspendInstance("lunch")).then(WorkflowSuspended("lunch"))
    assert spec.state.reason == "lunch"


def test_while_suspended_a_result_is_taken_and_its_token_held_back():
    spec = suspended().when(CompleteActivity(2, 1, b"7")).then("activity.completed")
    assert spec.state.variables["result"] == b"7"
    assert sorted(spec.state.tokens.values()) == ["child", "sleep", "work->more"]


def test_while_suspended_no_timer_is_due():
    spec = suspended()
    assert spec.next_due() == 0
    spec.later(60_000).when(FireTimer(NOW + 10_000)).then_nothing()


def test_while_suspended_no_further_attempt_is_made():
    source = SOURCE.replace("activity_type: work", "activity_type: work, retry: {immediate: 3}")
    spec = instance(source).given(RunInstance("flow"), SuspendInstance())
    spec = spec.when(FailActivity(2, 1, "Boom")).then("activity.failed")
    spec = spec.given(ResumeInstance())
    assert spec.next_due() == NOW
    spec.when(FireTimer(NOW)).then(has(ActivityScheduled, activity=2, attempt=2))


def test_resuming_lets_held_tokens_go_on():
    spec = suspended().given(CompleteActivity(2, 1))
    spec = spec.when(ResumeInstance("back")).then(
        WorkflowResumed("back"), "node.executed", has(ActivityScheduled, activity_id="more")
    )
    assert spec.state.reason == ""


def test_a_timer_that_passed_while_suspended_fires_after_resuming_with_its_own_due():
    spec = suspended().later(60_000).given(ResumeInstance())
    assert spec.next_due() == NOW + 10_000
    (event,) = spec.when(FireTimer(NOW + 10_000)).events
    assert (event.node, event.due) == ("sleep", NOW + 10_000)


def test_the_last_completion_while_suspended_ends_the_workflow_only_when_resumed():
    source = """
id: short
version: 1.0.0
nodes:
  start: {type: start, next: work}
  work: {type: activity, activity_type: work, next: end}
  end: {type: end}
"""
    spec = instance(source).given(RunInstance("short"), SuspendInstance())
    spec = spec.when(CompleteActivity(2, 1)).then("activity.completed")
    assert spec.state.status == "Suspended"
    spec.when(ResumeInstance()).then("workflow.resumed", "node.executed", "workflow.completed")


def test_a_final_failure_while_suspended_fails_the_workflow():
    spec = suspended().when(FailActivity(2, 1, "Boom")).then("activity.failed", "workflow.failed")
    assert spec.state.status == "Failed"


def test_cancelling_tells_workers_and_children():
    decided = running().when(CancelInstance("enough"))
    decided.then_effects(
        CancelTask(ActivityCancellation(2, 1, "enough")),
        SendCommand("instance", "one~4", "", CancelInstance("enough")),
    )
    state = decided.then(WorkflowCancelled("enough")).state
    assert (state.tokens, state.activities, state.timers, state.calls) == ({}, {}, {}, {})
    assert state.ended_at == NOW


def test_terminating_terminates_children():
    decided = running().when(TerminateInstance("now"))
    decided.then_effects(
        CancelTask(ActivityCancellation(2, 1, "now")),
        SendCommand("instance", "one~4", "", TerminateInstance("now")),
    )
    assert decided.then(WorkflowTerminated("now")).state.status == "Terminated"


@pytest.mark.parametrize(
    ("end", "how"),
    [(CancelInstance("why"), "cancelled: why"), (TerminateInstance("why"), "terminated: why")],
)
def test_a_child_that_is_ended_tells_its_parent(end, how):
    child = instance(SOURCE, aggregate_id="root~4").given(
        StartChild("flow", "", b"{}", "root", "life", 4)
    )
    answer = child.when(end).effects[-1]
    assert (answer.aggregate_id, answer.incarnation, answer.body.call) == ("root", "life", 4)
    assert how in answer.body.message


@pytest.mark.parametrize("status", sorted(set(BY_STATUS) & FINISHED))
def test_what_arrives_after_the_end_is_closed(status):
    spec = BY_STATUS[status]()
    spec.when(CompleteActivity(2, 1)).then_rejected("already_closed", status)
    spec.when(FailActivity(2, 1, "Boom")).then_rejected("already_closed")
    spec.when(FireTimer(NOW)).then_nothing()
    assert spec.next_due() == 0
    assert spec.aggregate.is_finished(spec.state)


def test_a_finished_instance_leaves_a_short_memory():
    spec = running().given(CancelInstance())
    remnant = spec.aggregate.remnant(spec.state)
    data = spec.aggregate.encode(remnant)
    assert len(data) < 40
    assert spec.aggregate.decode(data) == remnant
    assert spec.aggregate.sequence(remnant) == spec.aggregate.sequence(spec.state)
