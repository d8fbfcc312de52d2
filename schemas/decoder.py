"""Avro decoders, compiled to Python from the message classes.

`fastavro.schemaless_reader` builds a dict that `msgspec.convert` then turns into an object:
11 to 14 µs for a message. The compiled function reads the bytes straight into the object.
A property test holds it equal to fastavro's, and every malformed input an error.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, get_args, get_origin

import msgspec

from schemas.encoder import context_bytes, string_bytes
from schemas.envelope import Context, Envelope
from schemas.hints import hints_of

Reader = Callable[[bytes, int], tuple[Any, int]]
"""From data and place to a value and the place behind it."""

_VARINT_BYTES_MAX = 10
_double = struct.Struct("<d").unpack_from


class MalformedError(ValueError):
    """The bytes are not of their schema."""


def unsigned(data: bytes, place: int) -> tuple[int, int]:
    """Read a variable-length number, zig-zag not undone."""
    number = shift = 0
    for at in range(place, place + _VARINT_BYTES_MAX):
        byte = data[at]
        number |= (byte & 127) << shift
        if byte < 128:
            if number >> 64:
                break
            return number, at + 1
        shift += 7
    raise MalformedError("a number is longer than 64 bits")


def _long(data: bytes, place: int) -> tuple[int, int]:
    number, end = unsigned(data, place)
    number = (number >> 1) ^ -(number & 1)
    if end - place == _TIME_BYTES:
        if len(_TIMES) >= 4096:
            _TIMES.clear()
        _TIMES[data[place:end]] = number
    return number, end


_TIME_BYTES = 6
_TIMES: dict[bytes, int] = {}
"""Numbers of six bytes, as times of our days are: they recur in all messages of a moment."""


def _size(data: bytes, place: int) -> tuple[int, int]:
    """Read a length that the rest of the data can hold."""
    size, place = _long(data, place)
    if not 0 <= size <= len(data) - place:
        raise MalformedError(f"a length of {size} lies outside the data")
    return size, place


def _bytes(data: bytes, place: int) -> tuple[bytes, int]:
    size, place = _size(data, place)
    return data[place : place + size], place + size


def _string(data: bytes, place: int) -> tuple[str, int]:
    value, place = _bytes(data, place)
    return value.decode(), place


def _float(data: bytes, place: int) -> tuple[float, int]:
    return _double(data, place)[0], place + 8


def _bool(data: bytes, place: int) -> tuple[bool, int]:
    byte = data[place]
    if byte > 1:
        raise MalformedError(f"{byte} is no boolean")
    return byte == 1, place + 1


def _blocks(data: bytes, place: int) -> tuple[int, int]:
    """Read the count of the next block of an array or a map; 0 at the end."""
    count, place = _long(data, place)
    if count < 0:
        count = -count
        _, place = _long(data, place)
    if count > len(data) - place:
        raise MalformedError(f"a count of {count} lies outside the data")
    return count, place


def _list_reader(item: Reader) -> Reader:
    def read(data: bytes, place: int) -> tuple[list[Any], int]:
        found: list[Any] = []
        count, place = _blocks(data, place)
        while count:
            for _ in range(count):
                value, place = item(data, place)
                found.append(value)
            count, place = _blocks(data, place)
        return found, place

    return read


def _map_reader(item: Reader) -> Reader:
    def read(data: bytes, place: int) -> tuple[dict[str, Any], int]:
        found: dict[str, Any] = {}
        count, place = _blocks(data, place)
        while count:
            for _ in range(count):
                key, place = _string(data, place)
                found[key], place = item(data, place)
            count, place = _blocks(data, place)
        return found, place

    return read


_READERS: dict[Any, Reader] = {
    str: _string,
    bytes: _bytes,
    int: _long,
    float: _float,
    bool: _bool,
}

# The common case of a field, read without a call. `n` is a byte below 128: a length below 64.
_TEXT = """
 n = d[p]
 if not n: {x} = {empty}; p += 1
 elif n & 129: {x}, p = {slow}(d, p)
 else:
  p += 1; q = p + (n >> 1); {x} = d[p:q]{decode}; p = q
"""
_NUMBER = """
 n = d[p]
 if n < 128: {x} = small[n]; p += 1
 elif ({x} := times.get(d[p : p + 6])) is not None: p += 6
 else: {x}, p = {slow}(d, p)
"""
_EXPECTED = """
 if d.startswith({data}, p): {x} = {value}; p += {size}
 else: {otherwise}
"""
_EMPTY = """
 if d[p]: {x}, p = {slow}(d, p)
 else: {x} = {empty}; p += 1
"""
_CALL = """
 {x}, p = {slow}(d, p)
