"""The combined wait: a tree of events, and what can be said of it when some of them have come.

Its leaves have numbers, from 1 in the author's order. What a wait still waits for, and whether it
is over, follows from the numbers of those that came: a wait keeps no other progress.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import TYPE_CHECKING, Final

import msgspec

from streams.domain.net.condition import ConditionTrigger
from streams.domain.net.device import DeviceTrigger
from streams.domain.net.expression import Expression

if TYPE_CHECKING:  # The triggers stand in the module that lists this kind among all.
    from streams.domain.net.model import MessageTrigger, SignalTrigger, TimerTrigger

LEAVES_MAX: Final = 16
DEPTH_MAX: Final = 4
OPEN, MET, LOST = "open", "met", "lost"
Path = tuple[str | int, ...]


class Leaf(msgspec.Struct, frozen=True, gc=False, tag="leaf"):
    """One event: what comes is seen by its name."""

    number: int
    name: str
    trigger: MessageTrigger | SignalTrigger | TimerTrigger | ConditionTrigger | DeviceTrigger


class AllOf(msgspec.Struct, frozen=True, gc=False, tag="all"):
    """Met when each part is met, in any order; lost with the first that is lost."""

    parts: list[Part]


class AnyOf(msgspec.Struct, frozen=True, gc=False, tag="any"):
    """Met with the first part that is met; lost when all are."""

    parts: list[Part]


class InSequence(msgspec.Struct, frozen=True, gc=False, tag="sequence"):
    """Met when each part is met, one after the other: each begins when the former is met."""

    parts: list[Part]


class NotWithin(msgspec.Struct, frozen=True, gc=False, tag="not"):
    """Met when a part is not met within a time, or cannot be met any more; lost when it is."""

    part: Part
    deadline: Leaf


Part = Leaf | AllOf | AnyOf | InSequence | NotWithin


class Wait(msgspec.Struct, frozen=True, gc=False, tag="wait"):
    """An intermediate event that combines others, as one way through the node."""

    whole: Part
    result_path: str = ""
    """Variable (dotted path) that takes the payloads by name; empty for none."""
    output: dict[str, Expression] = {}
    """Output mapping; it sees the payloads by name as `output`, and `met`."""


def status_of(part: Part, came: Container[int]) -> str:
    """Return whether a part is open, met or lost when those events have come."""
    if isinstance(part, Leaf):
        return MET if part.number in came else OPEN
    if isinstance(part, NotWithin):
        inner = status_of(part.part, came)
        if inner == OPEN:
            return MET if part.deadline.number in came else OPEN
        return LOST if inner == MET else MET
    found = [status_of(one, came) for one in part.parts]
    if isinstance(part, AnyOf):
        return MET if MET in found else OPEN if OPEN in found else LOST
    if isinstance(part, InSequence):
        return next((one for one in found if one != MET), MET)
    return LOST if LOST in found else OPEN if OPEN in found else MET


def wanted(part: Part, came: Container[int]) -> list[Leaf]:
    """Return the events that are waited for when those have come."""
    if status_of(part, came) != OPEN:
        return []
    if isinstance(part, Leaf):
        return [part]
    if isinstance(part, NotWithin):
        return [*wanted(part.part, came), part.deadline]
    if isinstance(part, InSequence):
        return wanted(next(one for one in part.parts if status_of(one, came) == OPEN), came)
    return [leaf for one in part.parts for leaf in wanted(one, came)]


def leaves_of(part: Part) -> Iterator[tuple[Path, Leaf]]:
    """Yield every event of a part with its path in the source, in the author's order."""
    if isinstance(part, Leaf):
        yield (), part
        return
    if isinstance(part, NotWithin):
        yield from ((("not", *path), leaf) for path, leaf in leaves_of(part.part))
        yield ("not", "within"), part.deadline
        return
    word = "all" if isinstance(part, AllOf) else "any" if isinstance(part, AnyOf) else "sequence"
    for number, one in enumerate(part.parts):
        yield from (((word, number, *path), leaf) for path, leaf in leaves_of(one))


def depth_of(part: Part) -> int:
    """Return how deep parts lie in each other."""
    if isinstance(part, Leaf):
        return 0
    inner = [part.part] if isinstance(part, NotWithin) else part.parts
    return 1 + max(map(depth_of, inner), default=0)


def place_of(node: str, number: int) -> str:
    """Return the name under which the values of a wait's event are compiled; no node has it.

    An event that is a node by itself (number 0) has the node's.
    """
    return f"{node}/{number}" if number else node
