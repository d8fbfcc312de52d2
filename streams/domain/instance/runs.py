"""Which run of a repeated node a token or a scope belongs to."""

from __future__ import annotations

from streams.domain.instance.places import ROOT, scope_of
from streams.domain.instance.state import InstanceState
from streams.domain.instance.variables import scopes_from


def is_run_of(state: InstanceState, node: str, scope: int) -> bool:
    """Tell whether a running scope is one run of a repeated node."""
    opened = state.scopes.get(scope) if scope else None
    return opened is not None and opened.iteration != 0 and opened.node == node


def iteration_at(state: InstanceState, token: int) -> int:
    """Return the iteration that hangs on a token; 0 for none."""
    for key, opened in state.iterations.items():
        if opened.token == token:
            return key
    return 0


def whole(state: InstanceState, node: str, token: int, scope: int) -> tuple[int, int]:
    """Return the token and the scope of a node's boundary: those of all its runs together."""
    if not is_run_of(state, node, scope):
        return token, scope
    waiting = state.scopes[scope].token
    return waiting, scope_of(state.tokens.get(waiting, ""))


def named(state: InstanceState, place: str) -> str:
    """Return which runs a place is in, as the beginning of a sentence; empty for none."""
    scope = scope_of(place)
    if scope == ROOT:
        return ""
    runs = (state.scopes[one] for one in scopes_from(state, scope))
    said = [f"item {one.index} of {one.node}: " for one in runs if one.iteration]
    return "".join(reversed(said))
