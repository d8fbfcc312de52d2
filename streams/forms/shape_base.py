"""What the shapes of a definition's parts have in common."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from streams.domain.expressions.moments import duration_ms

VARIABLE_TYPES = ("number", "integer", "string", "boolean", "list", "map", "any")
Duration = Annotated[int, BeforeValidator(duration_ms)]
"""Milliseconds, written as ISO 8601 or as seconds."""


class Shape(BaseModel):
    """Base: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @classmethod
    def written_keys(cls) -> set[str]:
        """Return what an author may write."""
        return {field.alias or name for name, field in cls.model_fields.items()}


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


class VariableShape(Shape):
    """One of `variables:`."""

    type: Literal["number", "integer", "string", "boolean", "list", "map", "any"] = "any"
    default: Any = None
    schema_: Any = Field(default=None, alias="schema")
    """Of another name here: `schema` is pydantic's own."""
    merge: Literal["last_writer", "counter", "add_wins_set"] = "last_writer"
