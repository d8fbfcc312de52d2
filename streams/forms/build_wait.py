"""A combined wait from its shape, and back to what is written."""

from __future__ import annotations

from itertools import count
from typing import Any

from msgspec.structs import replace

from streams.domain.net.condition import ConditionTrigger
from streams.domain.net.model import (
    Expression,
    MessageTrigger,
    NodeKind,
    SignalTrigger,
    TimerTrigger,
    Wait,
)
from streams.domain.net.wait import AllOf, AnyOf, InSequence, Leaf, NotWithin, Part
from streams.forms.build_kinds import device, kind_of
from streams.forms.build_parts import expressions, optional
from streams.forms.shape_wait import PartShape, WaitShape
from streams.forms.unfold import bare
from streams.forms.write_kinds import trigger, written
from streams.forms.write_parts import given, sources


@kind_of.register
def _(shape: WaitShape) -> NodeKind:
    return Wait(_part(shape, count(1)), shape.result_path, expressions(shape.output))


def _part(shape: PartShape | WaitShape, numbers: count[int]) -> Part:
    """Return a part; its events are numbered in the author's order."""
    if shape.negated is not None:
        part = _part(shape.negated, numbers)
        deadline = TimerTrigger(Expression(shape.negated.within))
        return NotWithin(part, Leaf(next(numbers), "", deadline))
    if shape.all is not None:
        return AllOf([_part(one, numbers) for one in shape.all])
    if shape.any is not None:
        return AnyOf([_part(one, numbers) for one in shape.any])
    if shape.sequence is not None:
        return InSequence([_part(one, numbers) for one in shape.sequence])
    assert isinstance(shape, PartShape)
    return _leaf(shape, next(numbers))


def _leaf(shape: PartShape, number: int) -> Leaf:
    if shape.message is not None:
        waited = MessageTrigger(shape.message, Expression(shape.key))
        return Leaf(number, shape.name or shape.message, waited)
    if shape.signal is not None:
        return Leaf(number, shape.name or shape.signal, SignalTrigger(shape.signal))
    if shape.device is not None:
        what = "silent" if shape.silent is not None else "device"
        found = device(shape)
        name = shape.name or shape.metric or shape.event_type or what
        return Leaf(number, name, replace(found, condition=bare(found.condition)))
    if shape.condition is not None:
        return Leaf(number, shape.name or "condition", ConditionTrigger(bare(shape.condition)))
    timer = TimerTrigger(
        optional(shape.duration),
        optional(shape.date),
        optional(shape.cycle),
        optional(shape.cron),
        optional(shape.zone),
    )
    return Leaf(number, shape.name or "timer", timer)


@written.register
def _(kind: Wait) -> dict[str, Any]:
    mapping = given(result_path=kind.result_path, output=sources(kind.output))
    return {"type": "wait", **_written(kind.whole), **mapping}


def _written(part: Part) -> dict[str, Any]:
    if isinstance(part, Leaf):
        return {"name": part.name, **trigger(part.trigger)}
    if isinstance(part, NotWithin):
        assert isinstance(part.deadline.trigger, TimerTrigger)
        duration = part.deadline.trigger.duration
        assert duration is not None
        return {"not": {**_written(part.part), "within": duration.source}}
    word = "all" if isinstance(part, AllOf) else "any" if isinstance(part, AnyOf) else "sequence"
    return {word: [_written(one) for one in part.parts]}
