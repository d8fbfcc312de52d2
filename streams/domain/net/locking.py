"""The lock that a scope or work holds, as its author wrote it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from streams.domain.expressions.moments import duration_ms
from streams.domain.net.expression import Expression
from streams.domain.net.problem import Problems, StructureProblem

FENCE = "lock_token"
"""The name that has the fencing token, where the author says no other."""


class Locking(msgspec.Struct, frozen=True, gc=False):
    """A lock that is acquired before a node begins, and returned when it ends in any way."""

    name: Expression
    ttl: Expression | None = None
    """After this time an engine that is silent has lost it; None: held until it is returned."""
    wait: Expression | None = None
    """For how long the section waits for it; None: as long as it takes."""
    fence: str = FENCE

    def values(self) -> Iterator[tuple[str, Expression]]:
        """Iterate over what is computed when the section begins, by key."""
        for key, value in (("name", self.name), ("ttl", self.ttl), ("wait", self.wait)):
            if value is not None:
                yield key, value


def locking_problems(where: tuple[str | int, ...], locking: Locking | None) -> Problems:
    """Return the literal times that cannot be read."""
    found: Problems = []
    for key, value in () if locking is None else locking.values():
        if key != "name" and not (isinstance(value.source, str) and "${" in value.source):
            try:
                duration_ms(value.source)
            except ValueError as error:
                found.append(StructureProblem((*where, "lock", key), str(error)))
    return found
