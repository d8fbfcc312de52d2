"""Events of calls: a child is asked for, and fails.

That it completed is `node.executed`.
"""

from __future__ import annotations

import msgspec

from schemas.events import NO_MOVES, Moves


class CallStarted(msgspec.Struct, frozen=True, gc=False):
    """A call node asked for another workflow; the event's sequence names the call."""

    node: str
    token: int
    child_id: str
    definition_id: str
    version: str
    input: bytes
    attempt: int = 1
    """How many children this call has had, this one included."""


class CallFailed(msgspec.Struct, frozen=True, gc=False):
    """A called workflow did not complete, and what the author says of that is done."""

    call: int
    """Sequence of `call.started`."""
    node: str
    child_id: str
    code: str
    message: str
    recovery: str
    """What follows: `retry`, `boundary`, `fallback`, or the strategy that was taken."""
    moves: Moves = NO_MOVES
    retry_at: int = 0
    """When another child starts; 0 where none does."""
