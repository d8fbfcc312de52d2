"""Event appliers of compensation: what can be undone, and how it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from schemas import compensation_events as e
from streams.domain.instance import state as s
from streams.domain.instance.hanging import drop_hanging, reachable_completions, without_waits
from streams.domain.instance.places import at
from streams.domain.instance.state import Completion, InstanceState, OpenScope, Rollback
from streams.domain.protocol import EventPlace


def _recorded(state: InstanceState, event: e.CompensationRecorded, at: EventPlace) -> InstanceState:
    done = Completion(event.node, event.scope, event.variables, event.inner, event.child_id)
    completions = {**state.completions, at.sequence: done}
    return replace(state, sequence=at.sequence, completions=completions)


def _triggered(
    state: InstanceState, event: e.CompensationTriggered, place: EventPlace
) -> InstanceState:
    """Hand what is undone to the rollback, so that no other one can undo it too."""
    known = dict(state.completions)
    for other in state.rollbacks.values():
        known |= other.steps
    steps = {number: known[number] for number in event.recorded}
    changes: dict[str, Any] = {}
    tokens = state.tokens
    consumed = event.moves.consumed
    if consumed:
        changes = without_waits(state, frozenset(consumed))
        gone = frozenset(consumed)
        tokens = {token: where for token, where in tokens.items() if token not in gone}
        drop_hanging(state, consumed, changes)
    tokens = dict(tokens)
    for produced in event.moves.produced:
        tokens[produced.id] = produced.place
    tokens.setdefault(event.token, event.node)
    former = state.rollbacks.get(event.token)
    opened = Rollback(
        event.node,
        steps,
        0 if former is None else former.started,
        event.caller,
        event.cancels,
        event.reason,
    )
    left = {n: one for n, one in state.completions.items() if n not in steps}
    rollbacks = changes.get("rollbacks", state.rollbacks)
    changes |= {
        "sequence": place.sequence,
        "tokens": tokens,
        "next_token": max(state.next_token, event.token + 1),
        "rollbacks": {**rollbacks, event.token: opened},
        "completions": reachable_completions(left, changes.get("scopes", state.scopes)),
    }
    if not event.node:
        changes |= {"status": s.RUNNING, "ended_at": 0}
    return replace(state, **changes)


def _handler_started(
    state: InstanceState, event: e.HandlerStarted, place: EventPlace
) -> InstanceState:
    number = place.sequence
    former = state.rollbacks[event.trigger]
    changes: dict[str, Any] = {
        "sequence": number,
        "rollbacks": {**state.rollbacks, event.trigger: replace(former, started=number)},
    }
    if event.token:
        step = next(iter(former.steps.values()))
        seen = OpenScope(former.node, event.trigger, step.variables)
        changes["scopes"] = {**state.scopes, number: seen}
        changes["tokens"] = {**state.tokens, event.token: at(event.handler, number)}
        changes["next_token"] = max(state.next_token, event.token + 1)
    return replace(state, **changes)


def _handler_completed(
    state: InstanceState, event: e.HandlerCompleted, place: EventPlace
) -> InstanceState:
    former = state.rollbacks[event.trigger]
    steps = dict(former.steps)
    del steps[next(iter(steps))]
    scopes = {key: one for key, one in state.scopes.items() if key != event.started}
    return replace(
        state,
        sequence=place.sequence,
        rollbacks={**state.rollbacks, event.trigger: replace(former, steps=steps, started=0)},
        scopes=scopes,
        completions=reachable_completions(state.completions, scopes),
    )


def _compensated(
    state: InstanceState, _: e.WorkflowCompensated, place: EventPlace
) -> InstanceState:
    none: dict[int, Any] = {}
    return replace(
        state,
        sequence=place.sequence,
        status=s.COMPLETED,
        ended_at=place.time,
        tokens=none,
        rollbacks=none,
        completions=none,
        scopes=none,
        incidents=none,
        notifications=none,
    )


def _discarded(
    state: InstanceState, _: e.CompensationDiscarded, place: EventPlace
) -> InstanceState:
    return replace(state, sequence=place.sequence, completions={})


COMPENSATION: Final[dict[type[msgspec.Struct], Callable[[Any, Any, EventPlace], InstanceState]]] = {
    e.CompensationRecorded: _recorded,
    e.CompensationTriggered: _triggered,
    e.HandlerStarted: _handler_started,
    e.HandlerCompleted: _handler_completed,
    e.WorkflowCompensated: _compensated,
    e.CompensationDiscarded: _discarded,
}
"""Applier by event."""
