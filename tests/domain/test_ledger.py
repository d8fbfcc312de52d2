"""The ledger of tokens sees what is lost, made from nothing, or taken twice."""

import pytest

from schemas.commands import RunInstance
from schemas.events import ActivityScheduled, Moves, NodeExecuted, Token, WorkflowCompleted
from streams.testing.ledger import Ledger
from streams.testing.spec import instance
from streams.testing.steps import complete

SOURCE = """{"id": "flow", "version": "1.0.0",
  "nodes": {"start": {"type": "start"}, "work": {"type": "activity", "activity_type": "a"},
            "end": {"type": "end"}},
  "flows": [{"source": "start", "target": "work"}, {"source": "work", "target": "end"}]}"""
PUT = NodeExecuted("a", "timer", Moves([], [Token(1, "x")]))
TAKEN = NodeExecuted("a", "timer", Moves([1]))


def test_a_run_to_its_end_leaves_no_token():
    ledger = Ledger()
    for event in complete(instance(SOURCE).given(RunInstance("flow")), "work").past:
        ledger.enter(event)
    assert ledger.here == set()


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([TAKEN], "taken and not there"),
        ([PUT, TAKEN, TAKEN], "taken and not there"),
        ([PUT, PUT], "is there already"),
        ([PUT, TAKEN, PUT], "was taken before"),
        ([PUT, TAKEN, ActivityScheduled(2, "a", "a", "default", 1)], "was taken before"),
        ([PUT, NodeExecuted("a", "timer", Moves([1, 1]))], "taken twice"),
        ([PUT, WorkflowCompleted(b"{}"), TAKEN], "taken and not there"),
        ([PUT, TAKEN, NodeExecuted("t", "throw", Moves([1]))], "were taken before"),
    ],
)
def test_events_that_lose_or_invent_a_token_are_seen(events, words):
    ledger, [*before, last] = Ledger(), events
    for event in before:
        ledger.enter(event)
    with pytest.raises(AssertionError, match=words):
        ledger.enter(last)


@pytest.mark.parametrize("tokens", [[], [1, 2], [2]])
def test_a_state_with_other_tokens_than_the_events_give_is_seen(tokens):
    ledger = Ledger()
    ledger.enter(PUT)
    with pytest.raises(AssertionError, match="the state"):
        ledger.hold_against(tokens)
