"""What waits for a verdict: `workflow.definitions` is the queue.

A version whose last record says `submitted` waits. Whoever reads the whole compact topic knows
all that wait, so that a verifier keeps nothing and may be killed at any moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from schemas.definitions import DefinitionRecord
from schemas.envelope import Context, Envelope
from schemas.results import RecordVerdict
from streams.domain.definition.state import SUBMITTED

Key = tuple[str, str, str]
"""Tenant, definition id, version."""


class Task(NamedTuple):
    """A version to judge."""

    partition: int
    envelope: Envelope
    record: DefinitionRecord

    @property
    def key(self) -> Key:
        """Return which version of which definition it is."""
        tenant = self.envelope.context.tenant
        return tenant, self.record.definition_id, self.record.version


class Pending:
    """The versions that wait, in the order of their submission."""

    def __init__(self) -> None:
        """Know of nothing."""
        self._waiting: dict[Key, Task] = {}
        self._answered: set[Key] = set()

    def __len__(self) -> int:
        """Return how many wait, those with a verdict under way included."""
        return len(self._waiting)

    def add(self, task: Task) -> None:
        """Take the next record of a version."""
        self._waiting.pop(task.key, None)
        self._answered.discard(task.key)
        if task.record.status == SUBMITTED:
            self._waiting[task.key] = task

    def open(self) -> Iterator[Task]:
        """Yield those without a verdict under way, the one that has waited longest first."""
        return (task for key, task in self._waiting.items() if key not in self._answered)

    def answered(self, task: Task) -> None:
        """Note that a verdict is under way."""
        self._answered.add(task.key)

    def unanswered(self, task: Task) -> None:
        """Note that its verdict did not arrive."""
        if self._waiting.get(task.key) == task:
            self._answered.discard(task.key)


def verdict_envelope(task: Task, now: int) -> Envelope:
    """Return the envelope of a task's verdict; every verifier gives it the same id.

    Position numbers of a partition are never used twice, so that each submission has an id.
    """
    cause = task.envelope
    context = Context(
        cause.id,
        cause.context.correlation_id,
        "verifier",
        cause.context.tenant,
        cause.context.trace,
        cause.context.metadata,
    )
    name = f"{cause.aggregate_id}/verdict/{task.partition}:{cause.position}"
    kind, target = RecordVerdict.__name__, cause.aggregate_id
    return Envelope(name, kind, now, "definition", target, context=context)
