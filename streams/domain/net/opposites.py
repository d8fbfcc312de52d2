"""Whether two conditions are each other's negation, as far as their texts tell."""

from __future__ import annotations

import re
from typing import Final

_NEGATED: Final = {"<": ">=", ">=": "<", ">": "<=", "<=": ">", "==": "!=", "!=": "=="}
_SWAPPED: Final = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "==", "!=": "!="}
_COMPARISON: Final = re.compile(r"([^<>=!&|?:\"'()]+)(<=|>=|==|!=|<|>)([^<>=!&|?:()]+)\Z")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_SPACE: Final = re.compile(r"\s+|\bworkflow\s*\.\s*")


def are_opposite(one: str, other: str) -> bool:
    """Tell whether of two CEL conditions exactly one is true, whatever the variables.

    Known are `x` and `!x`, and comparisons of the same two values (`a < b`, `a >= b`, `b <= a`).
    A false answer says nothing.
    """
    left, right = _plain(one), _plain(other)
    if _negated(left) == right or _negated(right) == left:
        return True
    first, second = _COMPARISON.match(left), _COMPARISON.match(right)
    if first is None or second is None:
        return False
    a, sign, b = first.groups()
    opposite = _NEGATED[sign]
    return second.groups() in {(a, opposite, b), (b, _SWAPPED[opposite], a)}


def _plain(source: str) -> str:
    """Remove white space, the word `workflow.` and brackets around the whole."""
    has_text = '"' in source or "'" in source
    return _bare(source.strip() if has_text else _SPACE.sub("", source))


def _bare(text: str) -> str:
    return text[1:-1] if _is_enclosed(text) else text


def _negated(text: str) -> str | None:
    """Return what a `!` before the whole of a text negates; None where there is none."""
    if not text.startswith("!"):
        return None
    rest = text[1:]
    return _bare(rest) if _NAME.fullmatch(rest) or _is_enclosed(rest) else None


def _is_enclosed(text: str) -> bool:
    """Tell whether the bracket at the beginning is closed at the end."""
    if not text.startswith("(") or '"' in text or "'" in text:
        return False
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if not depth:
            return place == len(text) - 1
    return False
