"""Compensation: whether handlers can be what they are, and throwing events undo something."""

from __future__ import annotations

from streams.domain.net.edges import Edges
from streams.domain.net.model import (
    Activity,
    Call,
    Compensate,
    Definition,
    Host,
    Node,
    Scope,
)
from streams.domain.net.problem import Problems, StructureProblem
from streams.domain.net.scopes import boundaries_of, scopes_around


def compensation_problems(definition: Definition, edges: Edges) -> Problems:
    """Return what is wrong with compensation handlers and with events that throw it."""
    found: Problems = []
    events = boundaries_of(definition)
    for node in definition.nodes.values():
        kind, where = node.kind, ("nodes", node.id)
        if isinstance(kind, Host) and kind.compensate_with:
            message = _wrong(definition, node, kind.compensate_with, edges, events)
            if message:
                found.append(StructureProblem((*where, "compensate_with"), message))
        elif isinstance(kind, Compensate) and kind.node:
            message = _wrong_target(definition, node, kind.node)
            if message:
                found.append(StructureProblem((*where, "compensate"), message))
    return found


def _wrong(
    definition: Definition, host: Node, name: str, edges: Edges, events: dict[str, list[str]]
) -> str:
    """Return why a node cannot be another's compensation handler; empty where it can."""
    handler = definition.nodes.get(name)
    if handler is None or not isinstance(handler.kind, Host) or handler.scope != host.scope:
        return f"{name!r} is no activity, call or scope in the scope of {host.id}"
    if edges.incoming[name] or edges.outgoing[name] or name in events:
        return (
            f"{name} has flows or boundary events: a compensation handler has none, for it runs "
            f"outside the flow, when {host.id} is undone"
        )
    kind = handler.kind
    if kind.output or (isinstance(kind, Activity | Call) and kind.result_path):
        return f"the result of {name} goes nowhere: a compensation handler has no output"
    if kind.compensate_with:
        return f"{name} is a compensation handler and has none of its own"
    return ""


def _wrong_target(definition: Definition, event: Node, name: str) -> str:
    target = definition.nodes.get(name)
    if target is None or not isinstance(target.kind, Host) or target.scope != event.scope:
        return (
            f"{name!r} is no activity, call or scope in the scope of {event.id}; "
            '"*" is for everything in it'
        )
    if isinstance(target.kind, Activity) and not target.kind.compensate_with:
        return f"{name} cannot be undone: give it a handler by compensate_with"
    return ""


def can_be_undone(definition: Definition, event: Node) -> bool:
    """Tell whether something that a throwing event concerns can be undone."""
    kind = event.kind
    wanted = kind.node if isinstance(kind, Compensate) else ""
    for node in definition.nodes.values():
        around = [node.id, *scopes_around(definition, node.scope)]
        if event.scope and event.scope not in around[1:]:
            continue
        if wanted and wanted not in around:
            continue
        if isinstance(node.kind, Call) or (
            isinstance(node.kind, Activity | Scope) and node.kind.compensate_with
        ):
            return True
    return False
