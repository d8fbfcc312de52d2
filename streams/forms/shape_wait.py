"""The shape of a combined wait."""

from __future__ import annotations

from typing import Any, Final, Literal, Self

from pydantic import Field, model_validator

from streams.domain.net.timing import MOMENTS
from streams.forms.shape_base import NodeShape, Shape
from streams.forms.shape_device import DeviceKeys, check_device, ways_of

COMBINING: Final = ("all", "any", "sequence", "negated")
SINGLE: Final = ("message", "signal", "condition", "device", "duration", "date", "cycle", "cron")


class PartShape(Shape, DeviceKeys):
    """One part of a wait: an event, or again several together."""

    name: str = ""
    message: str | None = Field(default=None, min_length=1)
    signal: str | None = Field(default=None, min_length=1)
    key: Any = ""
    duration: Any = None
    date: Any = None
    cycle: Any = None
    cron: Any = None
    zone: Any = None
    all: list[PartShape] | None = Field(default=None, min_length=1)
    any: list[PartShape] | None = Field(default=None, min_length=1)
    sequence: list[PartShape] | None = Field(default=None, min_length=1)
    negated: PartShape | None = Field(default=None, alias="not")
    within: Any = None

    @model_validator(mode="before")
    @classmethod
    def _lasting(cls, given: Any) -> Any:
        """Let `for` be short for `hold`."""
        if isinstance(given, dict) and "for" in given and "hold" not in given:
            return {("hold" if key == "for" else key): value for key, value in given.items()}
        return given

    @model_validator(mode="after")
    def _one_event(self) -> Self:
        if ways_of(self, (*SINGLE, *COMBINING)) != 1:
            names = ", ".join((*SINGLE, *COMBINING[:-1], "not"))
            raise ValueError(f"a part of a wait has one of {names}")
        check_device(self)
        ways = [way for way in (*SINGLE, *COMBINING) if getattr(self, way) is not None]
        if self.key != "" and self.message is None:
            raise ValueError("only a message has a key")
        if self.zone is not None and ways[0] not in MOMENTS:
            raise ValueError("a zone belongs to a timer: duration, date, cycle or cron")
        if self.name and ways[0] in COMBINING:
            raise ValueError("only a single event has a name")
        _bounded(self, ways)
        return self


class WaitShape(NodeShape):
    """`type: wait`."""

    type: Literal["wait"]
    all: list[PartShape] | None = Field(default=None, min_length=1)
    any: list[PartShape] | None = Field(default=None, min_length=1)
    sequence: list[PartShape] | None = Field(default=None, min_length=1)
    negated: PartShape | None = Field(default=None, alias="not")
    result_path: str = ""
    output: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_combination(self) -> Self:
        ways = [way for way in COMBINING if getattr(self, way) is not None]
        if len(ways) != 1:
            raise ValueError("a wait has one of all, any, sequence, not")
        _bounded(self, ways)
        return self


def _bounded(shape: PartShape | WaitShape, ways: list[str]) -> None:
    """Let `within` stand where something may not come, and nowhere else."""
    if shape.negated is not None and shape.negated.within is None:
        raise ValueError("`not` needs `within`: the time in which the event does not come")
    inner = [part for way in ways if way in COMBINING[:3] for part in getattr(shape, way)]
    if any(part.within is not None for part in inner):
        raise ValueError("`within` belongs to the event of a `not`")
