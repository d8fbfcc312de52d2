"""What is run several times, from its shape to the model and back."""

from __future__ import annotations

from typing import Any

from streams.domain.net.expression import Expression
from streams.domain.net.repeat import WINDOW, Collect, Each, Loop, Repeat
from streams.forms.shape_base import NodeShape
from streams.forms.shape_repeat import EachShape, LoopShape, RepeatedShape
from streams.forms.write_parts import given, source


def repeat_of(shape: NodeShape) -> Repeat | None:
    """Return how often a node is run; None for once."""
    if not isinstance(shape, RepeatedShape):
        return None
    if shape.each is not None:
        return _each(shape.each)
    return None if shape.loop is None else _loop(shape.loop)


def _each(shape: EachShape) -> Each:
    taken = shape.collect
    return Each(
        None if shape.items is None else Expression(shape.items),
        None if shape.count is None else Expression(shape.count),
        shape.as_,
        shape.index,
        shape.mode == "sequential",
        shape.max_parallel or WINDOW,
        shape.until,
        None if taken is None else Collect(taken.into, Expression(taken.value)),
    )


def _loop(shape: LoopShape) -> Loop:
    return Loop(shape.while_, shape.until, shape.max or 0, shape.index)


def plain_repeat(repeat: Repeat | None) -> dict[str, Any]:
    """Return `each:` or `loop:` as it is written."""
    if repeat is None:
        return {}
    index = repeat.index if repeat.index != "index" else None
    if isinstance(repeat, Loop):
        tests = {"while": _condition(repeat.condition), "until": _condition(repeat.until)}
        return {"loop": given(**tests, max=repeat.max or None, index=index)}
    taken = repeat.collect
    fields = given(
        items=source(repeat.items),
        count=source(repeat.count),
        index=index,
        mode="sequential" if repeat.sequential else None,
        max_parallel=repeat.max_parallel if repeat.max_parallel != WINDOW else None,
        until=_condition(repeat.until),
        collect=taken and {"into": taken.into, "value": taken.value.source},
    )
    if repeat.items is not None:
        fields["items"] = repeat.items.source  # An empty list is a list, too.
    return {"each": fields | ({"as": repeat.item} if repeat.item != "item" else {})}


def _condition(text: str) -> str:
    return f"${{{text}}}" if text else ""
