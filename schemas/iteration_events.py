"""Events of nodes that are run several times: for each item of a list, or in a loop."""

from __future__ import annotations

import msgspec

from schemas.events import NO_MOVES, Moves


class IterationStarted(msgspec.Struct, frozen=True, gc=False):
    """A node is to be run several times; the event's sequence names the iteration."""

    node: str
    token: int
    """The token that waits at the node until the last run is done."""
    total: int
    """Runs to come; -1 where nobody knows, as of a loop without a bound."""


class ItemsListed(msgspec.Struct, frozen=True, gc=False):
    """The next of an iteration's items; together they are the list as it was at the start."""

    iteration: int
    items: list[bytes]
    """JSON values."""


class ItemStarted(msgspec.Struct, frozen=True, gc=False):
    """One run begins; the event's sequence names the scope of its local variables."""

    iteration: int
    node: str
    index: int
    """Its place in the list, from 0."""
    token: int
    """The token that goes through the run."""
    variables: dict[str, bytes] = {}
    """Its local variables: canonical JSON by name."""


class ItemCompleted(msgspec.Struct, frozen=True, gc=False):
    """One run is done."""

    iteration: int
    node: str
    item: int
    """Sequence of `item.started`."""
    index: int
    output: bytes = b""
    """What is collected of it, a JSON value; empty where nothing is."""
    skipped: bool = False
    """True: it failed, and was taken as done without a result."""


class IterationCompleted(msgspec.Struct, frozen=True, gc=False):
    """A node that was run several times is left."""

    iteration: int
    node: str
    reason: str
    """`all` (every run is done), `until` or `while` (a condition ended it)."""
    done: int
    """Runs that were done; others were stopped, or never begun."""
    moves: Moves = NO_MOVES
