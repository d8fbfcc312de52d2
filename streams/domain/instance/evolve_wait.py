"""Event appliers of combined waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from schemas.wait_events import WaitProgressed
from streams.domain.instance.moving import moved
from streams.domain.instance.state import NO_WAIT, InstanceState, OpenWait
from streams.domain.protocol import EventPlace


def _progressed(state: InstanceState, event: WaitProgressed, at: EventPlace) -> InstanceState:
    gone = {event.subscription, *event.closed}
    rest = {key: one for key, one in state.subscriptions.items() if key not in gone}
    consumed = frozenset(event.moves.consumed)
    waits = {token: one for token, one in state.waits.items() if token not in consumed}
    if event.token not in consumed:
        former = waits.get(event.token, NO_WAIT)
        waits[event.token] = OpenWait({**former.came, event.part: event.payload})
    incidents = {key: one for key, one in state.incidents.items() if one.token not in consumed}
    changed = replace(state, subscriptions=rest, waits=waits, incidents=incidents)
    return moved(changed, event.moves, at)


WAITS: Final[dict[type[msgspec.Struct], Callable[[Any, Any, EventPlace], InstanceState]]] = {
    WaitProgressed: _progressed,
}
"""Applier by event."""
