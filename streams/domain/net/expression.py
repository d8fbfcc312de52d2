"""A value of a definition, as its author wrote it."""

from __future__ import annotations

from typing import Any

import msgspec


class Expression(msgspec.Struct, frozen=True, gc=False):
    """A value of the definition: a literal, one CEL expression, or text with expressions.

    In the source `${…}` alone is an expression and keeps its type; inside a longer string
    it is interpolated; everything else is a literal.
    """

    source: Any
    """The author's JSON value, `${…}` included, at any depth."""
