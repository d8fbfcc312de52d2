"""Event appliers of combined waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from schemas.wait_events import WaitProgressed
from streams.domain.instance.state import NO_WAIT, InstanceState, OpenWait
from streams.domain.protocol import EventPlace

Applier = Callable[[InstanceState, Any, EventPlace], InstanceState]
Moved = Callable[..., InstanceState]


def wait_appliers(moved: Moved) -> dict[type[msgspec.Struct], Applier]:
    """Return the applier by event; `moved` applies moves together with other changes."""

    def progressed(state: InstanceState, event: WaitProgressed, at: EventPlace) -> InstanceState:
        gone = {event.subscription, *event.closed}
        rest = {key: one for key, one in state.subscriptions.items() if key not in gone}
        waits = dict(state.waits)
        if event.token in event.moves.consumed:
            waits.pop(event.token, None)
        else:
            former = waits.get(event.token, NO_WAIT)
            waits[event.token] = OpenWait({**former.came, event.part: event.payload})
        incidents = {
            key: one
            for key, one in state.incidents.items()
            if one.token not in event.moves.consumed
        }
        changed = replace(state, subscriptions=rest, waits=waits, incidents=incidents)
        return moved(changed, event.moves, at)

    return {WaitProgressed: progressed}
