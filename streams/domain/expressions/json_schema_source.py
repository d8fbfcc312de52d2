"""What a JSON Schema must look like itself, so that checking with it ends, and soon."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from schemas.json_text import JsonError, canonical
from streams.domain.expressions.json_schema_keywords import PatternError, matcher_of

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
BYTES_MAX: Final = 64 * 1024
"""Of a schema, as canonical JSON."""
LEVELS_MAX: Final = 32
"""Of schemas within schemas."""

_ONE: Final = ("not", "if", "then", "else")
_MANY: Final = ("allOf", "anyOf", "oneOf")
_INTO_ONE: Final = (
    "additionalProperties",
    "contains",
    "items",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
)
_INTO_MAP: Final = ("properties", "patternProperties", "$defs", "definitions")
_REFUSED: Final = {
    "$anchor": "name it under $defs and refer to #/$defs/NAME",
    "$dynamicAnchor": "name it under $defs and refer to #/$defs/NAME",
    "$dynamicRef": "refer with $ref to #/$defs/NAME",
    "$recursiveRef": "refer with $ref to #",
    "$vocabulary": "it is for schemas of schemas",
}
_META: Final = Draft202012Validator(Draft202012Validator.META_SCHEMA)
Path = tuple[str | int, ...]


class SchemaError(ValueError):
    """What is given is no schema, or none that is taken here."""

    def __init__(self, path: Path, message: str) -> None:
        """Take where in the schema, and what is wrong."""
        steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
        super().__init__(f"at ${''.join(steps)}: {message}" if path else message)
        self.path = path
        """Steps into the schema's document."""


def checked_schema(source: Any) -> Any:
    """Return the schema itself; `SchemaError` where it cannot be taken."""
    if not isinstance(source, dict | bool):
        raise SchemaError((), "a JSON Schema is an object, or true or false")
    try:
        size = len(canonical(source))
    except JsonError as error:
        raise SchemaError((), str(error)) from None
    if size > BYTES_MAX:
        raise SchemaError((), f"a JSON Schema has at most {BYTES_MAX} bytes, this has {size}")
    if isinstance(source, dict):
        _Walk(source).check()
    return source


class _Walk:
    """Goes once through a schema and what it refers to."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self._done: set[int] = set()
        self._open: set[int] = set()
        self._unevaluated = False
        self._patterns: Path | None = None

    def check(self) -> None:
        """Raise `SchemaError` for the first thing that is wrong."""
        _meta(self._root, ())
        given = self._root.get("$schema", DIALECT)
        if str(given).rstrip("#") != DIALECT:
            raise SchemaError(("$schema",), f"a schema is of Draft 2020-12: {DIALECT}")
        self._schema(self._root, (), 0)
        if self._unevaluated and self._patterns is not None:
            raise SchemaError(
                self._patterns, "patternProperties beside unevaluatedProperties is not supported"
            )

    def _schema(self, schema: Any, path: Path, level: int) -> None:
        if not isinstance(schema, dict):
            return
        if id(schema) in self._open:
            raise SchemaError(path, "this refers to itself without going into the value")
        if id(schema) in self._done:
            return
        if level > LEVELS_MAX:
            raise SchemaError(path, f"a schema has at most {LEVELS_MAX} levels")
        self._keywords(schema, path)
        self._open.add(id(schema))
        for step, inner in self._in_place(schema, path):
            self._schema(inner, step, level + 1)
        self._open.discard(id(schema))
        self._done.add(id(schema))
        around, self._open = self._open, set()
        for step, inner in _below(schema, path):
            self._schema(inner, step, level + 1)
        self._open = around

    def _keywords(self, schema: dict[str, Any], path: Path) -> None:
        for name, instead in _REFUSED.items():
            if name in schema:
                raise SchemaError((*path, name), f"{name} is not supported: {instead}")
        if "$id" in schema and path:
            raise SchemaError((*path, "$id"), "only the whole schema has an $id")
        patterns = dict.fromkeys(schema.get("patternProperties", ()), "patternProperties")
        if "pattern" in schema:
            patterns[schema["pattern"]] = "pattern"
        for pattern, name in patterns.items():
            try:
                matcher_of(pattern)
            except PatternError as error:
                raise SchemaError((*path, name), str(error)) from None
        self._unevaluated |= "unevaluatedProperties" in schema
        if "patternProperties" in schema:
            self._patterns = path

    def _in_place(self, schema: dict[str, Any], path: Path) -> Iterator[tuple[Path, Any]]:
        """Yield the schemas that apply to the same value."""
        for name in _ONE:
            yield (*path, name), schema.get(name)
        for name in _MANY:
            for number, inner in enumerate(schema.get(name, ())):
                yield (*path, name, number), inner
        for name, inner in schema.get("dependentSchemas", {}).items():
            yield (*path, "dependentSchemas", name), inner
        if "$ref" in schema:
            target = schema["$ref"]
            yield (*path, "$ref"), self._target(target, (*path, "$ref"))

    def _target(self, reference: str, path: Path) -> Any:
        """Return what a reference means; only pointers into this document are taken."""
        if reference != "#" and not reference.startswith("#/"):
            raise SchemaError(
                path, f"a $ref leads to # or #/$defs/NAME of the same schema, not to {reference!r}"
            )
        found: Any = self._root
        for step in reference[2:].split("/") if len(reference) > 1 else ():
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, list) and name.isdecimal() and int(name) < len(found):
                found = found[int(name)]
            elif isinstance(found, dict) and name in found:
                found = found[name]
            else:
                raise SchemaError(path, f"{reference!r} leads nowhere: there is no {name!r}")
        _meta(found, path)
        return found


def _below(schema: dict[str, Any], path: Path) -> Iterator[tuple[Path, Any]]:
    """Yield the schemas that apply to parts of the value, or to nothing yet."""
    for name in _INTO_ONE:
        yield (*path, name), schema.get(name)
    for name in _INTO_MAP:
        for key, inner in schema.get(name, {}).items():
            yield (*path, name, key), inner
    for number, inner in enumerate(schema.get("prefixItems", ())):
        yield (*path, "prefixItems", number), inner


def _meta(schema: Any, path: Path) -> None:
    """Hold a schema to the dialect's own."""
    try:
        found = best_match(_META.iter_errors(schema))
    except RecursionError:
        raise SchemaError(path, f"a schema has at most {LEVELS_MAX} levels") from None
    if found is not None:
        raise SchemaError((*path, *found.absolute_path), found.message[:300])
