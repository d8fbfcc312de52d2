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
    seen: int
    """Places that it looks at: it is able where exactly those of `pre` among them have a token."""
    gain: int
    """Places on which a token would be one too many."""
    flip: int
    """The marking before, exclusive or the one after."""
    clears: int
    """Places that it empties whatever is there; all bits where it takes every other token."""
    heirs: list[_Move]
    """Firings that it may make able."""
    urgent: bool


def explore(net: Net, max_states: int) -> Explored:
    """Visit markings breadth first, at most `max_states`; a marking with a clash is no other."""
    moves = _moves(net)
    hurry = any(move.urgent for move in moves)
    # Firings that change the same lead to the same marking, which counts once.
    twins = len({move.flip for move in moves}) < len(moves) or any(move.clears for move in moves)
    found = Explored(net, {net.start: 0})
    found.fired = bytearray(len(net.firings))
    numbers, before, by = found.numbers, found.before, found.firing
    heads, followers, fired = found.heads, found.followers, found.fired
    before.append(0)
    by.append(0)
    queue = deque([(net.start, [move for move in moves if net.start & move.seen == move.pre])])
    for own in count():
        if not queue:
            break
        marking, able = queue.popleft()
        heads.append(len(followers))
        if not able and found.stuck is None and not found.is_final(marking):
            found.stuck = marking
        done: set[int] = set()
        for number, _, _, gain, flip, clears, heirs, _ in _first(able) if hurry else able:
            fired[number] = 1
            if marking & gain & ~clears:
                found.clash = found.clash or Clash(marking, number, marking & gain)
                continue
            follower = marking & ~clears ^ flip if clears else marking ^ flip
            if twins:
                if follower in done:
                    continue
                done.add(follower)
            known = numbers.get(follower)
            if known is None:
                if len(numbers) >= max_states:
                    found.complete = False
                    continue
                known = numbers[follower] = len(numbers)
                before.append(own)
                by.append(number)
                still = [] if clears else [one for one in able if follower & one.seen == one.pre]
                still += [heir for heir in heirs if follower & heir.seen == heir.pre]
                queue.append((follower, still))
            followers.append(known)
    heads.append(len(followers))
    return found


def _first(able: list[_Move]) -> list[_Move]:
    """Return those that happen before all others, where there are any; else all."""
    return [move for move in able if move.urgent] or able


def _moves(net: Net) -> list[_Move]:
    moves = [_move(number, firing) for number, firing in enumerate(net.firings)]
    moves = [move for move in moves if not move.pre & net.firings[move.number].absent]
    takers: dict[int, list[_Move]] = defaultdict(list)
    watchers: dict[int, list[_Move]] = defaultdict(list)
    for move in moves:
        for place in bits(move.pre):
            takers[place].append(move)
        for place in bits(move.seen & ~move.pre):
            watchers[place].append(move)
    for move in moves:
        if move.clears:
            move.heirs.extend(moves)
            continue
        lost = move.pre & ~net.firings[move.number].post
        heirs = {heir.number: heir for place in bits(move.gain) for heir in takers[place]}
        heirs |= {heir.number: heir for place in bits(lost) for heir in watchers[place]}
        move.heirs.extend(heirs.values())
    return moves


def _move(number: int, firing: Firing) -> _Move:
    pre, post = firing.pre, firing.post
    seen, gain = pre | firing.absent, post & ~pre
    clears = -1 if firing.clears else firing.resets
    return _Move(number, pre, seen, gain, pre & ~clears ^ post, clears, [], firing.urgent)
