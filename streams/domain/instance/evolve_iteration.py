"""Event appliers of nodes that are run several times."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from schemas import iteration_events as i
from streams.domain.instance.chunks import extended, put
from streams.domain.instance.hanging import without_waits
from streams.domain.instance.moving import moved, placed, without
from streams.domain.instance.places import at as at_place
from streams.domain.instance.state import InstanceState, Iteration, OpenScope
from streams.domain.protocol import EventPlace


def _started(state: InstanceState, event: i.IterationStarted, at: EventPlace) -> InstanceState:
    opened = Iteration(event.node, event.token, event.total)
    iterations = {**state.iterations, at.sequence: opened}
    place = placed(state, event.token, event.node)
    return replace(state, sequence=at.sequence, iterations=iterations, **place)


def _given(state: InstanceState, event: i.ItemsListed, at: EventPlace) -> InstanceState:
    former = state.iterations[event.iteration]
    opened = replace(former, items=extended(former.items, event.items))
    iterations = {**state.iterations, event.iteration: opened}
    return replace(state, sequence=at.sequence, iterations=iterations)


def _item_started(state: InstanceState, event: i.ItemStarted, at: EventPlace) -> InstanceState:
    former = state.iterations[event.iteration]
    opened = replace(former, begun=former.begun + 1)
    variables, index = event.variables, event.index
    scope = OpenScope(event.node, former.token, variables, event.iteration, index)
    return replace(
        state,
        sequence=at.sequence,
        tokens={**state.tokens, event.token: at_place(event.node, at.sequence)},
        next_token=max(state.next_token, event.token + 1),
        scopes={**state.scopes, at.sequence: scope},
        iterations={**state.iterations, event.iteration: opened},
    )


def _item_completed(state: InstanceState, event: i.ItemCompleted, at: EventPlace) -> InstanceState:
    former = state.iterations[event.iteration]
    outputs, size = former.outputs, former.size
    if event.output:
        outputs, size = put(outputs, event.index, event.output), size + len(event.output) + 1
    opened = replace(former, done=former.done + 1, size=size, outputs=outputs)
    return replace(
        state,
        sequence=at.sequence,
        scopes=without(state.scopes, event.item),
        iterations={**state.iterations, event.iteration: opened},
    )


def _completed(state: InstanceState, event: i.IterationCompleted, at: EventPlace) -> InstanceState:
    changes = without_waits(state, frozenset(event.moves.consumed))
    return moved(state, event.moves, at, **changes)


ITERATION: Final[dict[type[msgspec.Struct], Callable[[Any, Any, EventPlace], InstanceState]]] = {
    i.IterationStarted: _started,
    i.ItemsListed: _given,
    i.ItemStarted: _item_started,
    i.ItemCompleted: _item_completed,
    i.IterationCompleted: _completed,
}
"""Applier by event."""
