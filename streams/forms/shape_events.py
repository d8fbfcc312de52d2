"""The shapes of events: what waits, what throws, and what stands on an edge."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from streams.domain.net.timing import MOMENTS
from streams.forms.shape_base import Duration, NodeShape
from streams.forms.shape_device import DeviceKeys, check_device, ways_of


class MomentShape(NodeShape):
    """When a timer is due; values may be expressions: they are checked when they are known."""

    duration: Any = None
    date: Any = None
    cycle: Any = None
    cron: Any = None
    zone: Any = None

    def has_timer(self) -> bool:
        """Tell whether one of them is given."""
        return any(getattr(self, word) is not None for word in MOMENTS)


class TimerShape(MomentShape):
    """`type: timer`."""

    type: Literal["timer"]
    output: dict[str, Any] = Field(default_factory=dict)


class EventGatewayShape(NodeShape):
    """`type: event_gateway`."""

    type: Literal["event_gateway"]


class ChannelShape(NodeShape):
    """What catches or throws: one of `message` and `signal` is its name."""

    ways: ClassVar[tuple[str, ...]] = ("message", "signal")
    """Keys of which one says what it is."""

    message: str | None = Field(default=None, min_length=1)
    signal: str | None = Field(default=None, min_length=1)
    key: Any = ""

    @model_validator(mode="after")
    def _one_name(self) -> ChannelShape:
        if ways_of(self, self.ways) != 1:
            raise ValueError(f"one of {', '.join(self.ways[:-1])} and {self.ways[-1]} is needed")
        if self.signal is not None and self.key != "":
            raise ValueError("a signal goes to all: it has no key")
        if self.message is None and self.key != "":
            raise ValueError("only a message has a key")
        return self


class CatchShape(ChannelShape, DeviceKeys):
    """`type: catch`; it may wait for a device, too."""

    ways: ClassVar[tuple[str, ...]] = ("message", "signal", "condition", "device")

    type: Literal["catch"]
    condition: str | None = None
    result_path: str = ""
    output: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _of_a_device(self) -> CatchShape:
        check_device(self)
        return self


class ThrowShape(ChannelShape):
    """`type: throw`: a message, a signal, an escalation, or `compensate`: a node, `*` for all."""

    ways: ClassVar[tuple[str, ...]] = ("message", "signal", "compensate", "escalation")

    type: Literal["throw"]
    compensate: str | None = Field(default=None, min_length=1)
    escalation: str | None = Field(default=None, min_length=1, max_length=128)
    payload: Any = None
    ttl: Duration = 3_600_000

    @model_validator(mode="after")
    def _only_compensates(self) -> ThrowShape:
        others = self.model_fields_set & {"payload", "ttl"}
        if self.compensate is not None and others:
            raise ValueError(f"compensate sends nothing: leave out {', '.join(sorted(others))}")
        return self


class BoundaryShape(MomentShape, DeviceKeys):
    """`type: boundary`: one key says when, of a moment, an error, a message, a device."""

    type: Literal["boundary"]
    host: str = Field(min_length=1)
    interrupting: bool = True
    missed: Literal["once", "each"] = "once"
    error: str | None = None
    message: str | None = Field(default=None, min_length=1)
    signal: str | None = Field(default=None, min_length=1)
    condition: str | None = None
    escalation: str | None = None
    key: Any = ""
    fallback: bool = False
    output: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_trigger(self) -> BoundaryShape:
        ways = (*MOMENTS, "error", "message", "signal", "condition", "escalation", "device")
        if ways_of(self, ways) != 1:
            raise ValueError(f"a boundary event has one of {', '.join(ways)}")
        check_device(self)
        if self.zone is not None and not self.has_timer():
            raise ValueError("a zone belongs to a timer: duration, date, cycle or cron")
        if self.missed == "each" and (
            self.interrupting or (self.cycle is None and self.cron is None)
        ):
            raise ValueError("`missed: each` belongs to a cycle or cron that does not interrupt")
        if self.error is not None and not self.interrupting:
            raise ValueError("an error always interrupts: leave out `interrupting`")
        if self.error is None and self.fallback:
            raise ValueError("a fallback is a way out for errors: it needs `error`")
        return self
