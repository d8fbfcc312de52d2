"""A ledger of tokens, kept from the events alone, without the appliers.

What conservation means: a token comes into being once, where an event puts it down, and never
again; only what is there can be taken, and once; an event that ends the run takes what is left.
After every event the ledger holds exactly the tokens of the state.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from schemas.events import (
    NO_MOVES,
    NodeExecuted,
    WorkflowCancelled,
    WorkflowCompleted,
    WorkflowFailed,
    WorkflowTerminated,
)

_ENDS: Final = (WorkflowCompleted, WorkflowFailed, WorkflowCancelled, WorkflowTerminated)


class Ledger:
    """The tokens of one instance; each fault is an `AssertionError` that names the event."""

    def __init__(self) -> None:
        """Start without a token."""
        self.here: set[int] = set()
        """Tokens that have been put down and not been taken."""
        self._gone: set[int] = set()

    def enter(self, event: msgspec.Struct) -> None:
        """Take one event into account."""
        moves: Any = getattr(event, "moves", NO_MOVES)
        put = [token.id for token in moves.produced]
        named = getattr(event, "token", 0)
        if named and named not in self.here and named not in put:
            self._new(named, event)
        taken = set(moves.consumed)
        assert len(taken) == len(moves.consumed), f"a token is taken twice: {event}"
        # A throw that acts at once is passed without a rest: the number goes to the next token.
        passed = taken - self.here
        assert not passed or _acts_at_once(event), f"{passed} are taken and not there: {event}"
        assert not passed & self._gone, f"{passed & self._gone} were taken before: {event}"
        self.here -= taken
        assert len(set(put)) == len(put), f"a token is put down twice: {event}"
        for token in put:
            # One that is taken and put down again by the same event has moved.
            if token in taken:
                self.here.add(token)
                taken.remove(token)
            else:
                self._new(token, event)
        self._gone |= taken - passed
        if isinstance(event, _ENDS):
            self._gone |= self.here
            self.here = set()

    def hold_against(self, tokens: Iterable[int]) -> None:
        """Check that a state has these tokens and no others."""
        assert self.here == set(tokens), f"the events say {self.here}, the state {set(tokens)}"

    def _new(self, token: int, event: msgspec.Struct) -> None:
        assert token not in self._gone, f"token {token} was taken before: {event}"
        assert token not in self.here, f"token {token} is there already: {event}"
        self.here.add(token)


def _acts_at_once(event: msgspec.Struct) -> bool:
    return isinstance(event, NodeExecuted) and event.node_type in {"throw", "compensate"}
