"""A definition as a Petri net: a place per flow, a firing per way through a node.

The net has every choice open, for the values of conditions are the data's; but of two flows
whose conditions are each other's negation exactly one is taken. A scope within is one node, as
an activity is: it is judged by a net of its own. A boundary event that interrupts is another
way through its host; of one that does not, the host gets places of its own. Such an event
happens at most once, or, where it can come again and again, whenever its way is empty: its way
ends by itself (`repeats.py`), so that its tokens need not be counted, neither on the way nor at
its ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations, product
from typing import Final, NamedTuple

from streams.domain.net.edges import edges_of
from streams.domain.net.model import (
    Boundary,
    Definition,
    End,
    EventGateway,
    ExclusiveGateway,
    Flow,
    InclusiveGateway,
    Node,
    ParallelGateway,
    PartialJoin,
)
from streams.domain.net.opposites import are_opposite
from streams.domain.net.or_join import reach_of
from streams.domain.net.petri import Firing, Net, Step
from streams.domain.net.repeats import way_of
from streams.domain.net.scopes import begins_of, boundaries_of
from streams.domain.net.timing import repeats

SPLIT_MAX: Final = 12
"""Flows of a split or a join whose every combination is looked at."""
Way = tuple[int, tuple[str, ...]]
"""Places that a node fills together, and the flows where it has a choice."""


class TooManyChoicesError(Exception):
    """A split or a join with more combinations than are looked at."""


class Entry(NamedTuple):
    """What a node takes when it acts, what it needs empty, and the marks that it leaves."""

    pre: int
    absent: int = 0
    kept: int = 0


def petri_net(definition: Definition, scope: str = "") -> Net:
    """Return the net of a definition whose structure is in order, or of one of its scopes.

    Raises:
        TooManyChoicesError: a split or a join has more than `SPLIT_MAX` flows to choose from.
    """
    return _Translation(definition, scope).net()


class _Translation:
    """The nodes of one scope on their way into a net."""

    def __init__(self, definition: Definition, scope: str) -> None:
        self._edges = edges_of(definition)
        self._nodes = [node for node in definition.nodes.values() if node.scope == scope]
        begins = begins_of(definition, scope)
        self._begins = frozenset(begins)
        # One place for all starts: which of them is taken is a choice that nobody here can see.
        self._begin = begins[0]
        inside = {node.id for node in self._nodes}
        events = {
            host: [definition.nodes[name] for name in names]
            for host, names in boundaries_of(definition).items()
            if host in inside
        }
        self._beside = {h: found for h, found in events.items() if not all(map(_stops, found))}
        """Boundary events of the hosts that go on beside one of them."""
        self._ends = [node.id for node in self._nodes if isinstance(node.kind, End)]
        self._marks = [
            mark
            for node in self._nodes
            if isinstance(node.kind, PartialJoin)
            for mark in self._marks_of(node.id)
        ]
        flows = [flow.id for flow in definition.flows.values() if flow.source in inside]
        resting = [p for host, found in self._beside.items() for p in _places_of(host, found)]
        ways = {
            event.id: way_of(definition, event.id, self._edges)
            for found in self._beside.values()
            for event in found
            if repeats(event.kind)
        }
        self._sinks = {name for way in ways.values() for name in way} & {*self._ends}
        """Ends of ways that begin again and again."""
        self._places = (self._begin, *self._ends, *self._marks, *resting, *flows)
        self._bit = {name: 1 << number for number, name in enumerate(self._places)}
        self._hosts = {event.id: host for host, found in events.items() for event in found}
        incoming = self._edges.incoming
        self._on_way = {event: self._places_on([event, *way]) for event, way in ways.items()}
        """Of events that come again and again: the places of their ways."""
        self._ways_in = {name: incoming[self._hosts.get(name, name)] for name in incoming}

    def _places_on(self, way: list[str]) -> int:
        hosts = [host for host in self._beside if host in way]
        resting = [p for host in hosts for p in _places_of(host, self._beside[host])]
        return self._sum([*self._out_of(way), *resting])

    def net(self) -> Net:
        firings = [firing for node in self._nodes for firing in self._firings(node)]
        bit = self._bit
        done = sum(bit[name] for name in (*self._ends, *self._marks))
        return Net(self._places, tuple(firings), bit[self._begin], done)

    def _firings(self, node: Node) -> Iterator[Firing]:
        kind = node.kind
        if node.id in self._beside:
            yield from self._hosting(node, self._beside[node.id])
            return
        if isinstance(kind, Boundary) and kind.host in self._beside:
            return
        clears = isinstance(kind, End) and (kind.terminate or kind.error is not None)
        for entry in self._entries(node):
            for post, taken in self._exits(node):
                put = entry.kept | post
                step = (Step(node.id, taken),)
                yield Firing(step, entry.pre, put, absent=entry.absent, clears=clears)
        if isinstance(kind, PartialJoin):
            yield from self._absorbing(node.id)

    def _hosting(self, node: Node, events: list[Node]) -> Iterator[Firing]:
        """Yield what a host does beside which events begin ways of their own."""
        once = list(filter(_once, events))
        active, *states = (self._bit[place] for place in _places_of(node.id, events))
        count = len(once)
        armed, over, again = states[:count], states[count : 2 * count], states[2 * count :]
        for flow in self._ways_in[node.id]:
            put = active | sum(armed) | sum(again)
            yield Firing((Step(node.id),), self._bit[flow.id], put)
        for event, ready, used in zip(once, armed, over, strict=True):
            for post, taken in self._exits(event):
                step = (Step(event.id, taken),)
                yield Firing(step, active | ready, active | used | post)
        repeated = [event for event in events if event.id in self._on_way]
        for event, ready in zip(repeated, again, strict=True):
            for post, taken in self._exits(event):
                step, pre = (Step(event.id, taken),), active | ready
                yield Firing(step, pre, pre | post, absent=self._on_way[event.id])
        ways_out = [node, *filter(_stops, events)]
        for marks in product(*zip(armed, over, strict=True)):
            for way in ways_out:
                for post, taken in self._exits(way):
                    pre = active | sum(marks) | sum(again)
                    yield Firing((Step(way.id, taken),), pre, post)

    def _entries(self, node: Node) -> Iterator[Entry]:
        """Yield what a node waits for: one flow, or with a join several."""
        if node.id in self._begins:
            yield Entry(self._bit[self._begin])
        incoming = [self._bit[flow.id] for flow in self._ways_in[node.id]]
        if len(incoming) > SPLIT_MAX and isinstance(node.kind, InclusiveGateway | PartialJoin):
            raise TooManyChoicesError(node.id)
        if isinstance(node.kind, ParallelGateway) and incoming:
            yield Entry(sum(incoming))
        elif isinstance(node.kind, InclusiveGateway) and len(incoming) > 1:
            yield from self._inclusive_entries(node.id)
        elif isinstance(node.kind, PartialJoin):
            yield from self._partial_entries(node.id, node.kind.count)
        else:
            yield from map(Entry, incoming)

    def _inclusive_entries(self, join: str) -> Iterator[Entry]:
        """Yield an entry for every set of flows that can have brought a token when it goes on."""
        reach = reach_of(join, self._edges.incoming, self._hosts)
        hosting = {
            _places_of(host, [])[0]: (self._out_of([host, *(e.id for e in found)]), [host])
            for host, found in self._beside.items()
        }
        for arrived in _subsets(list(reach.coming)):
            if not arrived:
                continue
            waits = reach.awaiting(arrived)
            absent = {*reach.coming} - arrived
            absent |= {flow for flow in waits.coming if waits.holds_back((flow,), (flow,))}
            absent |= {
                place
                for place, (ways, host) in hosting.items()
                if waits.holds_back(ways, self._out_of(host))
            }
            yield Entry(self._sum(arrived), self._sum(absent))

    def _out_of(self, nodes: Iterable[str]) -> list[str]:
        return [flow.id for node in nodes for flow in self._edges.outgoing[node]]

    def _partial_entries(self, join: str, count: int) -> Iterator[Entry]:
        """Yield the ways in which a partial join goes on; it marks the flows that it took."""
        gone, *_ = self._marks_of(join)
        flows = [flow.id for flow in self._edges.incoming[join]]
        for some in combinations(flows, count):
            if count == len(flows):
                yield Entry(self._sum(some))
            else:
                marks = self._sum([gone, *(_spent(flow) for flow in some)])
                yield Entry(self._sum(some), self._bit[gone], marks)

    def _absorbing(self, join: str) -> Iterator[Firing]:
        """Yield what a partial join does after it went on: absorb the others, then begin again."""
        gone, *spent = (self._bit[mark] for mark in self._marks_of(join))
        flows = [self._bit[flow.id] for flow in self._edges.incoming[join]]
        step = (Step(join),)
        for flow, mark in zip(flows, spent, strict=True):
            yield Firing(step, flow | gone, gone | mark, absent=mark, urgent=True)
        yield Firing(step, gone | sum(spent), 0, urgent=True)

    def _marks_of(self, join: str) -> list[str]:
        """Return the places of a partial join's marks: that it went on, and for whom."""
        return [f"{join}/gone", *(_spent(flow.id) for flow in self._edges.incoming[join])]

    def _sum(self, places: Iterable[str]) -> int:
        return sum(self._bit[place] for place in places)

    def _exits(self, node: Node) -> Iterator[Way]:
        """Yield the flows that a node may take together, with names where it has a choice."""
        if isinstance(node.kind, End):
            plain = node.kind.error is None and not node.kind.terminate
            yield 0 if plain and node.id in self._sinks else self._bit[node.id], ()
            return
        choices = list(_choices(node, self._edges.outgoing[node.id]))
        for chosen in choices:
            taken = tuple(flow.id for flow in chosen) if len(choices) > 1 else ()
            yield self._sum(flow.id for flow in chosen), taken


