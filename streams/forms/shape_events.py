"""The shapes of events: what waits, what throws, and what stands on an edge."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from streams.forms.shape_base import Duration, NodeShape


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
        if getattr(self, "compensate", None) is not None:
            return self._only_compensates()
        if (self.message is None) == (self.signal is None):
            raise ValueError("one of message and signal is needed")
        if self.signal is not None and self.key != "":
            raise ValueError("a signal goes to all: it has no key")
        return self

    def _only_compensates(self) -> ChannelShape:
        others = self.model_fields_set & {"message", "signal", "key", "payload", "ttl"}
        if others:
            raise ValueError(f"compensate stands alone: leave out {', '.join(sorted(others))}")
        return self


class CatchShape(ChannelShape):
    """`type: catch`."""

    type: Literal["catch"]
    result_path: str = ""
    output: dict[str, Any] = Field(default_factory=dict)


class ThrowShape(ChannelShape):
    """`type: throw`: a message, a signal, or `compensate`: a node, or `*` for all."""

    type: Literal["throw"]
    compensate: str | None = Field(default=None, min_length=1)
    payload: Any = None
    ttl: Duration = 3_600_000


class BoundaryShape(NodeShape):
    """`type: boundary`: `duration`, `date`, `error`, `message` or `signal` says when."""

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
        triggers = (self.duration, self.date, self.error, self.message, self.signal)
        if sum(one is not None for one in triggers) != 1:
            raise ValueError("a boundary event has one of duration, date, error, message, signal")
        if self.error is not None and not self.interrupting:
            raise ValueError("an error always interrupts: leave out `interrupting`")
        if self.error is None and self.fallback:
            raise ValueError("a fallback is a way out for errors: it needs `error`")
        return self
