"""The view of what a defect has stopped: one row for each command that is kept for a retry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, delete, select

from projections.events import Event
from projections.tables import stalls as table
from projections.view import upsert
from schemas import events as e
from schemas.codec import DecodeError, decode
from schemas.ids import DEFAULT_TENANT

Owner = tuple[str, str, str]
"""Tenant, type and id of an aggregate."""
Key = tuple[str, str, str, int]
"""An owner, and the sequence of its `error.occurred`."""
ENDS: Final = (
    e.WorkflowCompleted,
    e.WorkflowFailed,
    e.WorkflowCancelled,
    e.WorkflowTerminated,
    e.WorkflowDeleted,
)
"""With these an instance lets go of what it kept."""


class Stall(msgspec.Struct):
    """A command that a defect of the engine keeps from being applied."""

    tenant: str
    aggregate_type: str
    aggregate_id: str
    incarnation: str
    incident: int
    """Sequence of its event: what `RetryIncident` names."""
    command: str
    """Type of the command; empty where this release cannot read it."""
    code: str
    message: str
    since: int
    """Milliseconds since 1970."""
    partition: int
    position: int


class Stalls:
    """Implements `View`."""

    name = "stalls"
    table = table
    handles: frozenset[type[msgspec.Struct]] = frozenset(
        {e.ErrorOccurred, e.IncidentResolved, *ENDS}
    )

    def __init__(self) -> None:
        """Start with nothing in memory."""
        self._known: dict[Owner, set[int]] = {}
        self._new: dict[Key, Stall] = {}
        self._gone: set[Key] = set()

    def load(self, connection: Connection, events: Sequence[Event]) -> None:
        """Read what is stopped of these events' aggregates; mostly nothing is, anywhere."""
        ids = {event.envelope.aggregate_id for event in events if type(event.body) in self.handles}
        if not ids or connection.execute(select(table.c.aggregate_id).limit(1)).first() is None:
            return
        c = table.c
        names = sorted(ids)
        for first in range(0, len(names), 500):
            part = names[first : first + 500]
            query = select(c.tenant, c.aggregate_type, c.aggregate_id, c.incident)
            for row in connection.execute(query.where(c.aggregate_id.in_(part))):
                self._known.setdefault((row[0], row[1], row[2]), set()).add(row[3])

    def on(self, event: Event) -> None:
        """Apply one event."""
        body, envelope = event.body, event.envelope
        if type(body) not in self.handles:
            return
        owner = envelope.context.tenant, envelope.aggregate_type, envelope.aggregate_id
        if isinstance(body, e.ErrorOccurred):
            if body.command:
                self._known.setdefault(owner, set()).add(envelope.sequence)
                self._new[(*owner, envelope.sequence)] = _stalled(event, body)
            return
        open_ones = self._known.get(owner, set())
        over = {body.incident} if isinstance(body, e.IncidentResolved) else set(open_ones)
        for incident in over & open_ones:
            open_ones.discard(incident)
            key = (*owner, incident)
            if self._new.pop(key, None) is None:
                self._gone.add(key)

    def save(self, connection: Connection) -> None:
        """Write what is new, and drop what is over."""
        c = table.c
        for tenant, kind, name, incident in self._gone:
            connection.execute(
                delete(table).where(
                    c.tenant == tenant,
                    c.aggregate_type == kind,
                    c.aggregate_id == name,
                    c.incident == incident,
                )
            )
        if self._new:
            rows = [msgspec.structs.asdict(row) for row in self._new.values()]
            connection.execute(upsert(connection, table), rows)
        self.forget()

    def forget(self) -> None:
        """Drop all rows."""
        self._known.clear()
        self._new.clear()
        self._gone.clear()


def _stalled(event: Event, body: e.ErrorOccurred) -> Stall:
    envelope = event.envelope
    try:
        command = decode(body.command).envelope.type
    except DecodeError:
        command = ""
    return Stall(
        envelope.context.tenant,
        envelope.aggregate_type,
        envelope.aggregate_id,
        envelope.incarnation,
        envelope.sequence,
        command,
        body.code,
        body.message,
        envelope.time,
        event.partition,
        envelope.position,
    )


def list_stalls(
    connection: Connection,
    *,
    tenant: str = DEFAULT_TENANT,
    aggregate_type: str = "",
    limit: int = 50,
) -> list[Stall]:
    """Return what is stopped, of one type of aggregate or of all, the oldest first."""
    c = table.c
    query = select(table).where(c.tenant == tenant)
    if aggregate_type:
        query = query.where(c.aggregate_type == aggregate_type)
    order = (c.since, c.aggregate_type, c.aggregate_id, c.incident)
    return [_row(row) for row in connection.execute(query.order_by(*order).limit(limit))]


def _row(row: Row[Any]) -> Stall:
    return Stall(**dict(row._mapping))  # noqa: SLF001 - SQLAlchemy's public name for it
