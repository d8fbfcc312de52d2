"""How many tokens the places of a net can have, and every marking of a net that has a bound.

Whether there is a bound is decided on the way (Karp and Miller, Parallel program schemata, 1969):
a run that comes to at least the tokens it had before, and to more on some place, can be repeated
for ever; and every run without end through ever new markings does so at last.

A marking is one integer with a field for each place and a spare bit above each field, so that
all places are compared by one subtraction: where a place has less, its spare bit is borrowed.
Where a field overflows, everything begins again with wider ones.
"""

from __future__ import annotations

from array import array
from collections import defaultdict, deque
from collections.abc import Mapping
from itertools import count
from typing import NamedTuple

import msgspec

from streams.domain.net.petri import Net
from streams.domain.net.reduce import reduced
from streams.domain.net.weighted import NotPlainError, Transition, WeightedNet, weighted


class Growth(NamedTuple):
    """Why there is no bound: a run, and what can be repeated after it for ever."""

    run: list[int]
    again: list[int]
    """Transitions, by index, that lead from a marking to one with more tokens."""
    places: list[int]
    """Those that have more."""


class Reached(msgspec.Struct, gc=False):
    """What was found of a net."""

    net: WeightedNet
    bits: int
    """Of a place's field, without the spare bit."""
    numbers: dict[int, int] = {}
    """Markings in the order of discovery, each with its number, from 0."""
    before: array[int] = msgspec.field(default_factory=lambda: array("I"))
    """By number: the marking from which one was found first."""
    firing: array[int] = msgspec.field(default_factory=lambda: array("I"))
    """By number: the transition between."""
    heads: array[int] = msgspec.field(default_factory=lambda: array("I"))
    """By number: where a marking's arcs begin in `followers` and `labels`; one more at the end."""
    followers: array[int] = msgspec.field(default_factory=lambda: array("I"))
    labels: array[int] = msgspec.field(default_factory=lambda: array("I"))
    """Every arc's transition."""
    most: int = 0
    """The most tokens that a marking has."""
    low: int = 0
    """The fewest tokens of every place, as a marking."""
    high: int = 0
    """The most tokens of every place, as a marking."""
    growth: Growth | None = None
    """Set where there is no bound; nothing else is of use then."""
    complete: bool = True
    """False where the budget was used up before everything was seen."""

    @property
    def states(self) -> int:
        """How many markings were found."""
        return len(self.numbers)

    def tokens(self, marking: int) -> list[int]:
        """Return a marking's tokens by place."""
        width, field = self.bits + 1, (1 << self.bits) - 1
        return [marking >> place * width & field for place in range(len(self.net.places))]

    def bound(self) -> int:
        """Return the most tokens that a place was seen to have."""
        return max(self.tokens(self.high), default=0)

    def run_to(self, number: int) -> list[int]:
        """Return the transitions of the first run that was found to a marking."""
        run = []
        while number:
            run.append(self.firing[number])
            number = self.before[number]
        return run[::-1]


class Bound(msgspec.Struct, frozen=True):
    """How many tokens a place can have."""

    most: int
    """Of any place, in any marking; 0 where there is no bound."""

    def __str__(self) -> str:
        """Return a sentence's part."""
        if not self.most:
            return "the net is not bounded: tokens can multiply without end"
        tokens = "one token" if self.most == 1 else f"{self.most} tokens"
        return f"the net is bounded: no place ever has more than {tokens}"


def bound_of(net: Net, max_states: int) -> Bound | None:
    """Return the bound of a definition's net; None where it is not found among so many states.

    Growth that takes too long to be seen in the net as it was drawn may show in the reduced one,
    whose runs are runs of the other; its bound may be lower, and is of no use. Of a net that is
    no place/transition net (`NotPlainError`) nothing is said: growth need not go on there.
    """
    try:
        drawn = reach(weighted(net), max_states)
    except NotPlainError:
        return None
    if drawn.growth is None and drawn.complete:
        return Bound(drawn.bound())
    if drawn.growth is not None or reach(weighted(reduced(net)), max_states).growth is not None:
        return Bound(0)
    return None


class _Move(NamedTuple):
    """A transition over packed markings."""

    number: int
    pre: int
    change: int
    """What is added to a marking; below 0 where it takes more."""
    gain: int
    """Tokens that there are more afterwards."""
    touched: frozenset[int]
    """Transitions that need a place whose tokens it changes."""
    near: list[_Move]
    """The same."""


class _OverflowError(Exception):
    """A place has more tokens than its field can hold."""


