"""The shapes of events: what waits, what throws, and what stands on an edge."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from streams.domain.channel.publish import NAME_LENGTH_MAX
from streams.forms.shape_base import Duration, NodeShape


class StartShape(NodeShape):
    """`type: start`; `message` or `signal` says what starts the workflow by itself."""

    type: Literal["start"]
    message: str | None = Field(default=None, min_length=1, max_length=NAME_LENGTH_MAX)
    signal: str | None = Field(default=None, min_length=1, max_length=NAME_LENGTH_MAX)
    result_path: str = ""
    output: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _no_key(cls, given: Any) -> Any:
        if isinstance(given, dict) and "key" in given:
            raise ValueError("a start takes the messages of its name with any key: leave out `key`")
        return given

    @model_validator(mode="after")
    def _at_most_one_trigger(self) -> StartShape:
        triggers = sum(one is not None for one in (self.message, self.signal))
        if triggers > 1:
            raise ValueError("a start has one of message, signal: write a start for each")
        if not triggers and (self.result_path or self.output):
            raise ValueError("a start that nothing triggers has no payload: it has no output")
        return self


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
        if (self.message is None) == (self.signal is None):
            raise ValueError("one of message and signal is needed")
        if self.signal is not None and self.key != "":
            raise ValueError("a signal goes to all: it has no key")
        return self


class CatchShape(ChannelShape):
    """`type: catch`."""

    type: Literal["catch"]
    result_path: str = ""
    output: dict[str, Any] = Field(default_factory=dict)


class ThrowShape(ChannelShape):
    """`type: throw`."""

    type: Literal["throw"]
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
