"""Every marking that a net can reach, in the order of how soon; as far as a budget goes."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import msgspec

from streams.domain.net.petri import Firing, Net, Step, bits


class Clash(NamedTuple):
    """A firing that would put a second token on a place."""

    marking: int
    firing: int
    places: int
    """Those that have a token already."""


class Explored(msgspec.Struct, gc=False):
    """What was found of a net."""

    net: Net
    origin: dict[int, tuple[int, int]]
    """Markings in the order of discovery: the marking before, and the firing between."""
    before: dict[int, list[int]]
    """All markings from which one can be reached at once."""
    arcs: int = 0
    """Pairs of a marking and one that can follow it at once."""
    fired: set[int] = msgspec.field(default_factory=set)
    clash: Clash | None = None
    """The first."""
    stuck: int | None = None
    """The first marking from which nothing can happen although tokens are left."""
    complete: bool = True
    """False where the budget was used up before everything was seen."""

    def is_final(self, marking: int) -> bool:
        """Tell whether nothing is left to be done."""
        return not marking & ~self.net.ends

    def run_to(self, marking: int) -> list[Step]:
        """Return the steps of the first run that was found to a marking."""
        found: list[tuple[Step, ...]] = []
        while True:
            last, firing = self.origin[marking]
            if firing < 0:
                return [step for steps in reversed(found) for step in steps]
            found.append(self.net.firings[firing].steps)
            marking = last

    def alive(self) -> set[str]:
        """Return the nodes that have acted in some run."""
        return {name for number in self.fired for name in self.net.firings[number].nodes()}

    def endless(self) -> int | None:
        """Return the first marking from which no run can end; None where there is none."""
        alive = {marking for marking in self.origin if self.is_final(marking)}
        queue = list(alive)
        while queue:
            for marking in self.before[queue.pop()]:
                if marking not in alive:
                    alive.add(marking)
                    queue.append(marking)
        return next((marking for marking in self.origin if marking not in alive), None)


def explore(net: Net, max_states: int) -> Explored:
    """Visit markings breadth first, at most `max_states`; a marking with a clash is no other."""
    found = Explored(net, {net.start: (0, -1)}, {net.start: []})
    by_place = _by_place(net)
    queue = deque([net.start])
    while queue:
        marking = queue.popleft()
        nexts, acted = _nexts(found, by_place, marking)
        if not acted and found.stuck is None and not found.is_final(marking):
            found.stuck = marking
        found.arcs += len(nexts)
        for follower, firing in nexts.items():
            if follower in found.origin:
                found.before[follower].append(marking)
            elif len(found.origin) >= max_states:
                found.complete = False
            else:
                found.origin[follower] = (marking, firing)
                found.before[follower] = [marking]
                queue.append(follower)
    return found


def _by_place(net: Net) -> dict[int, list[tuple[int, Firing]]]:
    """List firings under the lowest place that they need: where it is empty they cannot."""
    found: dict[int, list[tuple[int, Firing]]] = {}
    for number, firing in enumerate(net.firings):
        found.setdefault(firing.pre & -firing.pre, []).append((number, firing))
    return found


def _nexts(
    found: Explored, by_place: dict[int, list[tuple[int, Firing]]], marking: int
) -> tuple[dict[int, int], bool]:
    """Return the markings that can follow, each with a firing, and whether any could fire."""
    nexts: dict[int, int] = {}
    acted = False
    for place in bits(marking):
        for number, firing in by_place.get(place, ()):
            if not firing.enabled(marking):
                continue
            acted = True
            found.fired.add(number)
            if firing.urgent:
                return {marking ^ firing.pre | firing.post: number}, acted
            if firing.clears:
                nexts.setdefault(firing.post, number)
                continue
            rest = marking ^ firing.pre
            if rest & firing.post:
                if found.clash is None:
                    found.clash = Clash(marking, number, rest & firing.post)
                continue
            nexts.setdefault(rest | firing.post, number)
    return nexts, acted
