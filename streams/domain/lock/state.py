"""What is known of a lock: who holds it, who waits, and which commands are over."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

import msgspec

from schemas.lock_events import LockOwner

WAITERS_MAX: Final = 500
RECENT_MAX: Final = 64
"""Ended requests and releases that are remembered, so that one that comes again has no effect."""
LEAD_MAX_MS: Final = 1_000
"""How far a forgotten lock's token may have been ahead of the clock; below any sweep window."""
RELEASED, EXPIRED, FORCED = "released", "expired", "forced"
TIMEOUT, WITHDRAWN = "timeout", "withdrawn"
_HASH_BYTES: Final = 8


class Holder(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Who has the lock."""

    owner: LockOwner
    token: int
    expires_at: int
    """Milliseconds since 1970; 0: until it is released."""
    command_id: str = ""
    again: str = ""
    """The last command by which the holder acquired it again."""


class Waiter(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One place in the queue."""

    owner: LockOwner
    ttl_ms: int
    wait_until: int
    """Milliseconds since 1970; 0: as long as it takes."""
    command_id: str = ""
    reply_to: str = ""


class LockState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A lock. Who waits, waits for a holder: a free lock has no queue.

    Fields are only ever added at the end.
    """

    sequence: int = 0
    incarnation: str = ""
    token: int = 0
    """The last holder's fencing token."""
    holder: Holder | None = None
    waiters: tuple[Waiter, ...] = ()
    """In order of asking."""
    freed_at: int = 0
    """When the last holder lost it, milliseconds since 1970."""
    recent: tuple[bytes, ...] = ()
    """Marks of what is over, newest last."""
    incidents: dict[int, bytes] = {}
    """Commands that a defect kept from being applied, by sequence of `error.occurred`."""


def mark(text: str) -> bytes:
    """Return the bytes that stand for a command id, or for a release."""
    return blake2b(text.encode(), digest_size=_HASH_BYTES).digest()


def release_mark(owner: LockOwner, token: int) -> bytes:
    """Return the mark of a lock that its owner gave back; no command id begins like it."""
    return mark(f"\0{token} {owner.name}")


def place_of(state: LockState, owner: LockOwner) -> int:
    """Return the owner's place in the queue, from 0; -1 where it does not wait."""
    return next((n for n, one in enumerate(state.waiters) if one.owner == owner), -1)


def next_due(state: LockState, _beats: dict[int, int]) -> int:
    """Return when the first of time to live and waits is over; 0 for never."""
    moments = [one.wait_until for one in state.waiters if one.wait_until]
    if state.holder is not None and state.holder.expires_at:
        moments.append(state.holder.expires_at)
    return min(moments, default=0)


def is_finished(state: LockState) -> bool:
    """Tell whether the lock may be forgotten in time: it is free, and its token is no risk."""
    if state.incidents:
        return False
    return state.holder is None and state.token - state.freed_at <= LEAD_MAX_MS
