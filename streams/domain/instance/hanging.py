"""What hangs on tokens and scopes: it goes with them, and local variables are kept by them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from streams.domain.instance.places import ROOT
from streams.domain.instance.state import Completion, InstanceState
from streams.domain.instance.variables import LOCAL


def drop_hanging(state: InstanceState, consumed: list[int], changes: dict[str, Any]) -> None:
    """Take away what hangs on the tokens that are gone."""
    gone = frozenset(consumed)
    if state.compensations:
        kept_ones = {token: one for token, one in state.compensations.items() if token not in gone}
        changes["compensations"] = kept_ones
    if state.waits:
        changes["waits"] = {token: one for token, one in state.waits.items() if token not in gone}
    if state.observed:
        changes["observed"] = {t: one for t, one in state.observed.items() if t not in gone}
    for name in ("scopes", "subscriptions", "iterations", "sections"):
        hanging = changes.get(name, getattr(state, name))
        kept = {key: one for key, one in hanging.items() if one.token not in gone}
        if len(kept) != len(hanging):
            changes[name] = kept
    if state.rollbacks:
        changes["rollbacks"] = {t: one for t, one in state.rollbacks.items() if t not in gone}
    if state.completions and "scopes" in changes:
        changes["completions"] = reachable_completions(state.completions, changes["scopes"])


def reachable_completions(
    completions: dict[int, Completion], scopes: Iterable[int]
) -> dict[int, Completion]:
    """Return what can still be undone: in a scope that runs, or in one that is done itself."""
    live = {ROOT, *scopes}
    kept: list[tuple[int, Completion]] = []
    # What is inside a scope was done before the scope was.
    for number in sorted(completions, reverse=True):
        one = completions[number]
        if one.scope in live:
            kept.append((number, one))
            live.add(one.inner)
    filled: set[int] = set()
    found: dict[int, Completion] = {}
    for number, one in reversed(kept):
        if not one.inner or one.inner in filled:
            found[number] = one
            filled.add(one.scope)
    return found


def own_completions(state: InstanceState) -> dict[int, Completion]:
    """Return what a restart can still undo: of the workflow itself, but for its children.

    They are told when an instance fails that nobody will have them undone any more.
    """
    known = dict(state.completions)
    for rollback in state.rollbacks.values():
        known |= rollback.steps
    own = {number: one for number, one in sorted(known.items()) if not one.child_id}
    return reachable_completions(own, ())


def without_waits(state: InstanceState, gone: frozenset[int]) -> dict[str, Any]:
    """Take away what the tokens that are gone waited for."""
    if not gone:
        return {}
    changes: dict[str, Any] = {
        name: {k: one for k, one in getattr(state, name).items() if one.token not in gone}
        for name in ("activities", "calls", "incidents")
    }
    if state.approvals:
        rest = {k: one for k, one in state.approvals.items() if one.token not in gone}
        changes["approvals"] = rest
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
