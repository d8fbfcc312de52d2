"""Event appliers of an instance's data, frozen as those of `evolve.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from schemas.data_events import VariablesObserved
from streams.domain.instance.state import InstanceState, Observed
from streams.domain.protocol import EventPlace


def _observed(state: InstanceState, event: VariablesObserved, at: EventPlace) -> InstanceState:
    seen = Observed(event.node, event.variables, event.added)
    observed = {**state.observed, event.token: seen}
    return replace(state, sequence=at.sequence, observed=observed)


DATA: Final[dict[type[msgspec.Struct], Callable[[Any, Any, EventPlace], InstanceState]]] = {
    VariablesObserved: _observed,
}
"""Applier by event."""
