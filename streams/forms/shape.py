"""The shape of a definition's source, after the short and the seed's spellings are unfolded."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from streams.domain.net.model import Version
from streams.forms.shape_approval import ApprovalShape
from streams.forms.shape_base import NodeShape, RecoveryShape, RetryShape, Shape, VariableShape
from streams.forms.shape_events import (
    BoundaryShape,
    CatchShape,
    EventGatewayShape,
    ThrowShape,
    TimerShape,
)
from streams.forms.shape_nodes import (
    ActivityShape,
    CallShape,
    EndShape,
    ExclusiveShape,
    InclusiveShape,
    JoinShape,
    ParallelShape,
    ScopeShape,
)
from streams.forms.shape_starts import StartShape
from streams.forms.shape_wait import WaitShape

AnyNode = Annotated[
    StartShape
    | EndShape
    | ExclusiveShape
    | ParallelShape
    | InclusiveShape
    | JoinShape
    | ActivityShape
    | ApprovalShape
    | TimerShape
    | CallShape
    | ScopeShape
    | EventGatewayShape
    | BoundaryShape
    | CatchShape
    | ThrowShape
    | WaitShape,
    Field(discriminator="type"),
]
KINDS: dict[str, type[NodeShape]] = {
    "start": StartShape,
    "end": EndShape,
    "exclusive": ExclusiveShape,
    "parallel": ParallelShape,
    "inclusive": InclusiveShape,
    "join": JoinShape,
    "activity": ActivityShape,
    "approval": ApprovalShape,
    "timer": TimerShape,
    "call": CallShape,
    "scope": ScopeShape,
    "event_gateway": EventGatewayShape,
    "boundary": BoundaryShape,
    "catch": CatchShape,
    "throw": ThrowShape,
    "wait": WaitShape,
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
    input_schema: Any = None
    result_schema: Any = None

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
