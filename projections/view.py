"""What every view offers to the projection that keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec
from sqlalchemy import Connection, Insert, Table
from sqlalchemy.dialects import postgresql, sqlite

from projections.events import Event


class View(Protocol):
    """Rows made from events, a chunk at a time, inside the caller's transaction."""

    name: str
    table: Table
    handles: frozenset[type[msgspec.Struct]]
    """Bodies of the events that it reads."""

    def load(self, connection: Connection, events: Sequence[Event]) -> None:
        """Read the rows that these events will change."""
        ...

    def on(self, event: Event) -> None:
        """Apply one event in memory; `PoisonEventError` where it does not follow."""
        ...

    def save(self, connection: Connection) -> None:
        """Write each changed row once."""
        ...

    def forget(self) -> None:
        """Drop what is in memory: the transaction was rolled back."""
        ...


def upsert(connection: Connection, table: Table) -> Insert:
    """Return an insert that replaces the row of the same key."""
    keys = [column.name for column in table.primary_key]
    if connection.dialect.name == "postgresql":
        onto = postgresql.insert(table)
        rest = {c.name: onto.excluded[c.name] for c in table.columns if c.name not in keys}
        return onto.on_conflict_do_update(index_elements=keys, set_=rest)
    into = sqlite.insert(table)
    rest = {c.name: into.excluded[c.name] for c in table.columns if c.name not in keys}
    return into.on_conflict_do_update(index_elements=keys, set_=rest)


def plain(row: Any, names: Sequence[str]) -> dict[str, Any]:
    """Return attributes by name."""
    return {name: getattr(row, name) for name in names}
