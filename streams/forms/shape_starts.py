"""The shape of starts: what begins a workflow."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from streams.domain.channel.publish import NAME_LENGTH_MAX
from streams.forms.shape_base import NodeShape


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
