"""Events of locks: who holds one, and who waits for it."""

from __future__ import annotations

import msgspec


class LockOwner(msgspec.Struct, frozen=True, gc=False):
    """Who holds a lock or waits for it: a client, or a section of an aggregate's work."""

    name: str
    """The client's own text; `aggregate@incarnation:section` of an aggregate."""
    aggregate_type: str = ""
    """Empty for a client."""
    aggregate_id: str = ""
    incarnation: str = ""
    section: int = 0


class LockRequested(msgspec.Struct, frozen=True, gc=False):
    """An owner waits for the lock; one that waited already keeps its place."""

    owner: LockOwner
    ttl_ms: int
    wait_until: int
    """Milliseconds since 1970; 0: as long as it takes."""
    command_id: str = ""
    """The client's command that is not answered yet."""
    reply_to: str = ""


class LockAcquired(msgspec.Struct, frozen=True, gc=False):
    """An owner has the lock."""

    owner: LockOwner
    token: int
    """The fencing token: greater than those of all former holders."""
    ttl_ms: int
    expires_at: int
    """Milliseconds since 1970; 0: until it is released."""
    command_id: str = ""


class LockExtended(msgspec.Struct, frozen=True, gc=False):
    """The holder keeps the lock for longer."""

    owner: LockOwner
    token: int
    expires_at: int
    command_id: str = ""
    """The command that acquired the lock again; empty for a plain extension."""


class LockReleased(msgspec.Struct, frozen=True, gc=False):
    """The holder has the lock no longer."""

    owner: LockOwner
    token: int
    how: str
    """`released` by its owner, `expired`, or `forced` by an operator."""
    reason: str = ""


class LockRequestRefused(msgspec.Struct, frozen=True, gc=False):
    """An owner waits no longer, and has not got the lock."""

    owner: LockOwner
    how: str
    """`timeout` or `withdrawn`."""
    command_id: str = ""
