"""Events of sections: parts of a workflow that hold a lock while they run."""

from __future__ import annotations

import msgspec

from schemas.events import Moves


class SectionAwaited(msgspec.Struct, frozen=True, gc=False):
    """A section asks for its lock before it begins; this event's sequence is its number."""

    node: str
    token: int
    lock: str
    ttl_ms: int
    """0: the lock is held until it is returned."""
    wait_ms: int
    """-1: as long as it takes."""


class SectionLocked(msgspec.Struct, frozen=True, gc=False):
    """A section has its lock, and may begin."""

    section: int
    fence: int
    """The fencing token: greater than those of all former holders."""
    extend_at: int
    """When the lock is asked to be held for longer, in ms since 1970; 0: never."""


class SectionExtended(msgspec.Struct, frozen=True, gc=False):
    """A section that runs asked to hold its lock for longer."""

    section: int
    extend_at: int


class SectionEnded(msgspec.Struct, frozen=True, gc=False):
    """A section did not get its lock, or lost it: what ran in it is stopped."""

    section: int
    node: str
    how: str
    """`refused`, `expired` or `forced`."""
    moves: Moves = Moves()
