"""What follows when the child of a call has failed: the same as after an activity."""

import pytest

from schemas.call_events import CallFailed
from schemas.commands import CompleteCall, FailCall, RetryIncident, RunInstance
from schemas.events import EventTriggered
from streams.testing.spec import instance
from streams.testing.steps import complete, waiting

CALL = """
id: flow
version: 1.0.0
nodes:
  start: {type: start, next: sub}
  sub: {type: call, definition: other, on_failure: ON_FAILURE, next: after}
  after: {type: activity, activity_type: job, next: end}
  plan_b: {type: activity, activity_type: job, next: end}
  undo: {type: activity, activity_type: undo}
  end: {type: end}
"""


@pytest.mark.parametrize(
    ("on_failure", "recovery", "then"),
    [
        ("fail_workflow", "fail_workflow", "Failed"),
        ("skip", "skip", ["after"]),
        ("manual_intervention", "manual_intervention", []),
        ("{compensation_activity: undo}", "compensate", ["undo"]),
        ("{compensation_activity: undo, fallback: plan_b}", "compensate", ["undo"]),
        ("{strategy: fail_workflow, fallback: plan_b}", "fallback", ["plan_b"]),
    ],
)
def test_a_call_that_failed_does_what_its_recovery_says(on_failure, recovery, then):
    text = CALL.replace("ON_FAILURE", on_failure)
    for node in ("plan_b", "undo"):
        if node not in on_failure:
            text = "\n".join(line for line in text.splitlines() if f"  {node}:" not in line)
    spec = instance(text).given(RunInstance("flow")).given(FailCall(2, "Boom", "it broke"))
    (failed,) = [event for event in spec.past if isinstance(event, CallFailed)]
    assert (failed.call, failed.child_id, failed.recovery) == (2, "one~2", recovery)
    assert (waiting(spec) if spec.state.status == "Running" else spec.state.status) == then
    assert spec.state.calls == {}
    spec.when(CompleteCall(2, b"{}")).then_nothing()
    spec.when(FailCall(2, "Boom", "again")).then_nothing()
    if recovery == "manual_intervention":
        assert len(spec.given(RetryIncident(0)).state.calls) == 1
    if then == ["undo"] and "plan_b" in on_failure:
        assert waiting(complete(spec, "undo")) == ["plan_b"]


def test_a_call_whose_fallback_is_its_only_recovery_takes_it():
    text = CALL.replace("ON_FAILURE", "{fallback: plan_b}").replace(
        "  undo: {type: activity, activity_type: undo}\n", ""
    )
    spec = instance(text).given(RunInstance("flow")).given(FailCall(2, "Boom", "it broke"))
    assert isinstance(spec.past[-2], EventTriggered)
    assert waiting(spec) == ["plan_b"]
