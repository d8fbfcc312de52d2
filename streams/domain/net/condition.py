"""Conditional events: what of the data they wait for, and which variables they read."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from streams.domain.expressions.cel import Program


class ConditionTrigger(msgspec.Struct, frozen=True, gc=False, tag="condition"):
    """When an expression over the variables becomes true."""

    condition: str
    """CEL source without `${}`."""


class Conditions:
    """The compiled conditions of a definition; never changes."""

    __slots__ = ("_readers", "programs")

    def __init__(self, programs: dict[str, Program]) -> None:
        """Take the program of each conditional event by its node."""
        self.programs = programs
        self._readers: dict[str, set[str]] = {}
        for node, program in programs.items():
            for name in {""} if program.reads_all else program.names:
                self._readers.setdefault(name, set()).add(node)

    def reading(self, names: Iterable[str]) -> set[str]:
        """Return the nodes whose condition reads one of these variables."""
        found: set[str] = set()
        for name in names:
            found |= self._readers.get(name, set()) | self._readers.get("", set())
        return found
