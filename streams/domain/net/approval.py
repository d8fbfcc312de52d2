"""The approval node: a decision by a person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from streams.domain.net.expression import Expression
from streams.domain.net.locking import Locking

OUTCOMES: Final = ("approve", "reject")
"""Where the author names none."""
Path = tuple[str | int, ...]


class Escalation(msgspec.Struct, frozen=True, gc=False):
    """What follows when nobody has decided in time."""

    after_ms: int = 0
    """So long after `due`."""
    assignee: Expression | None = None
    candidate_users: Expression | None = None
    candidate_groups: Expression | None = None
    """Any of the three given: it is theirs from then on, and nobody else's."""
    notify: Expression = Expression([])
    """Addresses of those who are told."""

    @property
    def reassigns(self) -> bool:
        """Tell whether it becomes somebody else's."""
        return not self.assignee == self.candidate_users == self.candidate_groups is None


class Approval(msgspec.Struct, frozen=True, gc=False, tag="approval"):
    """A person decides: one of the outcomes, with data that fit the form."""

    assignee: Expression = Expression("")
    """Name of the person whose it is; may be empty where there are candidates."""
    candidate_users: Expression = Expression([])
    """Names, a list or one, of those who may claim it."""
    candidate_groups: Expression = Expression([])
    """Groups, a list or one, whose members may claim it."""
    title: Expression = Expression("")
    """Empty: the node's name, else its id."""
    description: Expression = Expression("")
    priority: Expression = Expression(50)
    """0 to 100; the higher, the more urgent."""
    due: Expression | None = None
    """A duration or a date."""
    escalations: list[Escalation] = []
    """In the order of their times."""
    input: Expression = Expression({})
    """What the person sees."""
    documents: Expression = Expression([])
    """References: maps with `name`, `uri`, `media_type` and `hash`."""
    form: Any = None
    """JSON Schema of the data; None: any object."""
    outcomes: list[str] = msgspec.field(default_factory=lambda: list(OUTCOMES))
    result_path: str = ""
    """Variable (dotted path) that takes the decision; empty for `result`."""
    output: dict[str, Expression] = {}
    """Output mapping; the decision is seen as `output`: `outcome`, `data`, `completed_by`."""
    compensate_with: str = ""
    """The node that undoes what was decided."""
    lock: Locking | None = None
    """Held until it is decided."""


def values_of(kind: Approval) -> Iterator[tuple[Path, Expression]]:
    """Yield every value but the output mapping, each with its path in the node."""
    for name in (
        "assignee",
        "candidate_users",
        "candidate_groups",
        "title",
        "description",
        "priority",
        "due",
        "input",
        "documents",
    ):
        value = getattr(kind, name)
        if value is not None:
            yield (name,), value
    for number, step in enumerate(kind.escalations):
        for name in ("assignee", "candidate_users", "candidate_groups", "notify"):
            value = getattr(step, name)
            if value is not None:
                yield ("escalation", number, name), value
