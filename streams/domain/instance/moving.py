"""Changes that appliers of many events make alike: tokens, places, open work, errors."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from schemas import events as e
from streams.domain.instance.hanging import drop_hanging, write
from streams.domain.instance.places import SCOPE
from streams.domain.instance.state import InstanceState
from streams.domain.protocol import EventPlace

KEPT = 200
"""Entries kept of path and errors; part of the event's meaning, so no setting."""
KEPT_TEXT = 500
"""Characters kept of an error; the whole is in the event."""


def moved(state: InstanceState, moves: e.Moves, at: EventPlace, **changes: Any) -> InstanceState:
    """Apply moves together with other changes of the same event."""
    changes["sequence"] = at.sequence
    if moves.consumed or moves.produced:
        tokens = state.tokens.copy()
        for token in moves.consumed:
            tokens.pop(token, None)
        for produced in moves.produced:
            tokens[produced.id] = produced.place
            if produced.id >= changes.get("next_token", state.next_token):
                changes["next_token"] = produced.id + 1
        changes["tokens"] = tokens
        if moves.consumed and (
            state.subscriptions
            or state.scopes
            or state.compensations
            or state.observed
            or state.iterations
            or state.waits
            or state.rollbacks
            or state.sections
        ):
            drop_hanging(state, moves.consumed, changes)
    if moves.path:
        path = state.path + moves.path
        changes["path"] = path[-KEPT:] if len(path) > KEPT else path
    if moves.writes:
        write(state, moves.writes, changes)
    return replace(state, **changes)


def placed(state: InstanceState, token: int, node: str) -> dict[str, Any]:
    """Put a token at a node; one that is there already, in a scope, stays in it."""
    tokens = state.tokens.copy()
    former = tokens.get(token)
    if former is None or not former.startswith(node + SCOPE):
        tokens[token] = node
    return {"tokens": tokens, "next_token": max(state.next_token, token + 1)}


def without(open_ones: dict[int, Any], key: int) -> dict[int, Any]:
    """Return what is open without one of it."""
    rest = open_ones.copy()
    rest.pop(key, None)
    return rest


def with_error(state: InstanceState, text: str) -> list[str]:
    """Return the last errors, this one included."""
    return [*state.errors, text[:KEPT_TEXT]][-KEPT:]
