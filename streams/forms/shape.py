"""The shape of a definition's source, after the short and the seed's spellings are unfolded."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from streams.domain.expressions.moments import duration_ms
from streams.domain.net.model import Version

VARIABLE_TYPES = ("number", "integer", "string", "boolean", "list", "map", "any")
Duration = Annotated[int, BeforeValidator(duration_ms)]
"""Milliseconds, written as ISO 8601 or as seconds."""


class Shape(BaseModel):
    """Base: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", strict=True)


class RetryShape(Shape):
    """`retry:` of a node or of the whole definition."""

    max_attempts: int = Field(default=0, ge=0, le=1_000_000)
    initial_delay: Duration = 0
    backoff_factor: float = Field(default=1.0, ge=1.0, le=1000.0, strict=False)
    max_delay: Duration = 3_600_000


class RecoveryShape(Shape):
    """`on_failure:` of an activity, a call or the whole definition; a fallback is a node by now."""

    strategy: Literal["", "fail_workflow", "skip", "manual_intervention", "compensate"] = ""
    notification_recipients: list[Annotated[str, Field(min_length=1, max_length=320)]] = Field(
        default_factory=list, max_length=100
    )
    compensation_activity: str = ""

    @model_validator(mode="after")
    def _belonging(self) -> RecoveryShape:
        if not self.strategy and self.notification_recipients:
            self.strategy = "manual_intervention"
        if not self.strategy:
            self.strategy = "compensate" if self.compensation_activity else "fail_workflow"
        if self.notification_recipients and self.strategy != "manual_intervention":
            raise ValueError("notification_recipients belong to the strategy manual_intervention")
        if self.compensation_activity and self.strategy != "compensate":
            raise ValueError("a compensation_activity belongs to the strategy compensate")
        if self.strategy == "compensate" and not self.compensation_activity:
            raise ValueError("compensate needs a compensation_activity: the node that undoes it")
        return self


class NodeShape(Shape):
    """What every node has."""

    name: str = ""
    metadata: dict[str, Any] = Field(default_factory=dict)
    scope: str = ""


class StartShape(NodeShape):
    """`type: start`."""

    type: Literal["start"]


class FailureShape(Shape):
    """`error:` of an end."""

    code: str = Field(min_length=1, max_length=128)
    message: str = ""


class EndShape(NodeShape):
    """`type: end`."""

    type: Literal["end"]
    error: FailureShape | None = None
    terminate: bool = False

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


class ActivityShape(NodeShape):
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


class TimerShape(NodeShape):
    """`type: timer`; values may be expressions, so that they are checked when they are known."""

    type: Literal["timer"]
    duration: Any = None
    date: Any = None
    output: dict[str, Any] = Field(default_factory=dict)


class CallShape(NodeShape):
    """`type: call`."""

    type: Literal["call"]
    definition: str = Field(min_length=1, max_length=128)
    version: str = ""
    input: dict[str, Any] = Field(default_factory=dict)
    result_path: str = ""
    output: dict[str, Any] = Field(default_factory=dict)
    placement: Literal["together", "spread"] = "together"
    on_failure: RecoveryShape | None = None


class VariableShape(Shape):
    """One of `variables:`."""

    type: Literal["number", "integer", "string", "boolean", "list", "map", "any"] = "any"
    default: Any = None


class ScopeShape(NodeShape):
    """`type: scope`; its nodes and flows are unfolded into the definition's."""

    type: Literal["scope"]
    variables: dict[str, VariableShape] = Field(default_factory=dict)
    input: dict[str, Any] = Field(default_factory=dict)
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


AnyNode = Annotated[
    StartShape
    | EndShape
    | ExclusiveShape
    | ParallelShape
    | InclusiveShape
    | JoinShape
    | ActivityShape
    | TimerShape
    | CallShape
    | ScopeShape
    | EventGatewayShape
    | BoundaryShape
    | CatchShape
    | ThrowShape,
    Field(discriminator="type"),
]
KINDS: dict[str, type[BaseModel]] = {
    "start": StartShape,
    "end": EndShape,
    "exclusive": ExclusiveShape,
    "parallel": ParallelShape,
    "inclusive": InclusiveShape,
    "join": JoinShape,
    "activity": ActivityShape,
    "timer": TimerShape,
    "call": CallShape,
    "scope": ScopeShape,
    "event_gateway": EventGatewayShape,
    "boundary": BoundaryShape,
    "catch": CatchShape,
    "throw": ThrowShape,
}


class FlowShape(Shape):
    """One of `flows:`."""

    id: str = ""
    source: str
    target: str
    condition: str = ""
    weight: int = Field(default=1, ge=0, le=2**32 - 1)
    default: bool = False


class PropertyShape(Shape):
    """One of `properties:`: `never` with `before` or `after`, or `after` with `always`."""

    never: str = ""
    before: str = ""
    after: str = ""
    always: str = ""

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        forms = ({"never", "before"}, {"never", "after"}, {"after", "always"})
        if self.model_fields_set not in forms:
            raise ValueError(
                "a property is {never: A, before: B}, {never: A, after: B} or {after: A, always: B}"
            )
        return self


class DefinitionShape(Shape):
    """The whole."""

    id: str = Field(min_length=1, max_length=128)
    version: str
    name: str = ""
    metadata: dict[str, Any] = Field(default_factory=dict)
    variables: dict[str, VariableShape] = Field(default_factory=dict)
    retry: RetryShape = Field(default_factory=RetryShape)
    on_failure: RecoveryShape | None = None
    result: dict[str, Any] = Field(default_factory=dict)
    nodes: dict[str, AnyNode] = Field(min_length=1)
    flows: list[FlowShape] = Field(default_factory=list)
    properties: list[PropertyShape] = Field(default_factory=list)

    @field_validator("on_failure")
    @classmethod
    def _for_all(cls, shape: RecoveryShape | None) -> RecoveryShape | None:
        if shape is not None and shape.compensation_activity:
            raise ValueError("a compensation undoes one node: write it at that node")
        return shape

    @field_validator("version")
    @classmethod
    def _semantic(cls, text: str) -> str:
        parse_version(text)
        return text


def parse_version(text: str) -> Version:
    """Read `major.minor.patch`; `ValueError`."""
    parts = text.split(".")
    if len(parts) != 3 or not all(p.isascii() and p.isdigit() and len(p) < 10 for p in parts):
        raise ValueError(f"{text!r} is no semantic version: write major.minor.patch, as 1.0.0")
    return Version(*(int(part) for part in parts))
