"""A definition as a Petri net: a place per flow, a firing per way through a node.

The net has every choice open, for the values of conditions are the data's; but of two flows
whose conditions are each other's negation exactly one is taken.
Markings are integers, a bit for each place, since a place with two tokens is already a fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Final, NamedTuple

from streams.domain.net.edges import Edges, edges_of
from streams.domain.net.model import (
    Definition,
    End,
    ExclusiveGateway,
    Flow,
    InclusiveGateway,
    Node,
    ParallelGateway,
    PartialJoin,
)
from streams.domain.net.opposites import are_opposite
from streams.domain.net.or_join import awaited, reach_of

SPLIT_MAX: Final = 12
"""Flows of a split or a join whose every combination is looked at."""


class Step(NamedTuple):
    """A node that acts in a run, and the flows that it takes where it has a choice."""

    node: str
    taken: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return `node`, or `node (flow, …)`."""
        return f"{self.node} ({', '.join(self.taken)})" if self.taken else self.node


class Firing(NamedTuple):
    """A way through a node, or through several that act one after the other."""

    steps: tuple[Step, ...]
    pre: int
    """Places from which it takes a token each."""
    post: int
    """Places on which it puts a token each."""
    also: frozenset[str] = frozenset()
    """Other nodes that can act whenever this one does."""
    absent: int = 0
    """Places that must be empty (inhibitor arcs): what an inclusive join still waits for."""
    urgent: bool = False
    """Happens at once, before anything else: no token can come in between."""

    def enabled(self, marking: int) -> bool:
        """Tell whether it can be fired in a marking."""
        return marking & self.pre == self.pre and not marking & self.absent

    def nodes(self) -> Iterator[str]:
        """Yield every node that can act where this can be fired."""
        yield from (step.node for step in self.steps)
        yield from self.also


class Net(NamedTuple):
    """Places and firings."""

    places: tuple[str, ...]
    """By bit: ids of flows, of the start and of the ends."""
    firings: tuple[Firing, ...]
    start: int
    """The first marking."""
    ends: int
    """Places on which tokens may rest when all is done."""

    def names(self, marking: int) -> list[str]:
        """Return the names of a marking's places."""
        return [self.places[place.bit_length() - 1] for place in bits(marking)]


def bits(marking: int) -> Iterator[int]:
    """Yield the places of a marking, each as a marking."""
    while marking:
        place = marking & -marking
        yield place
        marking ^= place


class TooManyChoicesError(Exception):
    """A split or a join with more combinations than are looked at."""


class Entry(NamedTuple):
    """What a node takes when it acts, what it needs empty, and the marks that it leaves."""

    pre: int
    absent: int = 0
    kept: int = 0


def petri_net(definition: Definition) -> Net:
    """Return the net of a definition whose structure is in order.

    Raises:
        TooManyChoicesError: an implicit split has more than `SPLIT_MAX` conditions.
    """
    edges = edges_of(definition)
    kinds = {node.id: node.kind for node in definition.nodes.values()}
    ends = [name for name, kind in kinds.items() if isinstance(kind, End)]
    (begin,) = [name for name, flows in edges.incoming.items() if not flows]
    marks = [
        mark
        for name, kind in kinds.items()
        if isinstance(kind, PartialJoin)
        for mark in marks_of(name, edges)
    ]
    places = (begin, *ends, *marks, *definition.flows)
    bit = {name: 1 << number for number, name in enumerate(places)}
    firings = []
    for node in definition.nodes.values():
        for entry in _entries(node, edges, bit, begin):
            for post, taken in _exits(node, edges, bit):
                step = Step(node.id, taken)
                firings.append(Firing((step,), entry.pre, entry.kept | post, absent=entry.absent))
        if isinstance(node.kind, PartialJoin):
            firings.extend(absorbing(node.id, edges, bit))
    done = sum(bit[name] for name in (*ends, *marks))
    return Net(places, tuple(firings), bit[begin], done)


def _entries(node: Node, edges: Edges, bit: dict[str, int], begin: str) -> Iterator[Entry]:
    """Yield what a node waits for: one flow, or with a join several."""
    if node.id == begin:
        yield Entry(bit[begin])
    incoming = [bit[flow.id] for flow in edges.incoming[node.id]]
    if len(incoming) > SPLIT_MAX and isinstance(node.kind, InclusiveGateway | PartialJoin):
        raise TooManyChoicesError(node.id)
    if isinstance(node.kind, ParallelGateway) and incoming:
        yield Entry(sum(incoming))
    elif isinstance(node.kind, InclusiveGateway) and len(incoming) > 1:
        yield from inclusive_entries(node.id, edges, bit)
    elif isinstance(node.kind, PartialJoin):
        yield from partial_entries(node.id, node.kind.count, edges, bit)
    else:
        yield from map(Entry, incoming)


def _exits(node: Node, edges: Edges, bit: dict[str, int]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the flows that a node may take together, with their names where it has a choice."""
    if isinstance(node.kind, End):
        yield bit[node.id], ()
        return
    flows = edges.outgoing[node.id]
    choices = list(_choices(node, flows))
    for chosen in choices:
        taken = tuple(flow.id for flow in chosen) if len(choices) > 1 else ()
        yield sum(bit[flow.id] for flow in chosen), taken


def _choices(node: Node, flows: list[Flow]) -> Iterator[list[Flow]]:
    conditional = [flow for flow in flows if flow.condition]
    always = [flow for flow in flows if not flow.condition and not flow.default]
    default = [flow for flow in flows if flow.default]
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


def inclusive_entries(join: str, edges: Edges, bit: dict[str, int]) -> Iterator[Entry]:
    """Yield an entry for every set of flows that can have brought a token when it goes on."""
    reach = reach_of(join, edges.incoming)
    for arrived in _subsets(list(reach)):
        if arrived:
            absent = {*reach} - arrived | awaited(reach, arrived)
            yield Entry(sum(bit[f] for f in arrived), sum(bit[f] for f in absent))


def _subsets(flows: list[str]) -> Iterator[frozenset[str]]:
    for count in range(len(flows) + 1):
        yield from map(frozenset, combinations(flows, count))


def marks_of(join: str, edges: Edges) -> list[str]:
    """Return the places of a partial join's marks: that it went on, and for whom."""
    return [f"{join}/gone", *(f"{flow.id}/spent" for flow in edges.incoming[join])]


def partial_entries(join: str, count: int, edges: Edges, bit: dict[str, int]) -> Iterator[Entry]:
    """Yield the ways in which a partial join goes on; it marks the flows that it took."""
    gone, *_ = marks_of(join, edges)
    flows = [flow.id for flow in edges.incoming[join]]
    for some in combinations(flows, count):
        pre = sum(bit[flow] for flow in some)
        if count == len(flows):
            yield Entry(pre)
        else:
            marks = bit[gone] | sum(bit[f"{flow}/spent"] for flow in some)
            yield Entry(pre, bit[gone], marks)


def absorbing(join: str, edges: Edges, bit: dict[str, int]) -> Iterator[Firing]:
    """Yield what a partial join does after it went on: absorb the others, then begin again."""
    gone, *spent = (bit[mark] for mark in marks_of(join, edges))
    flows = [bit[flow.id] for flow in edges.incoming[join]]
    step = (Step(join),)
    for flow, mark in zip(flows, spent, strict=True):
        yield Firing(step, flow | gone, gone | mark, absent=mark, urgent=True)
    yield Firing(step, gone | sum(spent), 0, urgent=True)
