"""Avro schemas, derived from the message classes: one record each, the envelope first.

The derived schemas are written to `schemas/avro/` by `python -m schemas write`; a test
holds the files equal to the classes, and another holds them readable by every release.
"""

from __future__ import annotations

from typing import Any, get_args, get_origin

import msgspec

from schemas.envelope import Envelope
from schemas.hints import hints_of

NAMESPACE = "io.tidemill"
_PRIMITIVES: dict[type, str] = {
    str: "string",
    int: "long",
    float: "double",
    bool: "boolean",
    bytes: "bytes",
}


def schema_of(body: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the Avro schema of a message: field `envelope`, then the body's own fields."""
    seen: set[type] = set()
    envelope = {"name": "envelope", "type": _avro_type(Envelope, seen)}
    fields = [envelope, *_fields(body, seen)]
    return _record(body, fields)


def _record(cls: type, fields: list[dict[str, Any]]) -> dict[str, Any]:
    record = {"type": "record", "name": cls.__name__, "namespace": NAMESPACE}
    return {**record, "doc": (cls.__doc__ or "").strip().splitlines()[0], "fields": fields}


def _fields(cls: type[msgspec.Struct], seen: set[type]) -> list[dict[str, Any]]:
    hints = hints_of(cls)
    defaults = {field.name: _default(field) for field in msgspec.structs.fields(cls)}
    result = []
    for name in cls.__struct_fields__:
        field: dict[str, Any] = {"name": name, "type": _avro_type(hints[name], seen)}
        if defaults[name] is not _NO_DEFAULT:
            field["default"] = defaults[name]
        result.append(field)
    return result


_NO_DEFAULT = object()


def _default(field: msgspec.structs.FieldInfo) -> object:
    """Return a field's default in Avro's JSON form (bytes as ISO 8859-1 text)."""
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return _NO_DEFAULT if field.default is msgspec.NODEFAULT else _json_form(field.default)


def _json_form(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode("iso-8859-1")
    if isinstance(value, msgspec.Struct):
        return {k: _json_form(v) for k, v in msgspec.structs.asdict(value).items()}
    return value


def _avro_type(hint: Any, seen: set[type]) -> Any:
    if hint in _PRIMITIVES:
        return _PRIMITIVES[hint]
    origin = get_origin(hint)
    if origin is list:
        return {"type": "array", "items": _avro_type(get_args(hint)[0], seen)}
    if origin is dict:
        return {"type": "map", "values": _avro_type(get_args(hint)[1], seen)}
    if hint in seen:
        return f"{NAMESPACE}.{hint.__name__}"
    seen.add(hint)
    return _record(hint, _fields(hint, seen))
