"""What hangs on tokens and scopes: it goes with them, and local variables are kept by them."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from streams.domain.instance.state import InstanceState
from streams.domain.instance.variables import LOCAL


def drop_hanging(state: InstanceState, consumed: list[int], changes: dict[str, Any]) -> None:
    """Take away what hangs on the tokens that are gone."""
    gone = frozenset(consumed)
    if state.compensations:
        kept_ones = {token: one for token, one in state.compensations.items() if token not in gone}
        changes["compensations"] = kept_ones
    if state.observed:
        changes["observed"] = {t: one for t, one in state.observed.items() if t not in gone}
    for name in ("scopes", "subscriptions"):
        hanging = changes.get(name, getattr(state, name))
        kept = {key: one for key, one in hanging.items() if one.token not in gone}
        if len(kept) != len(hanging):
            changes[name] = kept


def without_waits(state: InstanceState, gone: frozenset[int]) -> dict[str, Any]:
    """Take away what the tokens that are gone waited for."""
    if not gone:
        return {}
    changes: dict[str, Any] = {
        name: {k: one for k, one in getattr(state, name).items() if one.token not in gone}
        for name in ("activities", "calls", "incidents")
    }
    return changes | {"timers": {k: t for k, t in state.timers.items() if k not in gone}}


def write(state: InstanceState, writes: dict[str, bytes], changes: dict[str, Any]) -> None:
    """Set variables; `@SCOPE/name` is a scope's own."""
    if not state.scopes:
        changes["variables"] = {**state.variables, **writes}
        return
    variables, scopes = dict(state.variables), dict(changes.get("scopes", state.scopes))
    for name, value in writes.items():
        key, _, local = name[1:].partition("/") if name.startswith(LOCAL) else ("", "", "")
        if not key:
            variables[name] = value
        elif int(key) in scopes:
            scope = scopes[int(key)]
            scopes[int(key)] = replace(scope, variables={**scope.variables, local: value})
    changes["variables"], changes["scopes"] = variables, scopes
