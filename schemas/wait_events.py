"""Events of combined waits: nodes that wait for several events together."""

from __future__ import annotations

import msgspec

from schemas.events import NO_MOVES, Moves


class WaitProgressed(msgspec.Struct, frozen=True, gc=False):
    """One of the events came that a combined wait waits for; with `moves` the wait is over."""

    node: str
    token: int
    part: int
    """Number of the event among those of the node, from 1 in the author's order."""
    name: str
    """What the author calls it; empty: the time within which something did not come."""
    kind: str
    """`timer`, `message`, `signal`, `condition`."""
    subscription: int
    """The sequence of `event.awaited`."""
    status: str
    """Of the whole, with this event: `open`, `met`, `lost` (it cannot be met any more)."""
    closed: list[int] = []
    """Other subscriptions of the wait that are given up with it."""
    due: int = 0
    """Timers: when it was due."""
    payload: bytes = b"null"
    """A JSON value."""
    message_id: str = ""
    moves: Moves = NO_MOVES
