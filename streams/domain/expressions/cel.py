"""CEL, behind one module: compile once, pass only what a program uses.

A context of a thousand variables costs 1.8 ms to convert, so that the names are found
when the program is compiled. CEL has no evaluation budget: sources are limited instead.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

import cel
import msgspec

from schemas.json_text import JsonError, canonical, check_integers

SOURCE_BYTES_MAX: Final = 4096
NESTED_COMPREHENSIONS_MAX: Final = 2
WORKFLOW: Final = "workflow"

_MEMBER = re.compile(r"\bworkflow\s*\.\s*([A-Za-z_][A-Za-z0-9_]*)")
_BARE_WORKFLOW = re.compile(r"\bworkflow\b(?!\s*\.\s*[A-Za-z_])")
_REFERENCE = re.compile(r"(?:workflow\s*\.\s*)?((?!workflow\b)[A-Za-z_][A-Za-z0-9_]*)", re.ASCII)
_MACRO = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(")
_STRING = re.compile(
    r"(?s)//[^\n]*"
    r"|\b(?:[rR][bB]?|[bB][rR])(?:\"{3}.*?\"{3}|'{3}.*?'{3}|\"[^\"]*\"|'[^']*')"
    r"|\"{3}(?:\\.|[^\\])*?\"{3}|'{3}(?:\\.|[^\\])*?'{3}"
    r"|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'"
)
"""Strings of all kinds, and comments: what is no code."""
_decode = msgspec.json.decode
Variables = Mapping[str, bytes]


class CompileError(Exception):
    """A source that is no usable expression."""

    def __init__(self, source: str, message: str) -> None:
        """Take the source and what is wrong with it."""
        super().__init__(f"{message} in `{source[:200]}`")
        self.source = source
        self.message = message


class ExpressionError(Exception):
    """An evaluation that gave no usable value."""

    def __init__(self, source: str, message: str, values: dict[str, Any]) -> None:
        """Take the source, what went wrong, and the values that it saw."""
        super().__init__(f"`{source[:200]}`: {message}")
        self.source = source
        self.message = message
        self.values = values


class Program:
    """A compiled expression."""

    __slots__ = (
        "_all",
        "_bare",
        "_execute",
        "_members",
        "_numbers",
        "names",
        "reference",
        "source",
    )

    def __init__(self, source: str, declared: Mapping[str, str]) -> None:
        """Compile; raises `CompileError`."""
        self.source = source
        program = _compile(source)
        text = code_of(source)
        used = set(program.variables())
        self._execute = program.execute
        self._all = WORKFLOW in used and _BARE_WORKFLOW.search(text) is not None
        self._members = tuple(sorted(set(_MEMBER.findall(text)))) if WORKFLOW in used else ()
        self._bare = tuple(sorted(used - {WORKFLOW}))
        only = _REFERENCE.fullmatch(source.strip())
        self.reference = only.group(1) if only and used else ""
        """The variable that the whole expression names: read without CEL."""
        self.names = frozenset(self._bare) | frozenset(self._members)
        self._numbers = frozenset(n for n in self.names if declared.get(n) == "number")

    @property
    def names_all(self) -> bool:
        """Tell whether it may look at any variable, as `workflow` alone does."""
        return self._all

    @property
    def doubles(self) -> frozenset[str]:
        """The variables that are declared numbers: CEL is given doubles for them."""
        return self._numbers

    @property
    def is_constant(self) -> bool:
        """Tell whether no variable is used."""
        return not self.names and not self._all

    @property
    def reads_all(self) -> bool:
        """Tell whether all variables are used, whatever their names."""
        return self._all

    def _context(self, variables: Variables, extra: Mapping[str, Any] | None) -> dict[str, Any]:
        context: dict[str, Any] = {}
        for name in self._bare:
            if extra is not None and name in extra:
                context[name] = extra[name]
            elif name in variables:
                context[name] = self._value(name, variables[name])
        names = tuple(variables) if self._all else self._members
        if names:
            context[WORKFLOW] = {
                name: self._value(name, variables[name]) for name in names if name in variables
            }
        elif self._all:
            context[WORKFLOW] = {}
        return context

    def _value(self, name: str, data: bytes) -> Any:
        value = _decode(data)
        return float(value) if name in self._numbers and type(value) is int else value

    def evaluate(self, variables: Variables, extra: Mapping[str, Any] | None = None) -> Any:
        """Return the JSON value of the expression.

        Raises:
            ExpressionError: an unknown variable, a type error, or a value that is no JSON.
        """
        only = self.reference
        if only and only in variables and (extra is None or only not in extra):
            return self._value(only, variables[only])
        context = self._context(variables, extra)
        try:
            return _plain(self._execute(context))
        except JsonError as error:
            raise ExpressionError(self.source, str(error), context) from None
        except Exception as error:  # noqa: BLE001 - the library raises what it likes
            raise ExpressionError(self.source, _sentence(error), context) from None
        except BaseException as error:
            if type(error).__name__ != "PanicException":
                raise
            raise ExpressionError(self.source, f"evaluation failed: {error}", context) from None

    def copied(self, variables: Variables) -> bytes | None:
        """Return a reference's value as canonical JSON; None where it must be evaluated.

        Variables are canonical JSON already: to read and write them again changes nothing,
        but for an integer that is declared a number.
        """
        data = variables.get(self.reference) if self.reference else None
        if data and self.reference in self._numbers and data.lstrip(b"-").isdigit():
            # Up to fifteen digits a number is written out; beyond, as a power of ten.
            return data + b".0" if len(data) < 16 else canonical(float(int(data)))
        return data

    def truth(self, variables: Variables, extra: Mapping[str, Any] | None = None) -> bool:
        """Return the boolean value of a condition; anything else is an `ExpressionError`."""
        value = self.evaluate(variables, extra)
        if value is True or value is False:
            return bool(value)
        raise ExpressionError(
            self.source,
            f"a condition must give true or false, this gave {value!r}"[:300],
            self._context(variables, extra),
        )


def compile_cel(source: str, declared: Mapping[str, str]) -> Program:
    """Compile an expression; `declared` gives the types of variables by name."""
    return Program(source, declared)


def _compile(source: str) -> cel.Program:
    if not source.strip():
        raise CompileError(source, "an expression must not be empty")
    if len(source.encode()) > SOURCE_BYTES_MAX:
        raise CompileError(source, f"an expression has at most {SOURCE_BYTES_MAX} bytes")
    if _nesting(code_of(source)) > NESTED_COMPREHENSIONS_MAX:
        raise CompileError(
            source, f"at most {NESTED_COMPREHENSIONS_MAX} comprehensions may be nested"
        )
    try:
        return cel.compile(source)
    except Exception as error:  # noqa: BLE001 - the library raises what it likes
        raise CompileError(source, _sentence(error)) from None
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise CompileError(source, "this cannot be parsed") from None


def code_of(source: str) -> str:
    """Return a source without what only looks like code: comments, and what stands in strings."""
    return _STRING.sub(lambda found: " " if found[0].startswith("//") else '""', source)


def _nesting(text: str) -> int:
    """Return how deep comprehension macros are nested."""
    starts = {match.end() - 1 for match in _MACRO.finditer(text)}
    stack: list[bool] = []
    deepest = 0
    for place, mark in enumerate(text):
        if mark == "(":
            stack.append(place in starts)
            deepest = max(deepest, sum(stack))
        elif mark == ")" and stack:
            stack.pop()
    return deepest


def _sentence(error: BaseException) -> str:
    text = " ".join(str(error).split()).replace("ERROR: <input>:", "at ")
    text = text.partition(" expecting {")[0].partition(" Check that the variable")[0]
    return text[:500] or type(error).__name__


def _plain(value: Any) -> Any:
    """Return a result as a plain JSON value, or raise `JsonError`."""
    kind = type(value)
    if value is None or kind is bool or kind is str:
        return value
    if kind is float:
        if not math.isfinite(value):
            raise JsonError("the result is not a finite number")
        return value
    if kind is int:
        check_integers(value)
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        if not all(type(key) is str for key in value):
            raise JsonError("the keys of an object must be strings")
        return {key: _plain(item) for key, item in value.items()}
    raise JsonError(f"a result of type {kind.__name__} is no JSON value; use string(…)")
