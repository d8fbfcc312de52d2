"""JSON Schema, Draft 2020-12: compile once, say what does not fit and where.

A schema is the author's and a value anybody's, so that both are bounded: a check takes at most
`STEPS_MAX` steps, patterns match in linear time (RE2's syntax, by CEL), no reference leads out
of the document, and none leads back to itself without going into the value. What follows from
that is refused where the schema is compiled: `$id` below the root, anchors, dynamic references.
Of formats those are checked that `FORMATS` names; any other is a remark.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from jsonschema import ValidationError
from jsonschema.exceptions import best_match
from referencing.jsonschema import EMPTY_REGISTRY

from streams.domain.expressions import json_schema_source
from streams.domain.expressions.json_schema_keywords import Budget, Exceeded, Validator
from streams.domain.expressions.json_schema_source import checked_schema

STEPS_MAX: Final = 20_000
"""Keywords that one check may apply: some tenth of a second at most."""
LEVELS_MAX: Final = 64
"""Of a value that is checked."""
FAULTS_MAX: Final = 20
"""Faults that are told of one value."""
_MESSAGE_MAX: Final = 300
_KINDS: Final[dict[type, str]] = {
    dict: "object",
    list: "array",
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    type(None): "null",
}
SchemaError = json_schema_source.SchemaError


class Fault(NamedTuple):
    """Something in a value that its schema does not allow."""

    path: str
    """A JSONPath, such as `$.lines[0].price`."""
    message: str

    def __str__(self) -> str:
        """Return `path: message`."""
        return f"{self.path}: {self.message}"


class JsonSchema:
    """A compiled schema."""

    __slots__ = ("_validator", "source")

    def __init__(self, source: Any) -> None:
        """Compile an object, `true` or `false`; raises `SchemaError`."""
        self.source = source
        self._validator = Validator(checked_schema(source), registry=EMPTY_REGISTRY)

    def faults(self, value: Any) -> list[Fault]:
        """Return what does not fit, at most `FAULTS_MAX`, in the order of the paths."""
        if _deeper(value, LEVELS_MAX):
            return [Fault("$", f"a value that has a schema has at most {LEVELS_MAX} levels")]
        found: list[Fault] = []
        try:
            validator = self._validator.evolve(format_checker=Budget(STEPS_MAX))
            for error in validator.iter_errors(value):
                # Of alternatives none of which fits, the one that comes nearest.
                nearest = best_match([error]) or error
                found.append(Fault(nearest.json_path, _said(nearest)))
                if len(found) == FAULTS_MAX:
                    break
        except Exceeded:
            message = f"checking it takes more than {STEPS_MAX} steps: divide it, or its schema"
            found.append(Fault("$", message))
        return sorted(found)


def _deeper(value: Any, levels: int) -> bool:
    """Tell whether a value has more levels of lists and maps than these."""
    if not isinstance(value, list | dict):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper(item, levels - 1) for item in inner)


def _said(error: ValidationError) -> str:
    if error.validator == "type":
        wanted = error.validator_value
        names = " or ".join(wanted) if isinstance(wanted, list) else str(wanted)
        return f"{names} is needed, this is {_KINDS.get(type(error.instance), 'something else')}"
    text = error.message
    return text if len(text) <= _MESSAGE_MAX else text[: _MESSAGE_MAX - 1] + "…"
