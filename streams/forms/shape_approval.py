"""The shape of approvals."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from streams.domain.net.approval import OUTCOMES
from streams.forms.shape_base import Duration, Shape
from streams.forms.shape_repeat import RepeatedShape


class EscalationShape(Shape):
    """One of `escalation:` of an approval."""

    after: Duration = 0
    assignee: Any = None
    candidate_users: Any = None
    candidate_groups: Any = None
    notify: Any = Field(default_factory=list)


class ApprovalShape(RepeatedShape):
    """`type: approval`; values may be expressions, so that they are checked when they are known."""

    type: Literal["approval"]
    assignee: Any = ""
    candidate_users: Any = Field(default_factory=list)
    candidate_groups: Any = Field(default_factory=list)
    title: Any = ""
    description: Any = ""
    priority: Any = 50
    due: Any = None
    escalation: list[EscalationShape] = Field(default_factory=list)
    input: Any = Field(default_factory=dict)
    documents: Any = Field(default_factory=list)
    form: Any = None
    outcomes: list[str] = Field(default_factory=lambda: list(OUTCOMES), max_length=20)
    result_path: str = ""
    output: dict[str, Any] = Field(default_factory=dict)
    compensate_with: str = ""

    @field_validator("outcomes", mode="before")
    @classmethod
    def _texts(cls, given: Any) -> Any:
        if isinstance(given, list) and any(isinstance(one, bool) for one in given):
            raise ValueError('YAML takes yes and no for true and false: write "yes" and "no"')
        return given

    @field_validator("escalation", mode="before")
    @classmethod
    def _several(cls, given: Any) -> Any:
        return [given] if isinstance(given, dict) else given
