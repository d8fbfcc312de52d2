"""Scopes of a definition: which node is whose, and what it sees."""

from __future__ import annotations

from collections.abc import Iterator

from streams.domain.net.model import (
    MANUAL_INTERVENTION,
    Activity,
    Boundary,
    Call,
    Definition,
    Host,
    Recovery,
    Scope,
    Start,
)


def scopes_around(definition: Definition, scope: str) -> Iterator[str]:
    """Yield a scope and those around it, the innermost first; nothing for the workflow itself."""
    seen: set[str] = set()
    while scope and scope not in seen and scope in definition.nodes:
        seen.add(scope)
        yield scope
        scope = definition.nodes[scope].scope


def declared_in(definition: Definition, scope: str) -> dict[str, str]:
    """Return the declared variables that nodes of a scope see, by name their types."""
    if not scope:
        return definition.variables
    declared = dict(definition.variables)
    for name in reversed(list(scopes_around(definition, scope))):
        kind = definition.nodes[name].kind
        if isinstance(kind, Scope):
            declared |= dict.fromkeys(kind.input, "any") | kind.variables
            if kind.lock is not None:
                declared[kind.lock.fence] = "integer"
    return declared


def starts_of(definition: Definition) -> dict[str, str]:
    """Return the none start of each scope that has one, the workflow's own by the empty name."""
    return {
        n.scope: n.id
        for n in definition.nodes.values()
        if isinstance(n.kind, Start) and n.kind.trigger is None
    }


def begins_of(definition: Definition, scope: str = "") -> list[str]:
    """Return every start of a scope, the workflow's own by default, in the author's order."""
    nodes = definition.nodes.values()
    return [n.id for n in nodes if isinstance(n.kind, Start) and n.scope == scope]


def boundaries_of(definition: Definition) -> dict[str, list[str]]:
    """Return the boundary events of each host, in the author's order."""
    found: dict[str, list[str]] = {}
    for node in definition.nodes.values():
        if isinstance(node.kind, Boundary):
            found.setdefault(node.kind.host, []).append(node.id)
    return found


def recovery_of(definition: Definition, node: str) -> Recovery | None:
    """Return what follows a node's failure as far as the definition says.

    What cannot be undone needs people, unless its handler says otherwise.
    """
    kind = definition.nodes[node].kind
    own = kind.on_failure if isinstance(kind, Activity | Call) else None
    if own is not None:
        return own
    common = definition.on_failure
    if node in handlers_of(definition):
        told = common.notification_recipients if common is not None else []
        return Recovery(MANUAL_INTERVENTION, told)
    return common


def handlers_of(definition: Definition) -> dict[str, list[str]]:
    """Return the nodes that each compensation handler undoes, in the author's order."""
    found: dict[str, list[str]] = {}
    for node in definition.nodes.values():
        if isinstance(node.kind, Host) and node.kind.compensate_with:
            found.setdefault(node.kind.compensate_with, []).append(node.id)
    return found


def compensations_of(definition: Definition) -> dict[str, list[str]]:
    """Return the nodes that each compensation activity undoes, in the author's order."""
    found: dict[str, list[str]] = {}
    for node in definition.nodes.values():
        kind = node.kind
        own = kind.on_failure if isinstance(kind, Activity | Call) else None
        if own is not None and own.compensation_activity:
            found.setdefault(own.compensation_activity, []).append(node.id)
    return found
