"""The keywords of JSON Schema as they are checked here: counted, and each in linear time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from streams.domain.expressions.cel import CompileError, ExpressionError, Program, compile_cel
from streams.domain.expressions.moments import date_ms, duration_ms

PATTERN_LENGTH_MAX: Final = 500
Found = Iterator[ValidationError]
Keyword = Callable[[Any, Any, Any, Any], "Found | None"]


class Exceeded(Exception):  # noqa: N818 - it never leaves the check
    """A check took too many steps."""


class PatternError(ValueError):
    """A pattern that cannot be matched in linear time, or is none."""


class Budget:
    """Counts a check's steps; travels with the validator in the place of its format checker."""

    def __init__(self, steps: int) -> None:
        """Allow so many."""
        self._left = steps

    def spend(self, steps: int = 1) -> None:
        """Take steps; raises `Exceeded`."""
        self._left -= steps
        if self._left < 0:
            raise Exceeded


@lru_cache(1024)
def matcher_of(pattern: str) -> Program:
    """Return the expression that tells whether `text` matches; `PatternError`."""
    if len(pattern) > PATTERN_LENGTH_MAX:
        raise PatternError(f"a pattern has at most {PATTERN_LENGTH_MAX} characters")
    literal = "".join(f"\\U{ord(mark):08x}" if not _plain(mark) else mark for mark in pattern)
    try:
        program = compile_cel(f'text.matches("{literal}")', {})
        program.evaluate({}, {"text": ""})
    except (CompileError, ExpressionError) as error:
        raise PatternError(
            f"the pattern {pattern!r} is not taken: patterns have no look-around and no "
            "references back, so that they match in linear time"
        ) from error
    return program


def _plain(mark: str) -> bool:
    return mark.isascii() and mark.isprintable() and mark not in '"\\'


def _matches(pattern: str, text: str) -> bool:
    return matcher_of(pattern).truth({}, {"text": text})


def _pattern(validator: Any, pattern: str, value: Any, _: Any) -> Found:
    if validator.is_type(value, "string") and not _matches(pattern, value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


def _pattern_properties(validator: Any, patterns: Mapping[str, Any], value: Any, _: Any) -> Found:
    if not validator.is_type(value, "object"):
        return
    for pattern, inner in patterns.items():
        validator.format_checker.spend(len(value))
        for name, item in value.items():
            if _matches(pattern, name):
                yield from validator.descend(item, inner, path=name, schema_path=pattern)


def _additional(validator: Any, allowed: Any, value: Any, schema: Mapping[str, Any]) -> Found:
    if not validator.is_type(value, "object"):
        return
    known = schema.get("properties", {})
    patterns = schema.get("patternProperties", {})
    for name, item in value.items():
        if name in known or any(_matches(pattern, name) for pattern in patterns):
            continue
        if allowed is False:
            yield ValidationError(f"{name!r} is not one of {', '.join(known) or 'no names'}")
        else:
            yield from validator.descend(item, allowed, path=name)


def _unique(validator: Any, unique: bool, value: Any, _: Any) -> Found:  # noqa: FBT001 - the library's way
    if not unique or not validator.is_type(value, "array"):
        return
    seen: set[Any] = set()
    for item in value:
        key = _key(item)
        if key in seen:
            yield ValidationError(f"{str(item)[:100]} stands in it twice")
            return
        seen.add(key)


def _key(value: Any) -> Any:
    """Return what is equal where JSON values are: 1 and 1.0 are, 1 and true are not."""
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, list):
        return ("array", tuple(map(_key, value)))
    if isinstance(value, dict):
        return ("object", frozenset((name, _key(item)) for name, item in value.items()))
    return value


_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}")


def _read(reader: Callable[[Any], Any], text: str) -> bool:
    try:
        reader(text)
    except ValueError:
        return False
    return True


FORMATS: Final[Mapping[str, Callable[[str], bool]]] = {
    "date": lambda text: bool(_DATE.fullmatch(text)) and _read(date_ms, f"{text}T00:00:00Z"),
    "date-time": lambda text: "T" in text.upper() and _read(date_ms, text),
    "duration": lambda text: text.startswith("P") and _read(duration_ms, text),
    "email": lambda text: _EMAIL.fullmatch(text) is not None,
    "uuid": lambda text: _UUID.fullmatch(text) is not None,
}
"""Formats that are checked; any other is a remark."""


def _format(validator: Any, name: str, value: Any, _: Any) -> Found:
    holds = FORMATS.get(name)
    if holds is not None and validator.is_type(value, "string") and not holds(value):
        yield ValidationError(f"{value!r} is no {name}")


def _multiple(validator: Any, step: float, value: Any, _: Any) -> Found:
    # By what is written: 19.99 is a multiple of 0.01, though no such floats are.
    if validator.is_type(value, "number") and Fraction(repr(value)) % Fraction(repr(step)):
        yield ValidationError(f"{value!r} is not a multiple of {step}")


def _counted(keyword: Keyword) -> Keyword:
    def run(validator: Any, rule: Any, value: Any, schema: Any) -> Found:
        size = len(rule) if isinstance(rule, dict | list) else 0
        validator.format_checker.spend(1 + size // 16)
        yield from keyword(validator, rule, value, schema) or ()

    return run


_OWN: Final[dict[str, Any]] = {
    "additionalProperties": _additional,
    "format": _format,
    "multipleOf": _multiple,
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "uniqueItems": _unique,
}
Validator: Final = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {name: _counted(one) for name, one in {**Draft202012Validator.VALIDATORS, **_OWN}.items()},
)
"""Draft 2020-12 with these keywords; its format checker is a `Budget`."""