"""
_SMALL = tuple((number >> 1) ^ -(number & 1) for number in range(128))
_CONTEXT_REST = context_bytes(Context())[2:]
"""What mostly follows the two ids of a context: the default tenant, and nothing else."""


class _Source:
    """The source of a function under construction, and what it refers to."""

    def __init__(self, kind: str = "") -> None:
        """Begin; `kind` is the type that the envelope of such a message names."""
        self.lines: list[str] = []
        self.scope: dict[str, Any] = {"small": _SMALL, "times": _TIMES}
        self._variables = 0
        self._kind = kind

    def name(self, thing: object) -> str:
        """Return a name for something that the function uses."""
        name = f"g{len(self.scope)}"
        self.scope[name] = thing
        return name

    def read(self, hint: Any) -> str:
        """Write the reading of a value; return the expression that holds it."""
        if hint is Context:
            return self._context()
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
            return f"{self.name(hint)}({', '.join(self._fields(hint))})"
        variable = self._variable()
        slow = self.name(reader_for(hint))
        more = {"x": variable, "slow": slow}
        form = _CALL
        if hint is str or hint is bytes:
            form, more["empty"] = _TEXT, repr(hint())
            more["decode"] = ".decode()" if hint is str else ""
        elif hint is int:
            form = _NUMBER
        elif get_origin(hint) in {list, dict}:
            form, more["empty"] = _EMPTY, "[]" if get_origin(hint) is list else "{}"
        self.lines.append(form.format(**more))
        return variable

    def _variable(self) -> str:
        self._variables += 1
        return f"v{self._variables}"

    def _fields(self, cls: type[msgspec.Struct], first: int = 0) -> list[str]:
        """Write the reading of a struct's fields, from one on."""
        hints = hints_of(cls)
        return [
            self._expected_kind() if cls is Envelope and name == "type" else self.read(hints[name])
            for name in cls.__struct_fields__[first:]
        ]

    def _expect(self, data: bytes, variable: str, value: str, otherwise: str) -> str:
        """Write the reading of what mostly are these bytes: compared in one go."""
        more = {"x": variable, "value": value, "data": self.name(data), "size": len(data)}
        self.lines.append(_EXPECTED.format(otherwise=otherwise, **more))
        return variable

    def _expected_kind(self) -> str:
        x = self._variable()
        otherwise = f"{x}, p = {self.name(_string)}(d, p)"
        return self._expect(string_bytes(self._kind), x, self.name(self._kind), otherwise)

    def _context(self) -> str:
        """Write the reading of a context: mostly of no more than two ids."""
        first, second, x = self.read(str), self.read(str), self._variable()
        context, rest = self.name(Context), self.name(_context_rest())
        otherwise = f"r, p = {rest}(d, p); {x} = {context}({first}, {second}, *r)"
        return self._expect(_CONTEXT_REST, x, f"{context}({first}, {second})", otherwise)

    def compiled(self, arguments: str, result: str) -> Callable[..., Any]:
        """Compile what was written."""
        text = f"def read({arguments}):{''.join(self.lines)}\n return {result}\n"
        exec(text, self.scope)  # noqa: S102 - our own classes only
        read: Callable[..., Any] = self.scope["read"]
        return read


def _context_rest() -> Reader:
    """Compile the reader of a context's fields behind the two ids."""
    source = _Source()
    fields = source._fields(Context, 2)
    return source.compiled("d, p", f"({', '.join(fields)}), p")


def reader_for(hint: Any) -> Reader:
    """Return a reader of any type that a message may hold."""
    if hint in _READERS:
        return _READERS[hint]
    origin = get_origin(hint)
    if origin is list:
        return _list_reader(reader_for(get_args(hint)[0]))
    if origin is dict:
        return _map_reader(reader_for(get_args(hint)[1]))
    return reader_of(hint)


def reader_of(cls: type[msgspec.Struct]) -> Reader:
    """Compile the reader of a struct."""
    source = _Source()
    return source.compiled("d, p", f"{source.read(cls)}, p")


def message_reader(
    message: type[tuple[Any, Any]], body: type[msgspec.Struct], kind: str, start: int
) -> Callable[[bytes], Any]:
    """Return a reader of whole messages, `start` bytes of header skipped.

    The reader returns a `message` of envelope and body. It raises `MalformedError`, or
    `IndexError`, `UnicodeDecodeError`, `struct.error` for bytes that are not of the schema.
    """
    source = _Source(kind)
    source.lines.append(f"\n p = {start}")
    values = f"{source.read(Envelope)}, {source.read(body)}"
    source.lines.append(f"\n if p != len(d): {source.name(_refuse_end)}(d, p)")
    # Not by `message(…)`: a named tuple's own constructor takes three times as long.
    return source.compiled("d", f"{source.name(tuple.__new__)}({source.name(message)}, ({values}))")


def _refuse_end(data: bytes, place: int) -> None:
    raise MalformedError(f"the message ends at {place}, the record at {len(data)}")
