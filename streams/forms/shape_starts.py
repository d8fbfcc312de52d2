"""The shape of starts: what begins a workflow, or an event sub-process."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from streams.domain.channel.publish import NAME_LENGTH_MAX
from streams.domain.net.timing import MOMENTS
from streams.forms.shape_device import DeviceKeys, check_device, ways_of
from streams.forms.shape_events import MomentShape


class StartShape(MomentShape, DeviceKeys):
    """`type: start`; a message, a signal, a device or a moment starts the workflow by itself.

    Of an event sub-process an error, an escalation or a condition may, too.
    """

    type: Literal["start"]
    message: str | None = Field(default=None, min_length=1, max_length=NAME_LENGTH_MAX)
    signal: str | None = Field(default=None, min_length=1, max_length=NAME_LENGTH_MAX)
    error: str | None = Field(default=None, max_length=128)
    escalation: str | None = Field(default=None, max_length=128)
    condition: str | None = None
    key: Any = ""
    interrupting: bool = True
    missed: Literal["once", "each", "skip"] = "once"
    single: bool = False
    result_path: str = ""
    output: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _no_key(cls, given: Any) -> Any:
        if isinstance(given, dict) and "key" in given and not given.get("scope"):
            raise ValueError("a start takes the messages of its name with any key: leave out `key`")
        return given

    @model_validator(mode="after")
    def _at_most_one_trigger(self) -> StartShape:
        ways = ("message", "signal", "error", "escalation", "condition", "device", *MOMENTS)
        triggers = ways_of(self, ways)
        if triggers > 1:
            raise ValueError(f"a start has one of {', '.join(ways)}: write a start for each")
        check_device(self)
        if not self.has_timer() and (self.zone is not None or self.missed != "once"):
            raise ValueError("`zone` and `missed` belong to a timer")
        if self.message is None and self.key != "":
            raise ValueError("only a message has a key")
        if self.message is None and self.single:
            raise ValueError("`single` belongs to a message: one instance at a time for each key")
        if self.error is not None and not self.interrupting:
            raise ValueError("an error always interrupts: leave out `interrupting`")
        if not triggers and (self.result_path or self.output):
            raise ValueError("a start that nothing triggers has no payload: it has no output")
        return self
