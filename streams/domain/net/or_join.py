"""The inclusive join: which tokens elsewhere it has to wait for.

BPMN 2.0.2, table 13.4: it goes on when a token has come on some incoming flow, and every token
elsewhere that can still reach an incoming flow without one (on a way that does not lead through
the gateway) can also reach one that has a token. Nested joins and cycles are decided by the same
rule; joins that wait for each other wait for ever, which the proof of soundness finds. Which
flows lead where is known before anything runs.
A token at work in a host may come out of a boundary event as well.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from streams.domain.net.model import Flow

Incoming = Mapping[str, Sequence[Flow]]
"""The flows by the node at which their tokens are taken."""


class Reach(NamedTuple):
    """Of one join, by incoming flow: the flows whose token can come to it, itself included."""

    coming: Mapping[str, frozenset[str]]
    """By boundary events too."""
    near: Mapping[str, frozenset[str]]
    """Along flows only: a host does not bring the token of its boundary event."""

    def awaiting(self, arrived: frozenset[str]) -> Awaiting:
        """Return what the join waits for where the flows `arrived` have a token."""
        nothing: frozenset[str] = frozenset()
        return Awaiting(
            nothing.union(*(reach for flow, reach in self.coming.items() if flow not in arrived)),
            nothing.union(*(self.near[flow] for flow in arrived)),
        )


class Awaiting(NamedTuple):
    """What a join waits for."""

    coming: frozenset[str]
    """Flows whose token can come to an incoming flow that has none."""
    near: frozenset[str]
    """Flows whose token can come to one that has a token already."""

    def holds_back(self, ways: Collection[str], plain: Collection[str]) -> bool:
        """Tell whether the join waits for a token that can take these flows next.

        `plain` are those of them that do not come out of a boundary event.
        """
        return not self.coming.isdisjoint(ways) and self.near.isdisjoint(plain)


def reach_of(join: str, incoming: Incoming, hosts: Mapping[str, str]) -> Reach:
    """Return what can come to each incoming flow of a join, not through the join itself.

    `hosts` has the host of each boundary event.
    """
    with_events = {name: incoming[hosts.get(name, name)] for name in incoming}
    flows = incoming[join]
    return Reach(
        {flow.id: _before(flow, join, with_events) for flow in flows},
        {flow.id: _before(flow, join, incoming) for flow in flows},
    )


def _before(flow: Flow, join: str, incoming: Incoming) -> frozenset[str]:
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
