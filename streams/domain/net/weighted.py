"""A Petri net in general: any number of tokens on a place, and arcs with a weight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from streams.domain.net.petri import Net, bits


class Transition(NamedTuple):
    """What takes tokens from places and puts tokens on places; by the place's index."""

    name: str
    pre: Mapping[int, int]
    post: Mapping[int, int]


class WeightedNet(NamedTuple):
    """Places and transitions, and the tokens to begin with."""

    places: tuple[str, ...]
    transitions: tuple[Transition, ...]
    start: tuple[int, ...]
    """Tokens by place."""


class NotPlainError(Exception):
    """A net with what a place/transition net cannot say; the message names a node."""


def weighted(net: Net) -> WeightedNet:
    """Return the net of a definition in the general form: a transition for each firing.

    Raises:
        NotPlainError: a node needs places empty, happens before all else, or takes every token.
    """
    for firing in net.firings:
        if not firing.is_plain:
            raise NotPlainError(firing.steps[0].node)
    return underlying(net)


def underlying(net: Net) -> WeightedNet:
    """Return the net without what `weighted` refuses: it can do more than the net itself."""
    transitions = tuple(
        Transition(" → ".join(map(str, firing.steps)), _ones(firing.pre), _ones(firing.post))
        for firing in net.firings
    )
    places = range(len(net.places))
    return WeightedNet(net.places, transitions, tuple(net.start >> place & 1 for place in places))


def _ones(marking: int) -> dict[int, int]:
    return {place.bit_length() - 1: 1 for place in bits(marking)}
