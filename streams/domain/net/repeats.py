"""Events that come again and again beside a host that goes on, and the ways that begin there.

Each time a token more begins such a way, also while the one before is still on it. That is
proper where the way ends by itself: then every token ends, however many there are. So it may
meet no other way, for which one of them would be too many; and a join on it that does not wait
for one token on each flow would take tokens of one time for those of another. With parallel
joins alone it is as with one token: such a net is free-choice, and a sound free-choice net stays
sound with any number of tokens at its start (Ping, Hu, Lü, On 1-soundness and soundness of
workflow nets, 2004). In a scope each time has joins of its own.
"""

from __future__ import annotations

from collections import deque

from streams.domain.net.edges import Edges
from streams.domain.net.model import Definition, InclusiveGateway, PartialJoin
from streams.domain.net.problem import Problems, StructureProblem
from streams.domain.net.scopes import boundaries_of
from streams.domain.net.timing import repeats


def way_of(definition: Definition, event: str, edges: Edges) -> list[str]:
    """Return the nodes to which a boundary event leads, by boundary events on them too."""
    boundaries = boundaries_of(definition)
    found: dict[str, None] = {}
    queue = deque([event])
    while queue:
        node = queue.popleft()
        following = [flow.target for flow in edges.outgoing[node]]
        for name in [*following, *(boundaries.get(node, ()) if node != event else ())]:
            if name not in found:
                found[name] = None
                queue.append(name)
    return list(found)


def repeat_problems(definition: Definition, edges: Edges) -> Problems:
    """Return what is wrong with the ways of events that come again and again."""
    found: Problems = []
    for node in definition.nodes.values():
        if repeats(node.kind):
            found.extend(_way_problems(definition, node.id, edges))
    return found


def _way_problems(definition: Definition, event: str, edges: Edges) -> Problems:
    way = way_of(definition, event, edges)
    inside = {event, *way}
    for name in way:
        node, incoming = definition.nodes.get(name), edges.incoming.get(name, [])
        other = next((flow.source for flow in incoming if flow.source not in inside), "")
        if other:
            message = (
                f"{event} can come again and again, so its way has to end by itself: {name} is "
                f"reached from {other} too; give the way of {event} nodes and an end of its own"
            )
            return [StructureProblem(("nodes", event), message)]
        joins = node is not None and isinstance(node.kind, InclusiveGateway | PartialJoin)
        if joins and len(incoming) > 1:
            message = (
                f"{event} can come again while its way is under way, and {name} would join tokens "
                f"of several times: put the way of {event} into a scope"
            )
            return [StructureProblem(("nodes", event), message)]
    return []
