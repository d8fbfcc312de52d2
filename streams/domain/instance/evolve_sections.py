"""Event appliers of sections that hold a lock, frozen as those of `evolve.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from schemas.section_events import SectionAwaited, SectionEnded, SectionExtended, SectionLocked
from streams.domain.instance.hanging import drop_hanging, without_waits
from streams.domain.instance.state import InstanceState, OpenSection
from streams.domain.protocol import EventPlace


def _awaited(state: InstanceState, event: SectionAwaited, at: EventPlace) -> InstanceState:
    opened = OpenSection(event.node, event.token, event.lock, event.ttl_ms)
    tokens = state.tokens
    if event.token not in tokens:  # In a scope it is there, and says which.
        tokens = {**tokens, event.token: event.node}
    return replace(
        state,
        sequence=at.sequence,
        tokens=tokens,
        next_token=max(state.next_token, event.token + 1),
        sections={**state.sections, at.sequence: opened},
    )


def _changed(state: InstanceState, section: int, at: EventPlace, **changes: Any) -> InstanceState:
    opened = state.sections.get(section)
    if opened is None:
        return replace(state, sequence=at.sequence)
    sections = {**state.sections, section: replace(opened, **changes)}
    return replace(state, sequence=at.sequence, sections=sections)


def _locked(state: InstanceState, event: SectionLocked, at: EventPlace) -> InstanceState:
    return _changed(state, event.section, at, fence=event.fence, extend_at=event.extend_at)


def _extended(state: InstanceState, event: SectionExtended, at: EventPlace) -> InstanceState:
    return _changed(state, event.section, at, extend_at=event.extend_at)


def _ended(state: InstanceState, event: SectionEnded, at: EventPlace) -> InstanceState:
    sections = {key: one for key, one in state.sections.items() if key != event.section}
    consumed = event.moves.consumed
    changes = without_waits(state, frozenset(consumed))
    if consumed:
        drop_hanging(state, consumed, changes)
        gone = frozenset(consumed)
        changes["tokens"] = {t: place for t, place in state.tokens.items() if t not in gone}
        sections = {key: one for key, one in sections.items() if one.token not in gone}
    return replace(state, sequence=at.sequence, **{**changes, "sections": sections})


SECTIONS: Final[dict[type[msgspec.Struct], Callable[[Any, Any, EventPlace], InstanceState]]] = {
    SectionAwaited: _awaited,
    SectionLocked: _locked,
    SectionExtended: _extended,
    SectionEnded: _ended,
}
"""Applier by event."""
