"""Compensation across calls: a child undoes what it did, for its parent, once, and is kept so."""

import pytest

from schemas import compensation_events as e
from schemas.commands import (
    CancelInstance,
    CompensateInstance,
    CompleteCall,
    DiscardCompensation,
    FailCall,
    RetryIncident,
    RunInstance,
    SkipNode,
    StartChild,
    TerminateInstance,
)
from schemas.events import ErrorOccurred, NodeExecuted
from streams.domain.instance.aggregate import INSTANCE
from streams.domain.protocol import SendCommand
from streams.testing.spec import has, instance
from streams.testing.steps import complete, waiting

TRIP = """
id: trip
version: 1.0.0
nodes:
  start: {type: start, next: hotel}
  hotel: {type: activity, activity_type: a, compensate_with: no_hotel, next: flight}
  no_hotel: {type: activity, activity_type: a}
  flight: {type: activity, activity_type: a, compensate_with: no_flight, next: car}
  no_flight: {type: activity, activity_type: a}
  car: {type: activity, activity_type: a, next: end}
  end: {type: end}
"""
CALLING = """
id: saga
version: 1.0.0
nodes:
  start: {type: start, next: sub}
  sub: {type: call, definition: trip, next: work}
  work: {type: activity, activity_type: a, next: undo}
  undo: {type: end, compensate: "*"}
"""


def child():
    """A trip that is done, for a parent's call 2."""
    begin = StartChild("trip", "", b"{}", "one", "first", 2)
    spec = instance(TRIP, aggregate_id="one~2").given(begin)
    return complete(complete(spec, "hotel"), "flight")


def sent(spec, kind):
    found = [one for one in spec.effects if isinstance(one, SendCommand)]
    return [(one.aggregate_id, one.body) for one in found if isinstance(one.body, kind)]


def called(source=CALLING):
    spec = instance(source).given(RunInstance("saga"))
    return spec.given(CompleteCall(2, b"{}", compensable=True))


def test_a_child_that_is_done_keeps_what_undoes_it_and_says_so():
    spec = complete(child(), "car")
    (answer,) = sent(spec, CompleteCall)
    assert answer[0] == "one"
    assert answer[1].compensable
    state = spec.state
    assert state.status == "Completed"
    assert [one.node for one in state.completions.values()] == ["hotel", "flight"]
    assert not INSTANCE.is_finished(state)


def test_a_childs_parent_has_it_undone():
    spec = complete(child(), "car").given(CompensateInstance("one", "first", 9, "why"))
    assert (spec.state.status, waiting(spec)) == ("Running", ["no_flight"])
    spec = complete(complete(spec, "no_flight"), "no_hotel")
    assert spec.past[-1] == e.WorkflowCompensated()
    assert (spec.state.status, INSTANCE.is_finished(spec.state)) == ("Completed", True)
    assert sent(spec, CompleteCall)[-1] == ("one", CompleteCall(9, b"null"))
    # Asked again, there is nothing left to undo.
    decided = spec.when(CompensateInstance("one", "first", 12))
    decided.then()
    assert sent(decided.accepted(), CompleteCall)[-1] == ("one", CompleteCall(12, b"null"))


def test_a_child_that_nobody_will_have_undone_forgets_what_it_did():
    spec = complete(child(), "car")
    spec = spec.when(DiscardCompensation()).then("compensation.discarded")
    assert (spec.state.completions, INSTANCE.is_finished(spec.state)) == ({}, True)
    spec.when(DiscardCompensation()).then_nothing()


def test_a_call_is_undone_by_its_child():
    spec = complete(called(), "work")
    ((name, body),) = sent(spec, CompensateInstance)
    assert (name, body.parent_id, body.call) == ("one~2", "one", spec.state.sequence)
    spec.when(CompleteCall(body.call, b"null")).then(
        has(e.HandlerCompleted, node="sub", handler=""), NodeExecuted, "workflow.completed"
    ).when(CompleteCall(body.call, b"null")).then_nothing()


def test_a_calls_own_handler_runs_instead_of_its_child():
    source = CALLING.replace("definition: trip,", "definition: trip, compensate_with: un_sub,")
    source = source.replace("  work:", "  un_sub: {type: activity, activity_type: a}\n  work:")
    spec = called(source)
    assert [one.child_id for one in spec.state.completions.values()] == [""]
    assert waiting(complete(spec, "work")) == ["un_sub"]


