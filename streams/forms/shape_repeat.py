"""The shapes of what is run several times: `each:` and `loop:`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from streams.domain.net.repeat import WINDOW_MAX
from streams.forms.lock import Lock
from streams.forms.shape_base import NodeShape, Shape


def _bare(given: Any) -> Any:
    """Take the `${…}` off a condition."""
    if isinstance(given, bool):
        return "true" if given else "false"
    if not isinstance(given, str):
        return given
    text = given.strip()
    whole = text.startswith("${") and text.endswith("}") and text.count("${") == 1
    return text[2:-1].strip() if whole else text


def _into(given: Any) -> Any:
    return {"into": given} if isinstance(given, str) else given


Condition = Annotated[str, BeforeValidator(_bare)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]


class CollectShape(Shape):
    """`collect:` of `each`; the name alone collects every result."""

    into: str = Field(min_length=1)
    value: Any = "${output}"


class EachShape(Shape):
    """`each:`; a list or an expression alone are the items."""

    items: Any = None
    count: Any = None
    as_: Name = Field(default="item", alias="as")
    index: Name = "index"
    mode: Literal["parallel", "sequential"] = "parallel"
    max_parallel: int | None = Field(default=None, ge=1, le=WINDOW_MAX)
    until: Condition = ""
    collect: Annotated[CollectShape | None, BeforeValidator(_into)] = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, given: Any) -> Any:
        return {"items": given} if isinstance(given, str | list) else given

    @model_validator(mode="after")
    def _one_source(self) -> EachShape:
        if (self.items is None) == (self.count is None):
            raise ValueError("one of items and count is needed: a list, or a number of times")
        if self.mode == "sequential" and self.max_parallel is not None:
            raise ValueError("max_parallel belongs to the mode parallel")
        return self


class LoopShape(Shape):
    """`loop:`: `while` is tested before each run, `until` after it."""

    while_: Condition = Field(default="", alias="while")
    until: Condition = ""
    max: int | None = Field(default=None, ge=1, le=2**31 - 1)
    index: Name = "index"

    @model_validator(mode="after")
    def _bounded(self) -> LoopShape:
        if self.while_ and self.until:
            raise ValueError("a loop has while (tested before) or until (tested after), not both")
        if not (self.while_ or self.until or self.max):
            raise ValueError("a loop needs while, until or max: it would never end")
        return self


class RepeatedShape(NodeShape):
    """A node that may be run several times, and hold a lock."""

    lock: Lock = None
    each: EachShape | None = None
    loop: LoopShape | None = None

    @model_validator(mode="after")
    def _one_way(self) -> RepeatedShape:
        if self.each is not None and self.loop is not None:
            raise ValueError("a node has each or loop, not both: put one of them on a scope around")
        return self
