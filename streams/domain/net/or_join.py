"""The inclusive join: which tokens elsewhere it has to wait for.

BPMN 2.0.2, table 13.4: it goes on when a token has come on some incoming flow, and every token
elsewhere that can still reach an incoming flow without one (on a way that does not lead through
the gateway) can also reach one that has a token. Nested joins and cycles are decided by the same
rule; joins that wait for each other wait for ever, which the proof of soundness finds. Which
flows lead where is known before anything runs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from streams.domain.net.model import Flow

Reach = Mapping[str, frozenset[str]]
"""By incoming flow of one join: the flows whose token can come to it, itself included."""


def reach_of(join: str, incoming: Mapping[str, Sequence[Flow]]) -> Reach:
    """Return what can come to each incoming flow of a join, not through the join itself.

    `incoming` has the flows by the node at which their tokens are taken.
    """
    return {flow.id: _before(flow, join, incoming) for flow in incoming[join]}


def _before(flow: Flow, join: str, incoming: Mapping[str, Sequence[Flow]]) -> frozenset[str]:
    seen = {flow.id}
    queue = deque([flow])
    while queue:
        source = queue.popleft().source
        if source == join:
            continue
        for other in incoming[source]:
            if other.id not in seen:
                seen.add(other.id)
                queue.append(other)
    return frozenset(seen)


def awaited(reach: Reach, arrived: frozenset[str]) -> frozenset[str]:
    """Return the flows on which a token keeps the join from going on; `arrived` have one."""
    if not arrived:
        return frozenset()
    coming = frozenset().union(*(flows for flow, flows in reach.items() if flow not in arrived))
    return coming - frozenset().union(*(reach[flow] for flow in arrived))
