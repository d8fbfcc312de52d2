"""JSON Schema, Draft 2020-12: compile once, say what does not fit and where.

A schema stands alone: its `$ref`s stay within it, so that nothing is fetched and the same value
gets the same answer everywhere. `format` is a remark for forms and is not checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import jsonschema.exceptions
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012, SchemaRegistry

from schemas.json_text import canonical

SCHEMA_BYTES_MAX: Final = 64 * 1024
FAULTS_MAX: Final = 20
"""Faults that are told of one value."""
_MESSAGE_MAX: Final = 300
_DATA: Final = frozenset({"const", "enum", "default", "examples"})
"""Keywords whose values are data, not schemas."""
_KINDS: Final[dict[type, str]] = {
    dict: "object",
    list: "array",
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    type(None): "null",
}


class SchemaError(ValueError):
    """What was given is no usable JSON Schema; the message says where and why."""


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
        try:
            _check(source)
            registry: SchemaRegistry = Registry()
            self._validator = Draft202012Validator(source, registry=registry)
        except RecursionError:
            raise SchemaError("it is nested too deep") from None

    def faults(self, value: Any) -> list[Fault]:
        """Return what does not fit, at most `FAULTS_MAX`, in the order of the paths."""
        found: list[Fault] = []
        try:
            for error in self._validator.iter_errors(value):
                found.append(Fault(error.json_path, _said(error)))
                if len(found) == FAULTS_MAX:
                    break
        except RecursionError:
            found.append(Fault("$", "the schema refers to itself without end, or is too deep"))
        except Unresolvable as error:  # Below an `$id` of its own, where publishing cannot see it.
            found.append(Fault("$", f"the schema names {error.ref!r}, which is not in it"))
        return sorted(found)


def _check(source: Any) -> None:
    """Raise `SchemaError` where a source is no schema that stands alone."""
    if not isinstance(source, dict | bool):
        raise SchemaError("a JSON Schema is an object, or true or false")
    if len(canonical(source)) > SCHEMA_BYTES_MAX:
        raise SchemaError(f"a JSON Schema has at most {SCHEMA_BYTES_MAX} bytes")
    try:
        Draft202012Validator.check_schema(source)
    except jsonschema.exceptions.SchemaError as error:
        raise SchemaError(f"at {error.json_path}: {_said(error)}") from None
    if isinstance(source, dict):
        _check_references(source)


def _check_references(source: dict[str, Any]) -> None:
    resource = DRAFT202012.create_resource(source)
    registry: SchemaRegistry = Registry()
    resolver = registry.resolver_with_root(resource)
    for reference in _references(source):
        if not reference.startswith("#"):
            raise SchemaError(f"$ref {reference!r} leads outside: write it under $defs, as #/$defs")
        try:
            resolver.lookup(reference)
        except Unresolvable:
            raise SchemaError(f"$ref {reference!r} leads to nothing in the schema") from None


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for item in schema:
            yield from _references(item)
    elif isinstance(schema, dict):
        for name, inner in schema.items():
            if name in {"$ref", "$dynamicRef"} and isinstance(inner, str):
                yield inner
            elif name not in _DATA:
                yield from _references(inner)


def _said(error: jsonschema.exceptions.ValidationError | jsonschema.exceptions.SchemaError) -> str:
    if error.validator == "type":
        wanted = error.validator_value
        names = " or ".join(wanted) if isinstance(wanted, list) else str(wanted)
        return f"{names} is needed, this is {_KINDS.get(type(error.instance), 'something else')}"
    text = error.message
    return text if len(text) <= _MESSAGE_MAX else text[: _MESSAGE_MAX - 1] + "…"
