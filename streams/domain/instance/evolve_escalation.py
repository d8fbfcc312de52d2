"""Event appliers of escalations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from schemas.escalation_events import EscalationRaised
from streams.domain.instance.places import bare
from streams.domain.instance.state import InstanceState
from streams.domain.protocol import EventPlace


def _raised(state: InstanceState, event: EscalationRaised, at: EventPlace) -> InstanceState:
    if not event.token or bare(state.tokens.get(event.token, "")) == event.node:
        return replace(state, sequence=at.sequence)
    tokens = {**state.tokens, event.token: event.node}
    next_token = max(state.next_token, event.token + 1)
    return replace(state, sequence=at.sequence, tokens=tokens, next_token=next_token)


ESCALATIONS: Final[dict[type[msgspec.Struct], Callable[[Any, Any, EventPlace], InstanceState]]] = {
    EscalationRaised: _raised,
}
"""Applier by event."""