def reach(net: WeightedNet, max_states: int) -> Reached:
    """Visit markings breadth first, at most `max_states`, until it is seen that they are endless.

    Exact: nothing is reduced; `followers` has an arc for every marking and enabled transition.
    """
    weights = (w for one in net.transitions for w in (*one.pre.values(), *one.post.values()))
    bits = max([1, *net.start, *weights]).bit_length()
    while True:
        try:
            return _Search(net, bits, max_states).run()
        except _OverflowError:
            bits *= 2


class _Record(NamedTuple):
    """A marking with more tokens than all before it on the way to it."""

    marking: int
    number: int
    total: int
    earlier: _Record | None


class _Search:
    """One visit of all markings, with fields of one width."""

    def __init__(self, net: WeightedNet, bits: int, max_states: int) -> None:
        self._bits = bits
        self._max_states = max_states
        places = range(len(net.places))
        self._guards = sum(1 << place * (bits + 1) + bits for place in places)
        self._found = Reached(net, bits)
        self._moves = self._prepared(net)

    def run(self) -> Reached:
        """Visit; raises `_OverflowError`."""
        found, guards = self._found, self._guards
        start = self._packed(dict(enumerate(found.net.start)))
        found.numbers[start] = 0
        found.before.append(0)
        found.firing.append(0)
        found.low = found.high = start
        found.most = total = sum(found.net.start)
        first = [move for move in self._moves if ((start | guards) - move.pre) & guards == guards]
        self._queue = deque([(start, first, _Record(start, 0, total, None), total)])
        for own in count():
            if not self._queue or found.growth is not None:
                break
            found.heads.append(len(found.labels))
            self._visit(own, *self._queue.popleft())
        found.heads.append(len(found.labels))
        return found

    def _visit(
        self, own: int, marking: int, able: list[_Move], record: _Record, total: int
    ) -> None:
        found, guards = self._found, self._guards
        for move in able:
            follower = marking + move.change
            if follower & guards:
                raise _OverflowError
            known = found.numbers.get(follower)
            if known is None:
                if len(found.numbers) >= self._max_states:
                    found.complete = False
                    continue
                known = self._add(follower, own, move.number)
                more, its = total + move.gain, record
                if more > record.total:
                    found.growth = self._growth(follower, known, record)
                    its = _Record(follower, known, more, record)
                    found.most = max(found.most, more)
                guarded = follower | guards
                still = [one for one in able if one.number not in move.touched]
                still += [one for one in move.near if (guarded - one.pre) & guards == guards]
                self._queue.append((follower, still, its, more))
            found.followers.append(known)
            found.labels.append(move.number)
            if found.growth is not None:
                return

    def _add(self, marking: int, own: int, firing: int) -> int:
        found, guards = self._found, self._guards
        number = found.numbers[marking] = len(found.numbers)
        found.before.append(own)
        found.firing.append(firing)
        if ((found.high | guards) - marking) & guards != guards:
            found.high = self._greater(found.high, marking)
        if ((marking | guards) - found.low) & guards != guards:
            found.low = found.low + marking - self._greater(found.low, marking)
        return number

    def _greater(self, one: int, other: int) -> int:
        """Return the greater number of tokens for every place."""
        guards = self._guards
        enough = ((one | guards) - other) & guards
        kept = enough - (enough >> self._bits)
        return one & kept | other & ~kept

    def _growth(self, marking: int, number: int, record: _Record | None) -> Growth | None:
        """Look for a marking before, on the way to one, that has no place with more tokens."""
        found, guards = self._found, self._guards
        while record is not None:
            if ((marking | guards) - record.marking) & guards == guards:
                run, whole = found.run_to(record.number), found.run_to(number)
                more = zip(found.tokens(marking), found.tokens(record.marking), strict=True)
                places = [place for place, (after, before) in enumerate(more) if after > before]
                return Growth(run, whole[len(run) :], places)
            record = record.earlier
        return None

    def _prepared(self, net: WeightedNet) -> list[_Move]:
        takers: dict[int, list[int]] = defaultdict(list)
        for number, one in enumerate(net.transitions):
            for place in one.pre:
                takers[place].append(number)
        moves = [self._move(number, one, takers) for number, one in enumerate(net.transitions)]
        for move in moves:
            move.near.extend(moves[number] for number in move.touched)
        return moves

    def _move(self, number: int, one: Transition, takers: dict[int, list[int]]) -> _Move:
        pre, post = self._packed(one.pre), self._packed(one.post)
        changed = [p for p in {**one.pre, **one.post} if one.pre.get(p, 0) != one.post.get(p, 0)]
        touched = frozenset(other for place in changed for other in takers.get(place, ()))
        gain = sum(one.post.values()) - sum(one.pre.values())
        return _Move(number, pre, post - pre, gain, touched, [])

    def _packed(self, tokens: Mapping[int, int]) -> int:
        return sum(many << place * (self._bits + 1) for place, many in tokens.items())
