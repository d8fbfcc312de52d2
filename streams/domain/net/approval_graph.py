"""An approval node, compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from streams.domain.expressions.json_schema import JsonSchema
from streams.domain.expressions.values import Value
from streams.domain.net.approval import Approval, Path, values_of
from streams.domain.net.expression import Expression


class CompiledApproval(NamedTuple):
    """Its values by their path in the node, and its form."""

    values: dict[Path, Value]
    form: JsonSchema | None


def compiled_approval(
    kind: Approval, where: str, value: Callable[[Expression, str], Value]
) -> CompiledApproval:
    """Compile; `value` compiles one expression that stands at a place.

    Raises:
        CompileError: an expression is none; the message names the place.
        SchemaError: the form is no JSON Schema; publishing has refused it before.
    """
    values = {
        path: value(expression, f"{where}: {'.'.join(map(str, path))}")
        for path, expression in values_of(kind)
    }
    return CompiledApproval(values, None if kind.form is None else JsonSchema(kind.form))
