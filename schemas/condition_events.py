"""Events of conditional events."""

from __future__ import annotations

import msgspec


class ConditionEnded(msgspec.Struct, frozen=True, gc=False):
    """A condition that had acted is false again: its event acts when it is next true."""

    node: str
    subscription: int
    """The sequence of `event.awaited`."""
