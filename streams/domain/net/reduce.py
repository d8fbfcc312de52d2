"""A smaller net with the same verdict: what lies on one way is one firing.

Three rules, each of which keeps deadlock, the option to complete, safeness and which nodes can
act (Berthelot, Checking properties of nets using transformations, 1985; Murata, Petri nets,
1989, section V):

- post-agglomeration: what follows a place, and needs nothing else, happens together with what
  came before it;
- parallel places: of two places that the same firings fill and empty, one is enough;
- parallel firings: of two firings with the same places, one is enough.

Where a firing needs places empty (inclusive joins), a place goes only if what comes after it is
watched by the same firings.

A net of nested blocks becomes a handful of places, however many tokens are on their way in it.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import count

from streams.domain.net.petri import Firing, Net, bits


def reduced(net: Net) -> Net:
    """Return a net that is sound where this one is, and only there; places keep their bits."""
    return _Reduction(net).run()


class _Reduction:
    """The net while it shrinks."""

    def __init__(self, net: Net) -> None:
        self._net = net
        self._kept = net.start | net.ends
        for firing in net.firings:
            if firing.urgent or firing.clears or firing.resets:
                self._kept |= firing.pre | firing.post | firing.resets
        self._guards = {firing.absent for firing in net.firings if firing.absent}
        self._firings: dict[int, Firing] = dict(enumerate(net.firings))
        self._numbers = count(len(net.firings))
        self._filling: dict[int, set[int]] = defaultdict(set)
        self._emptying: dict[int, set[int]] = defaultdict(set)
        for number, firing in self._firings.items():
            self._link(number, firing)

    def run(self) -> Net:
        """Apply the rules until none changes anything."""
        changed = True
        while changed:
            changed = self._merge_firings()
            for place in list(self._emptying):
                changed |= self._agglomerate(place)
            changed |= self._merge_places()
        return self._net._replace(firings=tuple(self._firings.values()))

    def _link(self, number: int, firing: Firing) -> None:
        for place in bits(firing.pre):
            self._emptying[place].add(number)
        for place in bits(firing.post):
            self._filling[place].add(number)

    def _remove(self, number: int) -> Firing:
        firing = self._firings.pop(number)
        for place in bits(firing.pre):
            self._emptying[place].discard(number)
        for place in bits(firing.post):
            self._filling[place].discard(number)
        return firing

    def _add(self, firing: Firing) -> None:
        number = next(self._numbers)
        self._firings[number] = firing
        self._link(number, firing)

    def _agglomerate(self, place: int) -> bool:
        before, after = self._filling[place], self._emptying[place]
        if place & self._kept or not before or not after or before & after:
            return False
        if min(len(before), len(after)) > 1:
            return False  # There would be more firings than now.
        later = [self._firings[number] for number in after]
        if any(firing.pre != place or firing.absent for firing in later):
            return False
        if any(
            bool(place & guard) != bool(one.post & guard) for guard in self._guards for one in later
        ):
            return False  # What waits for the place to be empty would see the difference.
        rests = [self._firings[number].post & ~place for number in before]
        if any(rest & firing.post for rest in rests for firing in later):
            return False  # It is not safe: that is for the exploration to show.
        earlier = [self._remove(number) for number in list(before)]
        later = [self._remove(number) for number in list(after)]
        for first in earlier:
            for second in later:
                self._add(
                    Firing(
                        first.steps + second.steps,
                        first.pre,
                        first.post & ~place | second.post,
                        first.also | second.also,
                        first.absent,
                    )
                )
        return True

    def _merge_places(self) -> bool:
        seen: dict[tuple[frozenset[int], frozenset[int]], int] = {}
        merged = False
        for place, after in self._emptying.items():
            if not after or place & self._kept:
                continue
            first = seen.setdefault((frozenset(self._filling[place]), frozenset(after)), place)
            if first != place and not any(place & guard for guard in self._guards):
                self._drop(place)
                merged = True
        return merged

    def _drop(self, place: int) -> None:
        for number in self._filling[place]:
            firing = self._firings[number]
            self._firings[number] = firing._replace(post=firing.post & ~place)
        for number in self._emptying[place]:
            firing = self._firings[number]
            self._firings[number] = firing._replace(pre=firing.pre & ~place)
        self._filling[place], self._emptying[place] = set(), set()

    def _merge_firings(self) -> bool:
        groups: dict[tuple[int, int, int, bool, int], list[int]] = defaultdict(list)
        for number, firing in self._firings.items():
            groups[firing.pre, firing.post, firing.absent, firing.clears, firing.resets].append(
                number
            )
        merged = False
        for numbers in groups.values():
            if len(numbers) > 1:
                same = [self._remove(number) for number in numbers]
                shortest = min(same, key=lambda firing: len(firing.steps))
                self._add(
                    shortest._replace(
                        also=frozenset(name for firing in same for name in firing.nodes())
                    )
                )
                merged = True
        return merged
