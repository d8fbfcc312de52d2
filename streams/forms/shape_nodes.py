"""The shapes of ends, gateways, work and scopes."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from streams.domain.net.version_ranges import bounds_of
from streams.forms.shape_base import (
    Duration,
    NodeShape,
    RecoveryShape,
    RetryShape,
    Shape,
    VariableShape,
)
from streams.forms.shape_repeat import RepeatedShape


class FailureShape(Shape):
    """`error:` of an end."""

    code: str = Field(min_length=1, max_length=128)
    message: str = ""


class EndShape(NodeShape):
    """`type: end`."""

    type: Literal["end"]
    error: FailureShape | None = None
    terminate: bool = False
    escalation: str = Field(default="", max_length=128)

    @field_validator("error", mode="before")
    @classmethod
    def _code(cls, given: Any) -> Any:
        return {"code": given} if isinstance(given, str) else given


class ExclusiveShape(NodeShape):
    """`type: exclusive`."""

    type: Literal["exclusive"]


class ParallelShape(NodeShape):
    """`type: parallel`."""

    type: Literal["parallel"]


class InclusiveShape(NodeShape):
    """`type: inclusive`."""

    type: Literal["inclusive"]


class JoinShape(NodeShape):
    """`type: join`."""

    type: Literal["join"]
    count: int = Field(ge=1)


class ActivityShape(RepeatedShape):
    """`type: activity`."""

    type: Literal["activity"]
    activity_type: str = Field(min_length=1, max_length=128)
    queue: str = Field(default="default", pattern=r"^[A-Za-z0-9._-]{1,100}$")
    input: Any = Field(default_factory=dict)
    reads: list[str] = Field(default_factory=list)
    result_path: str = ""
    output: dict[str, Any] = Field(default_factory=dict)
    schedule_to_start: Duration = 0
    start_to_close: Duration = 0
    heartbeat: Duration = 0
    retry: RetryShape | None = None
    on_failure: RecoveryShape | None = None
    compensate_with: str = ""
    output_schema: Any = None


class CallShape(RepeatedShape):
    """`type: call`."""

    type: Literal["call"]
    definition: str = Field(min_length=1, max_length=128)
    version: str = ""
    input: dict[str, Any] = Field(default_factory=dict)
    result_path: str = ""
    output: dict[str, Any] = Field(default_factory=dict)
    placement: Literal["together", "spread"] = "together"
    retry: RetryShape | None = None
    on_failure: RecoveryShape | None = None
    compensate_with: str = ""

    @field_validator("version")
    @classmethod
    def _range(cls, text: str) -> str:
        bounds_of(text)
        return text


class ScopeShape(RepeatedShape):
    """`type: scope`; its nodes and flows are unfolded into the definition's."""

    type: Literal["scope"]
    variables: dict[str, VariableShape] = Field(default_factory=dict)
    input: dict[str, Any] = Field(default_factory=dict)
    output: dict[str, Any] = Field(default_factory=dict)
    compensate_with: str = ""
    event: bool = False
