"""The only code that changes a watch's state: one applier for each event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from schemas import watch_events as e
from schemas.events import ErrorOccurred, IncidentResolved
from schemas.ids import subscription_ref
from streams.domain.protocol import EventPlace
from streams.domain.stalls import resolved, stalled
from streams.domain.watch.state import EMPTY, NOTHING, Match, Pending, Wait, WatchState

Owned = e.WatchOpened | e.WatchTaken | e.WatchRejected | e.WatchEnded


def ref_of(event: Owned) -> str:
    """Return the wait that an event is about."""
    return subscription_ref(
        event.owner_type, event.owner_id, event.owner_incarnation, event.subscription
    )


def match_id(device: str, sequence: int) -> str:
    """Return the id of what a `watch.matched` event says, the same for all waits."""
    return f"{device}:{sequence}"


def _without(state: WatchState, ref: str) -> WatchState:
    waits, pending = state.waits.copy(), state.pending.copy()
    del waits[ref]
    pending.pop(ref, None)
    return replace(state, waits=waits, pending=pending)


def _answered(state: WatchState, ref: str, *, over: bool) -> WatchState:
    """Take away what was with the owner."""
    if over:
        return _without(state, ref)
    pending = state.pending.copy()
    rest = pending[ref].matches[1:]
    if rest:
        pending[ref] = Pending(rest)
    else:
        del pending[ref]
    return replace(state, pending=pending)


def _opened(state: WatchState, event: e.WatchOpened, at: EventPlace) -> WatchState:
    wait = Wait(
        event.owner_type,
        event.owner_id,
        event.owner_incarnation,
        event.subscription,
        event.node,
        event.once,
        at.sequence,
        event.awaits,
    )
    return replace(state, waits={**state.waits, ref_of(event): wait})


def _matched(state: WatchState, event: e.WatchMatched, at: EventPlace) -> WatchState:
    refs = {wait.opened: ref for ref, wait in state.waits.items()}
    pending, name = state.pending.copy(), match_id(at.aggregate_id, at.sequence)
    for one in event.matches:
        ref = refs[one.wait]
        before = pending.get(ref, NOTHING)
        kept = before.matches[:-1] if one.replaces else before.matches
        pending[ref] = replace(before, matches=(*kept, Match(name, one.payload)))
    return replace(state, pending=pending)


def _asked(state: WatchState, event: e.WatchAsked, _: EventPlace) -> WatchState:
    wanted, pending = set(event.waits), state.pending.copy()
    for ref, wait in state.waits.items():
        if wait.opened in wanted:
            pending[ref] = replace(pending[ref], ask_at=0)
    return replace(state, pending=pending)


def _taken(state: WatchState, event: e.WatchTaken, _: EventPlace) -> WatchState:
    return _answered(state, ref_of(event), over=event.ended)


def _rejected(state: WatchState, event: e.WatchRejected, _: EventPlace) -> WatchState:
    ref = ref_of(event)
    found = state.pending[ref]
    if not event.retry_at:
        return _answered(state, ref, over=found.closed)
    deferred = replace(found, ask_at=event.retry_at, asks=found.asks + 1)
    return replace(state, pending={**state.pending, ref: deferred})


def _ended(state: WatchState, event: e.WatchEnded, _: EventPlace) -> WatchState:
    ref = ref_of(event)
    if not event.awaits_answer:
        return _without(state, ref)
    found = state.pending[ref]
    last = replace(found, matches=found.matches[:1], closed=True)
    return replace(state, pending={**state.pending, ref: last})


def _error(state: WatchState, event: ErrorOccurred, at: EventPlace) -> WatchState:
    return replace(state, incidents=stalled(state.incidents, event, at))


def _resolved(state: WatchState, event: IncidentResolved, _: EventPlace) -> WatchState:
    return replace(state, incidents=resolved(state.incidents, event))


APPLIERS: Final[dict[type[msgspec.Struct], Callable[[WatchState, Any, EventPlace], WatchState]]] = {
    e.WatchOpened: _opened,
    e.WatchMatched: _matched,
    e.WatchAsked: _asked,
    e.WatchTaken: _taken,
    e.WatchRejected: _rejected,
    e.WatchEnded: _ended,
    ErrorOccurred: _error,
    IncidentResolved: _resolved,
}


def evolve(state: WatchState | None, event: msgspec.Struct, at: EventPlace) -> WatchState:
    """Apply one event."""
    after = APPLIERS[type(event)](state or EMPTY, event, at)
    return replace(after, sequence=at.sequence, incarnation=at.incarnation)
