"""Parts of the model that many kinds of nodes have."""

from __future__ import annotations

from typing import Any

from streams.domain.net.merges import LAST_WRITER
from streams.domain.net.model import Expression, Recovery, Retry
from streams.forms.shape_base import RecoveryShape, RetryShape, VariableShape


def variables(shapes: dict[str, VariableShape]) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the types of variables, and the defaults of those that have one."""
    types: dict[str, str] = {name: shape.type for name, shape in shapes.items()}
    return types, {name: s.default for name, s in shapes.items() if s.default is not None}


def schemas(shapes: dict[str, VariableShape]) -> dict[str, Any]:
    """Return the JSON Schemas of variables that have one."""
    return {name: s.schema_ for name, s in shapes.items() if s.schema_ is not None}


def merges(shapes: dict[str, VariableShape]) -> dict[str, str]:
    """Return the merge policies of variables; the last writer needs none."""
    return {name: s.merge for name, s in shapes.items() if s.merge != LAST_WRITER}


def optional(value: Any) -> Expression | None:
    """Return a value that may be left out."""
    return None if value is None else Expression(value)


def expressions(values: dict[str, Any]) -> dict[str, Expression]:
    """Return a mapping."""
    return {name: Expression(value) for name, value in values.items()}


def retry(shape: RetryShape) -> Retry:
    """Return how attempts are repeated."""
    return Retry(
        shape.max_attempts, shape.initial_delay, float(shape.backoff_factor), shape.max_delay
    )


def recovery(shape: RecoveryShape | None) -> Recovery | None:
    """Return what follows a failure."""
    if shape is None:
        return None
    return Recovery(shape.strategy, shape.notification_recipients, shape.compensation_activity)
