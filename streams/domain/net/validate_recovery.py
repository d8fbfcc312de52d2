"""What follows a failure: whether fallbacks and compensation activities can be what they are."""

from __future__ import annotations

from streams.domain.net.edges import Edges
from streams.domain.net.model import (
    COMPENSATE,
    MANUAL_INTERVENTION,
    SKIP,
    Activity,
    Boundary,
    Call,
    Definition,
    ErrorTrigger,
    Node,
)
from streams.domain.net.problem import Problems, StructureProblem
from streams.domain.net.scopes import boundaries_of, compensations_of


def recovery_problems(definition: Definition, edges: Edges) -> Problems:
    """Return what is wrong with the recovery of nodes."""
    found: Problems = []
    events = boundaries_of(definition)
    undoing = compensations_of(definition)
    for node in definition.nodes.values():
        own = node.kind.on_failure if isinstance(node.kind, Activity | Call) else None
        if own is None:
            continue
        fallback = any(_is_fallback(definition, name) for name in events.get(node.id, ()))
        if fallback and own.strategy in (SKIP, MANUAL_INTERVENTION):
            message = f"the fallback comes first, so that {own.strategy} never acts: leave one out"
            found.append(StructureProblem(("nodes", node.id, "on_failure"), message))
        if own.strategy == COMPENSATE:
            name = own.compensation_activity
            message = _wrong(definition, node, name, edges, events, undoing)
            if message:
                where = ("nodes", node.id, "on_failure", "compensation_activity")
                found.append(StructureProblem(where, message))
    return found


def _is_fallback(definition: Definition, name: str) -> bool:
    kind = definition.nodes[name].kind
    return isinstance(kind, Boundary) and isinstance(kind.trigger, ErrorTrigger) and kind.fallback


def _wrong(
    definition: Definition,
    host: Node,
    name: str,
    edges: Edges,
    events: dict[str, list[str]],
    undoing: dict[str, list[str]],
) -> str:
    """Return why a node cannot be another's compensation activity; empty where it can."""
    undo = definition.nodes.get(name)
    if undo is None or not isinstance(undo.kind, Activity) or undo.scope != host.scope:
        return f"{name!r} is no activity in the scope of {host.id}"
    if edges.incoming[name] or edges.outgoing[name] or name in events:
        return (
            f"{name} has flows or boundary events: a compensation activity has none, for it runs "
            "when another node has failed, and that node's fallback follows"
        )
    if undo.kind.output or undo.kind.result_path:
        return f"the result of {name} goes nowhere: a compensation activity has no output"
    if undo.kind.lock is not None:
        return f"{name} is a compensation activity and holds no lock: it must not wait for one"
    own = undo.kind.on_failure
    if name in undoing.get(name, ()) or (own is not None and own.strategy == COMPENSATE):
        return f"{name} is a compensation activity and has none of its own"
    return ""