def test_children_are_told_when_nobody_can_have_them_undone_any_more():
    spec = called(CALLING.replace('undo: {type: end, compensate: "*"}', "undo: {type: end}"))
    assert sent(spec, DiscardCompensation) == []
    spec = complete(spec, "work")
    assert sent(spec, DiscardCompensation) == [("one~2", DiscardCompensation())]
    ends_at_once = CALLING.replace("next: work}", "next: undo}", 1).replace(
        'undo: {type: end, compensate: "*"}', "undo: {type: end}"
    )
    ends_at_once = ends_at_once.replace(
        "  work: {type: activity, activity_type: a, next: undo}\n", ""
    )
    spec = called(ends_at_once)
    assert spec.state.status == "Completed"
    assert sent(spec, DiscardCompensation) == [("one~2", DiscardCompensation())]


@pytest.mark.parametrize("by", [RetryIncident, SkipNode])
def test_a_child_that_cannot_be_undone_is_an_incident(by):
    spec = complete(called(), "work")
    call = spec.state.sequence
    spec = spec.when(FailCall(call, "NotFound", "it is gone")).then(
        has(ErrorOccurred, code="NotFound", node="undo")
    )
    assert "one~2 could not be compensated" in spec.past[-1].message
    spec = spec.given(by(spec.state.sequence))
    if by is SkipNode:
        assert spec.state.status == "Completed"
        return
    again = sent(spec, CompensateInstance)
    assert len(again) == 2
    spec.when(CompleteCall(call, b"null")).then_nothing()
    assert spec.given(CompleteCall(again[1][1].call, b"null")).state.status == "Completed"


def test_cancelling_has_a_child_undone_that_is_done_and_one_that_runs_before_it():
    source = CALLING.replace("next: work}", "next: [work, other]}", 1).replace(
        "  work:", "  other: {type: call, definition: trip, next: undo}\n  work:"
    )
    spec = called(source).given(CancelInstance("off"))
    ((name, body),) = sent(spec, CompensateInstance)
    assert name == "one~6", spec.past
    spec = spec.given(FailCall(6, "State", "it was cancelled"), CompleteCall(body.call, b"null"))
    ((_, first), (name, body)) = sent(spec, CompensateInstance)
    assert (name, first.call < body.call) == ("one~2", True)
    spec = spec.given(CompleteCall(body.call, b"null"))
    assert spec.state.status == "Cancelled"


def test_a_running_child_is_cancelled_with_compensation_for_its_parent():
    spec = child().given(CompensateInstance("one", "first", 9, "off"))
    spec = complete(complete(spec, "no_flight"), "no_hotel")
    assert spec.state.status == "Cancelled"
    assert sent(spec, FailCall) == [("one", FailCall(2, "State", "it was cancelled: off"))]
    assert sent(spec, CompleteCall) == [("one", CompleteCall(9, b"null"))]


def test_a_child_that_cancels_already_answers_the_parent_that_waits_for_it_too():
    spec = child().given(CancelInstance("by hand"), CompensateInstance("one", "first", 9))
    spec = complete(complete(spec, "no_flight"), "no_hotel")
    assert spec.state.status == "Cancelled"
    assert sent(spec, CompleteCall) == [("one", CompleteCall(9, b"null"))]


def test_a_parent_that_asks_again_is_answered_and_nothing_begins_anew():
    spec = complete(child(), "car").given(CompensateInstance("one", "first", 9))
    spec = spec.when(CompensateInstance("one", "first", 12)).then("compensation.triggered")
    spec.when(CompensateInstance("one", "first", 12)).then_nothing()
    spec = complete(complete(spec, "no_flight"), "no_hotel")
    assert sent(spec, CompleteCall)[1:] == [("one", CompleteCall(12, b"null"))]


def test_a_child_that_is_ended_by_hand_while_it_is_undone_tells_its_parent():
    spec = complete(child(), "car").given(CompensateInstance("one", "first", 9))
    spec = spec.given(TerminateInstance("now"))
    assert sent(spec, FailCall) == [("one", FailCall(9, "State", "it was terminated: now"))]
    spec = spec.given(CompensateInstance("one", "first", 12))
    assert sent(spec, FailCall)[-1][1].code == "InvalidState"


def test_terminating_ends_the_children_that_are_being_undone():
    spec = complete(called(), "work").given(TerminateInstance("now"))
    assert sent(spec, TerminateInstance) == [("one~2", TerminateInstance("now"))]
