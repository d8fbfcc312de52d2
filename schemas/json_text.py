"""Canonical JSON: sorted keys, no white space, integers within 64 bits."""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec

INT64_MIN = -(1 << 63)
INT64_MAX = (1 << 63) - 1

_LONG = re.compile(rb"[0-9]{19}")
_LONG_TEXT = re.compile("[0-9]{19}")
"""What every integer outside int64 holds."""
_LONG_SIZE = 19
_encode = msgspec.json.Encoder(order="sorted").encode
_decode_any = msgspec.json.Decoder().decode
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode


class JsonError(ValueError):
    """The text is not JSON as Tidemill takes it."""


def parse(text: bytes | str) -> Any:
    """Parse JSON; `JsonError` for what is no JSON or holds an integer outside int64."""
    try:
        value = _decode_any(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise JsonError(f"not valid JSON: {error}") from error
    return value if len(text) < _LONG_SIZE else _checked(text, value)


def parse_object(text: bytes | str) -> dict[str, Any]:
    """Parse a JSON object; `JsonError` for anything else."""
    try:
        value: dict[str, Any] = _decode_object(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise JsonError(f"not a JSON object: {error}") from error
    if len(text) >= _LONG_SIZE:
        _checked(text, value)
    return value


def _checked(text: bytes | str, value: Any) -> Any:
    """Return the value; look through its integers only where one can be too long."""
    long = _LONG.search(text) if isinstance(text, bytes) else _LONG_TEXT.search(text)
    if long:
        try:
            check_integers(value)
        except RecursionError as error:
            raise JsonError("the value is nested too deep") from error
    return value


def canonical(value: object) -> bytes:
    """Write a value as canonical JSON; `JsonError` where it cannot be."""
    try:
        data = _encode(value)
        if b"null" in data:  # What infinity and NaN would be written as, unasked.
            check_numbers(value)
        return data
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise JsonError(f"cannot be written as JSON: {error}") from error


def check_numbers(value: object) -> None:
    """Raise `JsonError` where a number is none of JSON, or an integer lies outside int64."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise JsonError(f"{value} is no number of JSON; send null or a string")
    elif isinstance(value, dict):
        for item in value.values():
            check_numbers(item)
    elif isinstance(value, list | tuple):
        for item in value:
            check_numbers(item)
    else:
        check_integers(value)


def check_integers(value: object) -> None:
    """Raise `JsonError` where an integer lies outside int64, at any depth."""
    kind = type(value)
    if kind is int:
        if not INT64_MIN <= value <= INT64_MAX:  # type: ignore[operator]
            raise JsonError(f"integer {value} is outside int64; send it as a string")
    elif kind is dict:
        for item in value.values():  # type: ignore[attr-defined]
            check_integers(item)
    elif kind is list:
        for item in value:  # type: ignore[attr-defined]
            check_integers(item)