def _stops(event: Node) -> bool:
    return isinstance(event.kind, Boundary) and event.kind.interrupting


def _once(event: Node) -> bool:
    return not _stops(event) and not repeats(event.kind)


def _spent(flow: str) -> str:
    return f"{flow}/spent"


def _places_of(host: str, events: list[Node]) -> list[str]:
    """Return the places of such a host: that it is at work, and how each of its events stands."""
    once = [event.id for event in events if _once(event)]
    again = [event.id for event in events if repeats(event.kind)]
    marks = [*(f"{n}/armed" for n in once), *(f"{n}/over" for n in once)]
    return [f"{host}/active", *marks, *(f"{n}/again" for n in again)]


def _subsets(flows: list[str]) -> Iterator[frozenset[str]]:
    for count in range(len(flows) + 1):
        yield from map(frozenset, combinations(flows, count))


def _choices(node: Node, flows: list[Flow]) -> Iterator[list[Flow]]:
    conditional = [flow for flow in flows if flow.condition]
    always = [flow for flow in flows if not flow.condition and not flow.default]
    default = [flow for flow in flows if flow.default]
    if isinstance(node.kind, EventGateway):
        yield from ([flow] for flow in flows)
        return
    if isinstance(node.kind, ExclusiveGateway):
        # The first without a condition is taken where none before it is true.
        yield from ([flow] for flow in [*conditional, *(always[:1] or default)])
        return
    if len(conditional) > SPLIT_MAX:
        raise TooManyChoicesError(node.id)
    opposite = [
        {one.id, other.id}
        for one, other in combinations(conditional, 2)
        if are_opposite(one.condition, other.condition)
    ]
    for count in range(len(conditional) + 1):
        for some in combinations(conditional, count):
            ids = {flow.id for flow in some}
            chosen = [*always, *some] or default
            if chosen and all(len(pair & ids) == 1 for pair in opposite):
                yield chosen
