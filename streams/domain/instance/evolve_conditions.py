"""Event appliers of conditional events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from schemas.condition_events import ConditionEnded
from streams.domain.instance.state import InstanceState
from streams.domain.protocol import EventPlace


def _unmet(state: InstanceState, event: ConditionEnded, at: EventPlace) -> InstanceState:
    waited = state.subscriptions.get(event.subscription)
    if waited is None:
        return replace(state, sequence=at.sequence)
    subscriptions = {**state.subscriptions, event.subscription: replace(waited, met=False)}
    return replace(state, sequence=at.sequence, subscriptions=subscriptions)


CONDITIONS: Final[dict[type[msgspec.Struct], Callable[[Any, Any, EventPlace], InstanceState]]] = {
    ConditionEnded: _unmet,
}
"""Applier by event."""
