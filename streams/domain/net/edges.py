"""The flows of a definition by the nodes that they join, and cycles among them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from streams.domain.net.model import Definition, Flow

Successors = Mapping[str, Sequence[str]]


class Edges(NamedTuple):
    """Flows by node; every node has an entry, flows that lead to no node have none."""

    outgoing: dict[str, list[Flow]]
    incoming: dict[str, list[Flow]]


def edges_of(definition: Definition) -> Edges:
    """Return a definition's flows by node, each in the author's order."""
    edges = Edges({n: [] for n in definition.nodes}, {n: [] for n in definition.nodes})
    for flow in definition.flows.values():
        if flow.source in edges.outgoing:
            edges.outgoing[flow.source].append(flow)
        if flow.target in edges.incoming:
            edges.incoming[flow.target].append(flow)
    return edges


def reachable(begin: Iterable[str], successors: Successors) -> set[str]:
    """Return what can be reached, the beginning included."""
    seen = set(begin)
    queue = deque(seen)
    while queue:
        for other in successors[queue.popleft()]:
            if other not in seen:
                seen.add(other)
                queue.append(other)
    return seen


def cycle_in(successors: Successors) -> list[str]:
    """Return a cycle, from its first node in the order given; nothing where there is none."""
    left = _without_ends(successors)
    if not left:
        return []
    # Each node that is left has a successor that is left: following them comes round.
    place: dict[str, int] = {}
    trail: list[str] = []
    name = next(name for name in successors if name in left)
    while name not in place:
        place[name] = len(trail)
        trail.append(name)
        name = next(other for other in successors[name] if other in left)
    cycle = trail[place[name] :]
    order = {name: number for number, name in enumerate(successors)}
    first = cycle.index(min(cycle, key=order.__getitem__))
    return cycle[first:] + cycle[:first]


def _without_ends(successors: Successors) -> set[str]:
    """Return the nodes from which some cycle can be reached."""
    before: dict[str, list[str]] = {name: [] for name in successors}
    count = {name: len(others) for name, others in successors.items()}
    for name, others in successors.items():
        for other in others:
            before[other].append(name)
    left = set(successors)
    queue = deque(name for name in successors if not count[name])
    while queue:
        name = queue.popleft()
        left.discard(name)
        for other in before[name]:
            count[other] -= 1
            if not count[other]:
                queue.append(other)
    return left
