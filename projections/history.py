"""The view of everything that happened: one row per event."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec.structs import asdict
from sqlalchemy import Connection, Row, insert, select

from projections.columns import raw, text
from projections.events import Event
from projections.tables import history as table
from schemas.events import Moves
from schemas.ids import DEFAULT_TENANT
from schemas.registry import BODIES, EVENT_TYPES

EVENT_BODIES: Final = frozenset(BODIES[name] for name in EVENT_TYPES)


class Entry(NamedTuple):
    """An event as the history keeps it."""

    partition: int
    position: int
    """Number of the event in its partition."""
    offset: int
    """In Kafka."""
    tenant: str
    aggregate_type: str
    aggregate_id: str
    incarnation: str
    sequence: int
    type: str
    node: str
    time: int
    """Milliseconds since 1970."""
    actor: str
    causation_id: str
    correlation_id: str
    data: msgspec.Raw
    """The event's body: a JSON object."""


class History:
    """Implements `View`."""

    name = "history"
    table = table
    handles: frozenset[type[msgspec.Struct]] = EVENT_BODIES

    def __init__(self) -> None:
        """Start with nothing in memory."""
        self._rows: list[dict[str, Any]] = []

    def load(self, connection: Connection, events: Sequence[Event]) -> None:
        """Read nothing: every event is a new row."""

    def on(self, event: Event) -> None:
        """Add the event."""
        envelope, body = event.envelope, event.body
        context = envelope.context
        self._rows.append(
            {
                "partition": event.partition,
                "position": envelope.position,
                "log_offset": event.offset,
                "tenant": context.tenant,
                "aggregate_type": envelope.aggregate_type,
                "aggregate_id": envelope.aggregate_id,
                "incarnation": envelope.incarnation,
                "sequence": envelope.sequence,
                "type": envelope.type,
                "node": getattr(body, "activity_id", "") or getattr(body, "node", ""),
                "time": envelope.time,
                "actor": context.actor,
                "causation_id": context.causation_id,
                "correlation_id": context.correlation_id,
                "data": text(opened(body)),
            }
        )

    def save(self, connection: Connection) -> None:
        """Write the new rows."""
        if self._rows:
            connection.execute(insert(table), self._rows)
            self._rows = []

    def forget(self) -> None:
        """Drop the rows that were not written."""
        self._rows = []


def opened(body: msgspec.Struct) -> dict[str, Any]:
    """Return an event's body with its JSON in place, not as bytes."""
    values = asdict(body)
    for name, open_field in _OPENERS[type(body)]:
        values[name] = open_field(values[name])
    return values


def _mapping(values: dict[str, bytes]) -> dict[str, msgspec.Raw]:
    return {name: raw(value) for name, value in values.items()}


def _moves(moves: Moves) -> dict[str, Any]:
    return {**asdict(moves), "writes": _mapping(moves.writes)}


_BY_TYPE: Final[dict[str, Callable[[Any], Any]]] = {
    "bytes": raw,
    "dict[str, bytes]": _mapping,
    "Moves": _moves,
}
_OPENERS: Final = {
    body: [
        (field.name, _BY_TYPE[kind])
        for field in msgspec.structs.fields(body)
        if (kind := str(body.__annotations__[field.name])) in _BY_TYPE
    ]
    for body in EVENT_BODIES
}
"""By body: the fields that hold JSON as bytes (annotations are text in `schemas.events`)."""


def entries(
    connection: Connection,
    aggregate_id: str,
    tenant: str = DEFAULT_TENANT,
    *,
    aggregate_type: str = "instance",
    after: int = 0,
    limit: int = 1_000,
) -> list[Entry]:
    """Return what happened to an aggregate, all its lives, oldest first, past a position."""
    c = table.c
    query = (
        select(table)
        .where(
            c.aggregate_id == aggregate_id,
            c.tenant == tenant,
            c.aggregate_type == aggregate_type,
            c.position > after,
        )
        .order_by(c.position)
        .limit(limit)
    )
    return [_entry(row) for row in connection.execute(query)]


def _entry(row: Row[Any]) -> Entry:
    values = list(row)
    values[-1] = msgspec.Raw(values[-1].encode())
    return Entry._make(values)
