"""The shapes of events: what waits, what throws, and what stands on an edge."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from streams.forms.shape_base import Duration, NodeShape
from streams.forms.shape_device import DeviceKeys, check_device


class TimerShape(NodeShape):
    """`type: timer`; values may be expressions, so that they are checked when they are known."""

    type: Literal["timer"]
    duration: Any = None
    date: Any = None
    output: dict[str, Any] = Field(default_factory=dict)


class EventGatewayShape(NodeShape):
    """`type: event_gateway`."""

    type: Literal["event_gateway"]


class ChannelShape(NodeShape):
    """What catches or throws: one of `message` and `signal` is its name."""

    message: str | None = Field(default=None, min_length=1)
    signal: str | None = Field(default=None, min_length=1)
    key: Any = ""

    @model_validator(mode="after")
    def _one_name(self) -> ChannelShape:
        device = getattr(self, "device", None)
        if sum(one is not None for one in (self.message, self.signal, device)) != 1:
            what = (
                "message, signal and device"
                if isinstance(self, CatchShape)
                else ("message and signal")
            )
            raise ValueError(f"one of {what} is needed")
        if self.signal is not None and self.key != "":
            raise ValueError("a signal goes to all: it has no key")
        return self


class CatchShape(ChannelShape, DeviceKeys):
    """`type: catch`; it may wait for a device, too."""

    type: Literal["catch"]
    result_path: str = ""
    output: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _of_a_device(self) -> CatchShape:
        check_device(self)
        return self


class ThrowShape(ChannelShape):
    """`type: throw`."""

    type: Literal["throw"]
    payload: Any = None
    ttl: Duration = 3_600_000


class BoundaryShape(NodeShape, DeviceKeys):
    """`type: boundary`: `duration`, `date`, `error`, `message`, `signal` or `device` says when."""

    type: Literal["boundary"]
    host: str = Field(min_length=1)
    interrupting: bool = True
    duration: Any = None
    date: Any = None
    error: str | None = None
    message: str | None = Field(default=None, min_length=1)
    signal: str | None = Field(default=None, min_length=1)
    key: Any = ""
    fallback: bool = False
    output: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_trigger(self) -> BoundaryShape:
        triggers = (self.duration, self.date, self.error, self.message, self.signal, self.device)
        if sum(one is not None for one in triggers) != 1:
            raise ValueError(
                "a boundary event has one of duration, date, error, message, signal, device"
            )
        check_device(self)
        if self.error is not None and not self.interrupting:
            raise ValueError("an error always interrupts: leave out `interrupting`")
        if self.error is None and self.fallback:
            raise ValueError("a fallback is a way out for errors: it needs `error`")
        return self
