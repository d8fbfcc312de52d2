"""Views with a row for each aggregate of a kind, whose events must follow each other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import msgspec
from sqlalchemy import Connection, Table

from projections.events import Event, refused
from projections.view import upsert

Key = tuple[str, str]
"""Tenant and id."""


class Known(Protocol):
    """What a row says of the last event that it has seen."""

    id: str
    incarnation: str
    sequence: int


class Life(Known, Protocol):
    """A row that an event marks."""

    updated_at: int
    partition: int
    position: int


K = TypeVar("K", bound=Known)
R = TypeVar("R", bound=Life)


def key_of(event: Event) -> Key:
    """Return the key of an event's row."""
    return event.envelope.context.tenant, event.envelope.aggregate_id


def followed(event: Event, row: K | None, kind: str, begin: Callable[[Event], K]) -> K:
    """Return the row that an event changes; a first event begins one, in the place of an older.

    Raises:
        PoisonEventError: it does not follow from the last one of its aggregate.
    """
    envelope = event.envelope
    if envelope.sequence == 1:
        if row is not None and not _newer(envelope.incarnation, row.incarnation):
            raise refused(event, f"{row.id}@{row.incarnation} began already, and is not older")
        return begin(event)
    if row is None:
        raise refused(event, f"its {kind} is not in the view")
    if (envelope.incarnation, envelope.sequence) != (row.incarnation, row.sequence + 1):
        place = f"{row.id}@{row.incarnation}:{row.sequence}"
        raise refused(event, f"the view has the {kind} at {place}")
    return row


def _newer(incarnation: str, other: str) -> bool:
    """Compare start times in base 32."""
    return (len(incarnation), incarnation) > (len(other), other)


class Lives(ABC, Generic[R]):
    """Implements `View`, a chunk's rows in memory."""

    name: str
    table: Table
    handles: frozenset[type[msgspec.Struct]]
    kind: ClassVar[str]
    """The aggregates' type: incidents, for one, are told of several."""

    def __init__(self) -> None:
        """Start with nothing in memory."""
        self._rows: dict[Key, R | None] = {}
        self._changed: set[Key] = set()

    @abstractmethod
    def find(self, connection: Connection, key: Key) -> R | None:
        """Read a row."""

    @abstractmethod
    def begin(self, event: Event) -> R:
        """Return the row before its first event is applied."""

    @abstractmethod
    def change(self, row: R, event: Event) -> None:
        """Apply an event to its row."""

    @abstractmethod
    def written(self, row: R) -> dict[str, Any]:
        """Return a row's columns."""

    def _concerns(self, event: Event) -> bool:
        return type(event.body) in self.handles and event.envelope.aggregate_type == self.kind

    def load(self, connection: Connection, events: Sequence[Event]) -> None:
        """Read the rows of these events' aggregates."""
        for event in events:
            key = key_of(event)
            if self._concerns(event) and key not in self._rows:
                self._rows[key] = self.find(connection, key)

    def on(self, event: Event) -> None:
        """Apply one event; it must follow from the last one of its aggregate."""
        if not self._concerns(event):
            return
        key, envelope = key_of(event), event.envelope
        row = self._rows[key] = followed(event, self._rows[key], self.kind, self.begin)
        self.change(row, event)
        row.sequence, row.updated_at = envelope.sequence, envelope.time
        row.partition, row.position = event.partition, envelope.position
        self._changed.add(key)

    def save(self, connection: Connection) -> None:
        """Write each changed row once."""
        found = [self._rows[key] for key in self._changed]
        rows = [self.written(row) for row in found if row is not None]
        if rows:
            connection.execute(upsert(connection, self.table), rows)
        self.forget()

    def forget(self) -> None:
        """Drop all rows."""
        self._rows.clear()
        self._changed.clear()
