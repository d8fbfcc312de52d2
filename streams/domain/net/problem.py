"""A finding about a definition."""

from __future__ import annotations

from typing import Final

import msgspec

PROBLEMS_MAX: Final = 200
"""From there on nothing more is looked for that costs time."""


class StructureProblem(msgspec.Struct, frozen=True):
    """One finding: where in the definition, a sentence, `error` or `warning`."""

    where: tuple[str | int, ...]
    message: str
    severity: str = "error"


Problems = list[StructureProblem]
