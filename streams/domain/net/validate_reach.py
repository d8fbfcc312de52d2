"""What can be reached from where: dead ends, nodes never reached, cycles that never wait."""

from __future__ import annotations

from typing import Final

from streams.domain.net.edges import Edges, cycle_in, reachable
from streams.domain.net.model import Boundary, Definition, End, Scope, Start, Throw, Waiting
from streams.domain.net.problem import Problems, StructureProblem
from streams.domain.net.scopes import (
    compensations_of,
    event_scopes_of,
    handlers_of,
    starts_of,
)

_SHOWN_MAX: Final = 20


def reach_problems(definition: Definition, edges: Edges) -> Problems:
    """Return what never comes about, never ends, or never rests."""
    return [*_dead_ends(definition, edges), *_busy_cycles(definition, edges)]


def _dead_ends(definition: Definition, edges: Edges) -> Problems:
    forward = _successors(definition, edges)
    backward: dict[str, list[str]] = {name: [] for name in definition.nodes}
    for name, flows in edges.incoming.items():
        backward[name].extend(flow.source for flow in flows)
    for node in definition.nodes.values():
        if isinstance(node.kind, Boundary):
            forward[node.kind.host].append(node.id)
            backward[node.id].append(node.kind.host)
    undoing = compensations_of(definition), handlers_of(definition)
    for undo, hosts in (pair for each in undoing for pair in each.items()):
        for host in hosts:
            forward[host].append(undo)
    nodes = definition.nodes.values()
    begins = [n.id for n in nodes if isinstance(n.kind, Start) and not n.scope]
    for event in event_scopes_of(definition):
        around = definition.nodes[event].scope
        (forward[around] if around else begins).append(event)
    reached = reachable(begins, forward)
    finishing = reachable([n.id for n in nodes if isinstance(n.kind, End)], backward)
    finishing |= {undo for each in undoing for undo in each} | {*event_scopes_of(definition)}
    found = []
    for name in definition.nodes:
        if name not in reached:
            found.append(StructureProblem(("nodes", name), f"{name} is never reached"))
        elif name not in finishing:
            found.append(StructureProblem(("nodes", name), f"no end can be reached from {name}"))
    return found


def _successors(definition: Definition, edges: Edges) -> dict[str, list[str]]:
    """Return what follows each node: its flows' targets, and of a scope its start too."""
    after = {name: [flow.target for flow in flows] for name, flows in edges.outgoing.items()}
    for scope, start in starts_of(definition).items():
        if scope:
            after[scope].append(start)
    return after


def _busy_cycles(definition: Definition, edges: Edges) -> Problems:
    """A cycle on which no node waits would run for ever within one command."""
    after = {name: [flow.target for flow in flows] for name, flows in edges.outgoing.items()}
    starts = starts_of(definition)
    resting = set()
    passing: dict[str, list[str]] = {}
    for name, node in definition.nodes.items():
        if isinstance(node.kind, Scope):
            passing[name] = [starts[name]]
        elif isinstance(node.kind, End) and node.scope:
            passing[name] = after[node.scope]  # Through a scope that does not wait inside.
        elif isinstance(node.kind, Waiting) and not isinstance(node.kind, Throw):
            resting.add(name)
        else:
            passing[name] = after[name]
    cycle = cycle_in({n: [o for o in others if o not in resting] for n, others in passing.items()})
    if not cycle:
        return []
    shown = [*cycle[:_SHOWN_MAX], "…"] if len(cycle) > _SHOWN_MAX else cycle
    text = " → ".join([*shown, cycle[0]])
    message = f"this cycle never waits: {text}; put an activity, a timer or a call on it"
    return [StructureProblem(("nodes", cycle[0]), message)]
