"""Every marking that a net can reach, in the order of how soon; as far as a budget goes.

Written for a million markings: no object is made for each but its integer, everything else is in
arrays, and which firings are able is carried from one marking to the next, not looked for again.
"""

from __future__ import annotations

from array import array
from collections import defaultdict, deque
from itertools import count
from typing import NamedTuple

import msgspec

from streams.domain.net.petri import Net, Step, bits


class Clash(NamedTuple):
    """A firing that would put a second token on a place."""

    marking: int
    firing: int
    places: int
    """Those that have a token already."""


class Explored(msgspec.Struct, gc=False):
    """What was found of a net."""

    net: Net
    numbers: dict[int, int]
    """Markings in the order of discovery, each with its number, from 0."""
    before: array[int] = msgspec.field(default_factory=lambda: array("I"))
    """By number: the marking from which one was found first; the first from itself."""
    firing: array[int] = msgspec.field(default_factory=lambda: array("I"))
    """By number: the firing between."""
    heads: array[int] = msgspec.field(default_factory=lambda: array("I"))
    """By number: where in `followers` those of a marking begin; one more at the end."""
    followers: array[int] = msgspec.field(default_factory=lambda: array("I"))
    """Numbers of the markings that can follow at once, each once."""
    fired: bytearray = msgspec.field(default_factory=bytearray)
    """By firing: 1 where some marking allows it."""
    clash: Clash | None = None
    """The first."""
    stuck: int | None = None
    """The first marking from which nothing can happen although tokens are left."""
    complete: bool = True
    """False where the budget was used up before everything was seen."""

    @property
    def states(self) -> int:
        """How many markings were found."""
        return len(self.numbers)

    @property
    def arcs(self) -> int:
        """How many pairs there are of a marking and one that can follow it at once."""
        return len(self.followers)

    def is_final(self, marking: int) -> bool:
        """Tell whether nothing is left to be done."""
        return not marking & ~self.net.ends

    def run_to(self, marking: int) -> list[Step]:
        """Return the steps of the first run that was found to a marking."""
        found: list[tuple[Step, ...]] = []
        number = self.numbers[marking]
        while number:
            found.append(self.net.firings[self.firing[number]].steps)
            number = self.before[number]
        return [step for steps in reversed(found) for step in steps]

    def alive(self) -> set[str]:
        """Return the nodes that have acted in some run."""
        firings = zip(self.net.firings, self.fired, strict=True)
        return {name for firing, fired in firings if fired for name in firing.nodes()}

    def endless(self) -> int | None:
        """Return the first marking from which no run can end; None where there is none.

        Only of use where the exploration is complete.
        """
        ends = bytearray(self.is_final(marking) for marking in self.numbers)
        left = self.unable(ends)
        return next(m for m, number in self.numbers.items() if number == left[-1]) if left else None

    def unable(self, ends: bytearray) -> list[int]:
        """Return the numbers of the markings from which none of some can be reached, last first.

        `ends` has a 1 for each of these, and is changed. Most markings lie before those that
        follow them: going through them from the last on settles all but loops at once.
        """
        heads, followers = self.heads, self.followers
        left = [number for number in range(len(ends) - 1, -1, -1) if not ends[number]]
        while True:
            still = []
            for number in left:
                for follower in followers[heads[number] : heads[number + 1]]:
                    if ends[follower]:
                        ends[number] = 1
                        break
                else:
                    still.append(number)
            if len(still) == len(left):
                return left
            left = still


class _Move(NamedTuple):
    """A firing, and what it changes for others."""

    number: int
    pre: int
    gain: int
    """Places on which a token would be one too many."""
    flip: int
    """The marking before, exclusive or the one after."""
    heirs: list[_Move]
    """Firings that take a token which this one puts."""


def explore(net: Net, max_states: int) -> Explored:
    """Visit markings breadth first, at most `max_states`; a marking with a clash is no other."""
    moves = _moves(net)
    # Firings that change the same lead to the same marking, which counts once.
    twins = len({move.flip for move in moves}) < len(moves)
    found = Explored(net, {net.start: 0})
    found.fired = bytearray(len(moves))
    numbers, before, by = found.numbers, found.before, found.firing
    heads, followers, fired = found.heads, found.followers, found.fired
    before.append(0)
    by.append(0)
    first = [move for move in moves if net.start & move.pre == move.pre]
    queue = deque([(net.start, first)])
    for own in count():
        if not queue:
            break
        marking, able = queue.popleft()
        heads.append(len(followers))
        if not able and found.stuck is None and not found.is_final(marking):
            found.stuck = marking
        done: set[int] = set()
        for number, _, gain, flip, heirs in able:
            fired[number] = 1
            if marking & gain:
                found.clash = found.clash or Clash(marking, number, marking & gain)
                continue
            if twins:
                if flip in done:
                    continue
                done.add(flip)
            follower = marking ^ flip
            known = numbers.get(follower)
            if known is None:
                if len(numbers) >= max_states:
                    found.complete = False
                    continue
                known = numbers[follower] = len(numbers)
                before.append(own)
                by.append(number)
                still = [move for move in able if follower & move.pre == move.pre]
                still += [heir for heir in heirs if follower & heir.pre == heir.pre]
                queue.append((follower, still))
            followers.append(known)
    heads.append(len(followers))
    return found


def _moves(net: Net) -> list[_Move]:
    moves = [
        _Move(number, firing.pre, firing.post & ~firing.pre, firing.pre ^ firing.post, [])
        for number, firing in enumerate(net.firings)
    ]
    takers: dict[int, list[_Move]] = defaultdict(list)
    for move in moves:
        for place in bits(move.pre):
            takers[place].append(move)
    for move in moves:
        heirs = {heir.number: heir for place in bits(move.gain) for heir in takers[place]}
        move.heirs.extend(heirs.values())
    return moves
