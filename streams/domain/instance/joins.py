"""Joins: how many tokens a gateway waits for, and which it takes when it goes on.

A token that has come rests on its flow. Of a partial join the flows that have brought their
token keep a mark (place `FLOW/spent`) until every flow has brought one; marks hold nothing up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from streams.domain.instance.places import HELD_BY_NOBODY, OUT, SPENT
from streams.domain.net.graph import Graph


class Marking:
    """The tokens of one walk by place: those that rest, less those taken, and the new ones."""

    __slots__ = ("consumed", "new", "resting")

    def __init__(self, tokens: Mapping[int, str], consumed: list[int]) -> None:
        """Start from a state's tokens; `consumed` is shared with the walk."""
        gone = set(consumed)
        self.consumed = consumed
        self.new: dict[str, int] = {}
        """How many tokens were put on each place."""
        self.resting: dict[str, list[int]] = {}
        for token, place in tokens.items():
            if token not in gone:
                self.resting.setdefault(place, []).append(token)

    def has(self, place: str) -> bool:
        """Tell whether a token is there."""
        return bool(self.new.get(place) or self.resting.get(place))

    def put(self, place: str) -> None:
        """Put a new token there."""
        self.new[place] = self.new.get(place, 0) + 1

    def take(self, place: str) -> None:
        """Take one token; a new one first, as nobody has seen it yet."""
        if self.new.get(place):
            self.new[place] -= 1
        else:
            self.consumed.append(self.resting[place].pop(0))

    def produced(self) -> list[str]:
        """Return the places of the new tokens that are left, in the order of their coming."""
        return [place for place, count in self.new.items() for _ in range(count)]

    def places(self) -> Iterable[str]:
        """Return every place that has a token."""
        yield from (place for place, count in self.new.items() if count)
        yield from (place for place, tokens in self.resting.items() if tokens)


def goes_on(graph: Graph, join: str, marking: Marking) -> bool:
    """Let a parallel or a partial join take its tokens, if it can go on now."""
    flows = [flow.id for flow in graph.incoming[join]]
    count = graph.partial_joins.get(join)
    if count is not None:
        return _partial(flows, count, marking)
    if not all(marking.has(flow) for flow in flows):
        return False
    for flow in flows:
        marking.take(flow)
    return True


def _partial(flows: list[str], count: int, marking: Marking) -> bool:
    """Absorb what comes after the join went on; begin again when every flow has come."""
    if any(marking.has(flow + SPENT) for flow in flows):
        for flow in flows:
            if marking.has(flow) and not marking.has(flow + SPENT):
                marking.take(flow)
                marking.put(flow + SPENT)
        if not _begun_again(flows, marking):
            return False
    here = [flow for flow in flows if marking.has(flow)][:count]
    if len(here) < count:
        return False
    for flow in here:
        marking.take(flow)
        marking.put(flow + SPENT)
    _begun_again(flows, marking)
    return True


def _begun_again(flows: list[str], marking: Marking) -> bool:
    if not all(marking.has(flow + SPENT) for flow in flows):
        return False
    for flow in flows:
        marking.take(flow + SPENT)
    return True


def inclusive_join(
    graph: Graph, marking: Marking, elsewhere: Iterable[str]
) -> tuple[str, list[str]] | None:
    """Return the first inclusive join that can go on, and its flows with a token.

    Asked only when every token has come to rest; `elsewhere` are the nodes and flows at which
    the walk has tokens of its own.
    """
    for join, reach in graph.or_joins.items():
        arrived = frozenset(flow for flow in reach.coming if marking.has(flow))
        if not arrived:
            continue
        waits = reach.awaiting(arrived)
        places = (place for place in (*marking.places(), *elsewhere) if place not in arrived)
        if not any(waits.holds_back(*_ways(graph, place)) for place in places):
            return join, sorted(arrived)
    return None


def _ways(graph: Graph, place: str) -> tuple[Collection[str], Collection[str]]:
    """Return the flows that a token at a place can take next, and those that are no event's."""
    node = place.removesuffix(OUT)
    if node not in graph.outgoing:
        flow = () if place.endswith(HELD_BY_NOBODY) else (place,)
        return flow, flow
    plain = graph.ways_out([node])
    events: list[str] = []
    if node == place:  # What a compensation activity brings comes out of its host's fallback.
        events = [*graph.boundaries.get(node, ()), *graph.compensated.get(node, ())]
    return [*plain, *graph.ways_out(events)], plain
