"""How each event changes a lock: the only code that makes a `LockState`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from schemas.events import ErrorOccurred, IncidentResolved
from schemas.lock_events import (
    LockAcquired,
    LockExtended,
    LockOwner,
    LockReleased,
    LockRequested,
    LockRequestRefused,
)
from streams.domain.lock.state import (
    RECENT_MAX,
    RELEASED,
    Holder,
    LockState,
    Waiter,
    mark,
    place_of,
    release_mark,
)
from streams.domain.protocol import EventPlace
from streams.domain.stalls import resolved, stalled

_EMPTY: Final = LockState()


def _remembered(state: LockState, *marks: bytes) -> tuple[bytes, ...]:
    return (*state.recent, *marks)[-RECENT_MAX:]


def _ended(state: LockState, command_id: str) -> tuple[bytes, ...]:
    """Remember a client's request; an aggregate's comes once by itself."""
    return _remembered(state, mark(command_id)) if command_id else state.recent


def _without(state: LockState, owner: LockOwner) -> tuple[Waiter, ...]:
    return tuple(one for one in state.waiters if one.owner != owner)


def _requested(state: LockState, event: LockRequested, _: EventPlace) -> LockState:
    waiter = Waiter(event.owner, event.ttl_ms, event.wait_until, event.command_id, event.reply_to)
    place = place_of(state, event.owner)
    if place < 0:
        return replace(state, waiters=(*state.waiters, waiter))
    waiters = (*state.waiters[:place], waiter, *state.waiters[place + 1 :])
    return replace(state, waiters=waiters, recent=_ended(state, state.waiters[place].command_id))


def _acquired(state: LockState, event: LockAcquired, _: EventPlace) -> LockState:
    holder = Holder(event.owner, event.token, event.expires_at, event.command_id)
    return replace(state, token=event.token, holder=holder, waiters=_without(state, event.owner))


def _extended(state: LockState, event: LockExtended, _: EventPlace) -> LockState:
    before = state.holder
    assert before is not None
    if not event.command_id:
        return replace(state, holder=replace(before, expires_at=event.expires_at))
    holder = replace(before, expires_at=event.expires_at, again=event.command_id)
    return replace(state, holder=holder, recent=_ended(state, before.again))


def _released(state: LockState, event: LockReleased, at: EventPlace) -> LockState:
    before = state.holder
    assert before is not None
    marks = [mark(one) for one in (before.command_id, before.again) if one]
    if event.how == RELEASED and not event.owner.aggregate_type:
        marks.append(release_mark(event.owner, event.token))
    return replace(state, holder=None, freed_at=at.time, recent=_remembered(state, *marks))


def _refused(state: LockState, event: LockRequestRefused, _: EventPlace) -> LockState:
    return replace(
        state, waiters=_without(state, event.owner), recent=_ended(state, event.command_id)
    )


def _error(state: LockState, event: ErrorOccurred, at: EventPlace) -> LockState:
    return replace(state, incidents=stalled(state.incidents, event, at))


def _resolved(state: LockState, event: IncidentResolved, _: EventPlace) -> LockState:
    return replace(state, incidents=resolved(state.incidents, event))


APPLIERS: Final[dict[type[msgspec.Struct], Callable[[LockState, Any, EventPlace], LockState]]] = {
    LockRequested: _requested,
    LockAcquired: _acquired,
    LockExtended: _extended,
    LockReleased: _released,
    LockRequestRefused: _refused,
    ErrorOccurred: _error,
    IncidentResolved: _resolved,
}
"""The applier of each event."""


def evolve(state: LockState | None, event: msgspec.Struct, at: EventPlace) -> LockState:
    """Apply one event."""
    before = replace(_EMPTY, incarnation=at.incarnation) if state is None else state
    after = APPLIERS[type(event)](before, event, at)
    return replace(after, sequence=at.sequence)
