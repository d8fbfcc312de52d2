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
    Node,
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
    """Return the start of each scope, the workflow's own without a trigger by the empty name."""
    return {
        n.scope: n.id
        for n in definition.nodes.values()
        if isinstance(n.kind, Start) and (n.scope or n.kind.trigger is None)
    }


def event_scopes_of(definition: Definition) -> list[str]:
    """Return the event sub-processes, in the author's order."""
    nodes = definition.nodes.values()
    return [node.id for node in nodes if isinstance(node.kind, Scope) and node.kind.event]


def event_starts_of(definition: Definition) -> dict[str, list[str]]:
    """Return the starts of event sub-processes by the scope around them."""
    starts = starts_of(definition)
    found: dict[str, list[str]] = {}
    for name in event_scopes_of(definition):
        if name in starts:
            found.setdefault(definition.nodes[name].scope, []).append(starts[name])
    return found


def waits_in(definition: Definition, node: Node) -> str:
    """Return the scope whose variables a node's event sees while it is waited for.

    An event sub-process does not run yet when its start is waited for.
    """
    around = definition.nodes.get(node.scope)
    if isinstance(node.kind, Start) and around is not None:
        return around.scope
    return node.scope


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
