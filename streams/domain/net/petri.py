"""Petri nets whose places hold at most one token.

Markings are integers, a bit for each place, since a place with two tokens is already a fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


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
    """Happens at once, before anything else: no token can come in between.

    Where several can happen, each is a successor, and nothing else is.
    """
    clears: bool = False
    """Takes every other token with it, as an end does that throws or terminates."""
    resets: int = 0
    """Places that it empties besides, whatever is there: what ends with a part of the net."""

    def enabled(self, marking: int) -> bool:
        """Tell whether it can be fired in a marking."""
        return marking & self.pre == self.pre and not marking & self.absent

    @property
    def is_plain(self) -> bool:
        """Tell whether it only takes and puts tokens, as a place/transition net has it."""
        return not (self.absent or self.urgent or self.clears or self.resets)

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
