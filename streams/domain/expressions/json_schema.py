"""JSON Schema, Draft 2020-12: what a value must look like.

A schema is the author's and a value anybody's, so that both are bounded: a check takes at most
`STEPS_MAX` steps, patterns match in linear time (RE2's syntax, by CEL), no reference leads out
of the document, and none leads back to itself without going into the value. What follows from
that is refused where the schema is compiled: `$id` below the root, anchors, dynamic references.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

import msgspec
from jsonschema import ValidationError
from jsonschema.exceptions import best_match
from referencing import Registry

from schemas.json_text import JsonError, canonical
from streams.domain.expressions.json_schema_keywords import Budget, Exceeded, Validator
from streams.domain.expressions.json_schema_source import checked_schema

STEPS_MAX: Final = 20_000
"""Keywords that one check may apply: some tenth of a second at most."""
DEPTH_MAX: Final = 64
"""Levels of a value that is checked."""
_ERRORS_MAX: Final = 10
"""Of so many findings the one that tells most is told."""
_REASON_MAX: Final = 300
_NOWHERE: Final[Registry[Any]] = Registry()
"""Retrieves nothing."""


class Violation(msgspec.Struct, frozen=True, gc=False):
    """What a value has that its schema does not allow."""

    path: str
    """JSON path, `$` for the value itself: `$.items[0].price`."""
    reason: str

    def __str__(self) -> str:
        """Return `path: reason`."""
        return f"{self.path}: {self.reason}"


class JsonSchema:
    """A compiled schema."""

    __slots__ = ("_validator", "source")

    def __init__(self, source: Any) -> None:
        """Compile.

        Raises:
            SchemaError: it is no schema, or one that is not taken here; it names where.
        """
        self.source = source
        self._validator = Validator(checked_schema(source), registry=_NOWHERE)

    def check(self, value: Any) -> Violation | None:
        """Return what is wrong with a JSON value, or None."""
        if _deeper(value, DEPTH_MAX):
            return Violation("$", f"a value with a schema has at most {DEPTH_MAX} levels")
        validator = self._validator.evolve(format_checker=Budget(STEPS_MAX))
        try:
            found = best_match(islice(validator.iter_errors(value), _ERRORS_MAX))
        except Exceeded:
            reason = f"checking it takes more than {STEPS_MAX} steps: divide it, or simplify"
            return Violation("$", f"{reason} the schema")
        return None if found is None else Violation(found.json_path, _reason(found))


def _deeper(value: Any, levels: int) -> bool:
    """Tell whether a value has more levels of lists and maps than these."""
    if not isinstance(value, list | dict):
        return False
    inner: Iterator[Any] = iter(value.values() if isinstance(value, dict) else value)
    return levels == 0 or any(_deeper(item, levels - 1) for item in inner)


def _reason(found: ValidationError) -> str:
    """Return the library's sentence, with a long value left out of it."""
    reason = found.message
    if len(reason) > _REASON_MAX:
        shown = _shown(found.instance)
        rule = f"{found.validator} {_shown(found.validator_value)}"
        reason = f"{shown} does not satisfy {rule}"
    return reason


def _shown(value: Any) -> str:
    try:
        text = canonical(value).decode()
    except JsonError:
        text = str(value)
    return text if len(text) <= _REASON_MAX // 3 else text[: _REASON_MAX // 3] + "…"
