"""Variables: what a node of a scope sees, and whose a variable is that it writes.

A written variable is named `@SCOPE/name` in an event where it is local to a running scope.
"""

from __future__ import annotations

from typing import Final

from schemas.json_text import JsonError, canonical, parse_object
from streams.domain.instance.places import ROOT, scope_of
from streams.domain.instance.state import InstanceState
from streams.domain.protocol import Rejected

LOCAL: Final = "@"
"""First letter of a local variable's name in an event; no variable's name begins so."""


def given_variables(text: bytes) -> dict[str, bytes] | Rejected:
    """Read the variables of a command: a JSON object, becomes canonical JSON by name."""
    variables: dict[str, bytes] = {}
    try:
        for name, value in parse_object(text).items():
            variables[name] = canonical(value)
            if name.startswith(LOCAL):
                message = f"the variable {name!r} begins with {LOCAL!r}: name it otherwise"
                return Rejected("InvalidInput", message)
    except JsonError as error:
        return Rejected("InvalidInput", f"variables: {error}")
    return variables


def scopes_from(state: InstanceState, scope: int) -> list[int]:
    """Return a running scope and those around it, the innermost first."""
    found = []
    while scope != ROOT and scope in state.scopes:
        found.append(scope)
        scope = scope_of(state.tokens.get(state.scopes[scope].token, ""))
    return found


def seen_from(state: InstanceState, scope: int) -> dict[str, bytes]:
    """Return the variables that nodes of a scope see; never to be changed."""
    if scope == ROOT:
        return state.variables
    seen = dict(state.variables)
    for one in reversed(scopes_from(state, scope)):
        seen |= state.scopes[one].variables
    return seen


def addressed(state: InstanceState, scope: int, writes: dict[str, bytes]) -> dict[str, bytes]:
    """Name each written variable by whose it is: the nearest scope's that has it, else all's."""
    if scope == ROOT or not writes:
        return writes
    around = scopes_from(state, scope)
    found: dict[str, bytes] = {}
    for name, value in writes.items():
        owner = next((one for one in around if name in state.scopes[one].variables), ROOT)
        found[local_name(owner, name)] = value
    return found


def local_name(scope: int, name: str) -> str:
    """Return a variable's name in an event."""
    return f"{LOCAL}{scope}/{name}" if scope else name
