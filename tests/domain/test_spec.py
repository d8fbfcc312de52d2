"""The kit itself: a sentence that is false fails, and an aggregate that cheats is caught."""

from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from schemas.commands import RunInstance, SuspendInstance
from schemas.events import WorkflowSuspended
from streams.domain.instance.aggregate import INSTANCE, InstanceAggregate
from streams.testing.spec import has, instance

SOURCE = """
id: flow
version: 1.0.0
nodes:
  start: {type: start, next: work}
  work: {type: activity, activity_type: job, next: end}
  end: {type: end}
"""


def running(aggregate=INSTANCE):
    return replace(instance(SOURCE).given(RunInstance("flow")), aggregate=aggregate)


def cheating(**parts):
    names = [name for name in dir(InstanceAggregate) if not name.startswith("_")]
    return SimpleNamespace(**{name: getattr(INSTANCE, name) for name in names} | parts)


@pytest.mark.parametrize(
    "expected",
    [
        (),
        ("workflow.resumed",),
        ("workflow.suspended", "workflow.resumed"),
        (WorkflowSuspended("other"),),
        (has(WorkflowSuspended, reason="other"),),
        (SuspendInstance,),
    ],
)
def test_events_that_are_not_those_expected_fail(expected):
    with pytest.raises(AssertionError, match="these events were expected"):
        running().when(SuspendInstance("why")).then(*expected)


@pytest.mark.parametrize(
    "expected",
    [
        "workflow.suspended",
        WorkflowSuspended,
        WorkflowSuspended("why"),
        has(WorkflowSuspended, reason="why"),
    ],
)
def test_events_can_be_named_in_four_ways(expected):
    assert running().when(SuspendInstance("why")).then(expected).state.status == "Suspended"


def test_a_type_that_does_not_exist_is_no_expectation():
    with pytest.raises(AssertionError, match="no event's public type"):
        running().when(SuspendInstance()).then("workflow.suspend")


def test_a_rejection_that_is_expected_must_come():
    with pytest.raises(AssertionError, match=r"accepted, with workflow\.suspended"):
        running().when(SuspendInstance()).then_rejected("InvalidStateTransition")
    with pytest.raises(AssertionError, match="NotFound was expected"):
        running().when(RunInstance("flow")).then_rejected("NotFound")
    with pytest.raises(AssertionError, match="'banana' is missing"):
        running().when(RunInstance("flow")).then_rejected("already_exists", "banana")


def test_a_given_command_must_be_accepted():
    with pytest.raises(AssertionError, match="rejected: already_exists"):
        running().given(RunInstance("flow"))


def test_a_definition_that_cannot_be_read_says_why():
    with pytest.raises(AssertionError, match="version"):
        instance("id: flow")


def test_a_decision_that_differs_the_second_time_is_caught():
    reasons = iter(["one", "two"])

    def decide(_, state, ctx):
        return INSTANCE.decide(SuspendInstance(next(reasons)), state, ctx)

    with pytest.raises(AssertionError, match="two outcomes"):
        running(cheating(decide=decide)).when(SuspendInstance())


def test_a_decided_state_that_the_events_do_not_give_is_caught():
    def decide(command, state, ctx):
        outcome = INSTANCE.decide(command, state, ctx)
        return replace(outcome, state=replace(outcome.state, reason="not in the event"))

    with pytest.raises(AssertionError, match="folding the events"):
        running(cheating(decide=decide)).when(SuspendInstance())


def test_a_decision_that_changes_its_former_state_is_caught():
    def decide(command, state, ctx):
        state.variables["x"] = b"1"
        return INSTANCE.decide(command, state, ctx)

    with pytest.raises(AssertionError, match="changed the state"):
        running(cheating(decide=decide)).when(SuspendInstance())


def test_an_encoding_that_loses_something_is_caught():
    def encode(state):
        return INSTANCE.encode(replace(state, reason=""))

    with pytest.raises(AssertionError, match="encoding"):
        running(cheating(encode=encode)).when(SuspendInstance("why"))
