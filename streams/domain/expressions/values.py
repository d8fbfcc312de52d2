"""Values of a definition: literals, `${…}` expressions, and strings that hold them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from schemas.json_text import JsonError, canonical
from streams.domain.expressions.cel import (
    CompileError,
    ExpressionError,
    Program,
    Variables,
    compile_cel,
)
from streams.domain.net.model import Expression

TEXT_LENGTH_MAX: Final = 1 << 20
Extra = Mapping[str, Any] | None
_Maker = Callable[[Variables, Extra], Any]


class Value:
    """A compiled value."""

    __slots__ = ("_json", "_make", "_references", "is_literal", "programs")

    def __init__(self, source: Any, declared: Mapping[str, str]) -> None:
        """Compile; raises `CompileError` for an expression that is none."""
        self.programs: list[Program] = []
        self._make = _compile(source, declared, self.programs)
        self.is_literal = not self.programs
        self._references = _references(source, self.programs)
        self._json: bytes | None = None
        if self.is_literal:
            try:
                self._json = canonical(self._make({}, None))
            except JsonError as error:
                raise CompileError(str(source), str(error)) from None

    def evaluate(self, variables: Variables, extra: Extra = None) -> Any:
        """Return the value; `ExpressionError` where an expression fails."""
        return self._make(variables, extra)

    def json(self, variables: Variables, extra: Extra = None) -> bytes:
        """Return the value as canonical JSON."""
        if self._json is not None:
            return self._json
        if self._references and extra is None:
            parts: list[bytes] = []
            for name, program in self._references:
                data = program.copied(variables)
                if data is None:
                    break
                parts.append(name + data)
            else:
                return b"{" + b",".join(parts) + b"}"
        value = self._make(variables, extra)
        try:
            return canonical(value)
        except JsonError as error:
            raise ExpressionError(self.programs[0].source, str(error), {}) from None


def compile_value(expression: Expression, declared: Mapping[str, str]) -> Value:
    """Compile a value of the definition."""
    return Value(expression.source, declared)


def _references(source: Any, programs: list[Program]) -> tuple[tuple[bytes, Program], ...]:
    """Return name and program of each member of an object that holds only references."""
    if not isinstance(source, dict) or len(programs) != len(source):
        return ()
    texts = [
        item for item in source.values() if isinstance(item, str) and len(pieces_of(item)) == 1
    ]
    if len(texts) != len(source) or not all(program.reference for program in programs):
        return ()
    members = dict(zip(source, programs, strict=True))
    return tuple((canonical(name) + b":", members[name]) for name in sorted(members))


def pieces_of(text: str) -> list[tuple[bool, str]]:
    """Split a string into text and expressions (True); `$${` stands for a plain `${`."""
    pieces: list[tuple[bool, str]] = []
    plain = ""
    at = 0
    while at < len(text):
        if text.startswith("$${", at):
            plain += "${"
            at += 3
        elif text.startswith("${", at):
            end = _end(text, at + 2)
            if plain:
                pieces.append((False, plain))
                plain = ""
            pieces.append((True, text[at + 2 : end]))
            at = end + 1
        else:
            plain += text[at]
            at += 1
    if plain or not pieces:
        pieces.append((False, plain))
    return pieces


def _end(text: str, start: int) -> int:
    """Return where the `}` of an expression stands: braces and strings inside are skipped."""
    depth, quote, at = 0, "", start
    while at < len(text):
        mark = text[at]
        if quote:
            if mark == "\\":
                at += 1
            elif mark == quote:
                quote = ""
        elif mark in "\"'":
            quote = mark
        elif mark == "{":
            depth += 1
        elif mark == "}":
            if depth == 0:
                return at
            depth -= 1
        at += 1
    raise CompileError(text, "a `${` is never closed by `}`")


def _compile(source: Any, declared: Mapping[str, str], programs: list[Program]) -> _Maker:
    if isinstance(source, str):
        return _compile_text(source, declared, programs)
    if isinstance(source, list):
        items = [_compile(item, declared, programs) for item in source]
        return lambda variables, extra: [make(variables, extra) for make in items]
    if isinstance(source, dict):
        members = {key: _compile(item, declared, programs) for key, item in source.items()}
        return lambda variables, extra: {
            key: make(variables, extra) for key, make in members.items()
        }
    return lambda _variables, _extra: source


def _compile_text(text: str, declared: Mapping[str, str], programs: list[Program]) -> _Maker:
    parts: list[str | Program] = []
    for is_expression, piece in pieces_of(text):
        if is_expression:
            program = compile_cel(piece, declared)
            programs.append(program)
            parts.append(program)
        else:
            parts.append(piece)
    if len(parts) == 1:
        only = parts[0]
        return only.evaluate if isinstance(only, Program) else lambda _v, _e: only
    return lambda variables, extra: _joined(parts, variables, extra)


def _joined(parts: list[str | Program], variables: Variables, extra: Extra) -> str:
    """Return a text with its expressions filled in, unless it grows without measure."""
    pieces: list[str] = []
    size = 0
    for part in parts:
        piece = part if isinstance(part, str) else _text(part.evaluate(variables, extra))
        pieces.append(piece)
        size += len(piece)
        if size > TEXT_LENGTH_MAX and not isinstance(part, str):
            message = f"the text has more than {TEXT_LENGTH_MAX} characters up to here"
            raise ExpressionError(part.source, message, {})
    return "".join(pieces)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else canonical(value).decode()
