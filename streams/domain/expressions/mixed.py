"""Arithmetic of an integer with a decimal number: a type error in CEL, seen before it happens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Final

from streams.domain.expressions.cel import code_of

_OPERAND: Final = re.compile(
    r"(?<![\w.)\]])(?:(?P<double>\d+\.\d+)|(?P<integer>\d+)"
    r"|(?:workflow\s*\.\s*)?(?P<name>(?!workflow\b)[A-Za-z_]\w*))(?!\w|\s*[.(\[])"
)
_OPERATOR: Final = re.compile(r"\s*[-+*/%]\s*\Z")
_BOUND: Final = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(\s*(\w+)\s*,")
_KINDS: Final = {"number": "double", "integer": "integer"}


def mixed_arithmetic(source: str, declared: Mapping[str, str]) -> list[str]:
    """Return a warning where the two sides of an operator are an integer and a double.

    Known are literals and declared variables: a `number` reaches CEL as a double.
    """
    code = code_of(source)
    own = set(_BOUND.findall(code))
    operands = list(_OPERAND.finditer(code))
    for left, right in pairwise(operands):
        sign = code[left.end() : right.start()]
        kinds = {_kind(left, declared, own), _kind(right, declared, own)}
        if kinds == {"integer", "double"} and _OPERATOR.match(sign):
            where = f"`{left[0]}{sign}{right[0]}` of `{source[:200]}`"
            text = "mixes an integer with a decimal number, which is a type error in CEL"
            return [f"{where} {text}: write 1.0 instead of 1, or double(x)"]
    return []


def _kind(operand: re.Match[str], declared: Mapping[str, str], own: set[str]) -> str:
    """Return `integer`, `double` or nothing; names that a comprehension binds are unknown."""
    if operand["name"] is None:
        return "double" if operand["double"] else "integer"
    return "" if operand["name"] in own else _KINDS.get(declared.get(operand["name"], ""), "")
