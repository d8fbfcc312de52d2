"""The view of locks: one row each, who has it and who waits for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, select

from projections.columns import text
from projections.events import Event, refused
from projections.tables import locks as table
from projections.view import upsert
from schemas import lock_events
from schemas.events import ErrorOccurred, IncidentResolved
from schemas.ids import DEFAULT_TENANT

HELD, FREE = "held", "free"
Key = tuple[str, str]
"""Tenant and name."""


class Waiting(msgspec.Struct):
    """One place in the queue. Times are milliseconds since 1970."""

    owner: str
    aggregate_type: str
    since: int
    until: int
    """0: as long as it takes."""


class Lock(msgspec.Struct):
    """A lock as the view shows it. Times are milliseconds since 1970."""

    tenant: str
    id: str
    incarnation: str
    state: str
    """`held` or `free`."""
    sequence: int
    owner: str
    """Who has it, or had it last."""
    aggregate_type: str
    """Of an owner that is a section of an aggregate's work; empty for a client."""
    aggregate_id: str
    aggregate_incarnation: str
    section: int
    token: int
    """The fencing token of the last holder."""
    acquired_at: int
    expires_at: int
    """0: until it is released."""
    freed_at: int | None
    how: str
    """How the last holder lost it: `released`, `expired` or `forced`; empty while it is held."""
    reason: str
    waiting: list[Waiting]
    updated_at: int
    partition: int
    position: int


_waiting = msgspec.json.Decoder(list[Waiting]).decode


class Locks:
    """Implements `View`."""

    name = "locks"
    table = table
    handles: frozenset[type[msgspec.Struct]] = frozenset(
        {
            lock_events.LockRequested,
            lock_events.LockAcquired,
            lock_events.LockExtended,
            lock_events.LockReleased,
            lock_events.LockRequestRefused,
            ErrorOccurred,
            IncidentResolved,
        }
    )

    def __init__(self) -> None:
        """Start with nothing in memory."""
        self._rows: dict[Key, Lock | None] = {}
        self._changed: set[Key] = set()

    def _concerns(self, event: Event) -> bool:
        """Tell whether an event is of a lock: what a defect stops is told of others too."""
        return type(event.body) in self.handles and event.envelope.aggregate_type == "lock"

    def load(self, connection: Connection, events: Sequence[Event]) -> None:
        """Read the rows of these events' locks."""
        for event in events:
            key = event.envelope.context.tenant, event.envelope.aggregate_id
            if self._concerns(event) and key not in self._rows:
                self._rows[key] = find_lock(connection, key[1], key[0])

    def on(self, event: Event) -> None:
        """Apply one event; it must follow from the last one of its lock."""
        if not self._concerns(event):
            return
        envelope = event.envelope
        key = envelope.context.tenant, envelope.aggregate_id
        row = self._rows[key]
        if envelope.sequence == 1:
            row = self._rows[key] = _begun(event, row)
        elif row is None:
            raise refused(event, "its lock is not in the view")
        elif (envelope.incarnation, envelope.sequence) != (row.incarnation, row.sequence + 1):
            place = f"{row.id}@{row.incarnation}:{row.sequence}"
            raise refused(event, f"the view has the lock at {place}")
        CHANGES[type(event.body)](row, event.body, envelope.time)
        row.sequence, row.updated_at = envelope.sequence, envelope.time
        row.partition, row.position = event.partition, envelope.position
        self._changed.add(key)

    def save(self, connection: Connection) -> None:
        """Write each changed lock once."""
        found = [self._rows[key] for key in self._changed]
        rows = [
            {**msgspec.structs.asdict(row), "waiting": text(row.waiting)}
            for row in found
            if row is not None
        ]
        if rows:
            connection.execute(upsert(connection, table), rows)
        self.forget()

    def forget(self) -> None:
        """Drop all rows."""
        self._rows.clear()
        self._changed.clear()


def _begun(event: Event, before: Lock | None) -> Lock:
    """Return the row of a lock's first event, which may take over a former life's name."""
    envelope = event.envelope
    life = envelope.incarnation
    if before is not None and (len(life), life) <= (
        len(before.incarnation),
        before.incarnation,
    ):
        raise refused(event, f"{before.id}@{before.incarnation} began already, and is not older")
    tenant, name = envelope.context.tenant, envelope.aggregate_id
    owner = ("", "", "", "", 0)
    return Lock(tenant, name, life, FREE, 0, *owner, 0, 0, 0, None, "", "", [], 0, 0, 0)


def _requested(row: Lock, body: lock_events.LockRequested, time: int) -> None:
    owner = body.owner
    asked = Waiting(owner.name, owner.aggregate_type, time, body.wait_until)
    for place, one in enumerate(row.waiting):
        if (one.owner, one.aggregate_type) == (owner.name, owner.aggregate_type):
            asked.since = one.since
            row.waiting[place] = asked
            return
    row.waiting.append(asked)


def _acquired(row: Lock, body: lock_events.LockAcquired, time: int) -> None:
    _leaves(row, body.owner)
    owner = body.owner
    row.state, row.owner, row.aggregate_type = HELD, owner.name, owner.aggregate_type
    row.aggregate_id, row.aggregate_incarnation = owner.aggregate_id, owner.incarnation
    row.section, row.token = owner.section, body.token
    row.acquired_at, row.expires_at, row.freed_at = time, body.expires_at, None
    row.how, row.reason = "", ""


def _extended(row: Lock, body: lock_events.LockExtended, _: int) -> None:
    row.expires_at = body.expires_at


def _released(row: Lock, body: lock_events.LockReleased, time: int) -> None:
    row.state, row.freed_at, row.how, row.reason = FREE, time, body.how, body.reason


def _refused(row: Lock, body: lock_events.LockRequestRefused, _: int) -> None:
    _leaves(row, body.owner)


def _stalled(_row: Lock, _body: ErrorOccurred | IncidentResolved, _: int) -> None:
    """Change nothing: `projections/stalls.py` shows it."""


def _leaves(row: Lock, owner: lock_events.LockOwner) -> None:
    gone = owner.name, owner.aggregate_type
    row.waiting = [one for one in row.waiting if (one.owner, one.aggregate_type) != gone]


CHANGES: Final[dict[type[msgspec.Struct], Callable[[Lock, Any, int], None]]] = {
    lock_events.LockRequested: _requested,
    lock_events.LockAcquired: _acquired,
    lock_events.LockExtended: _extended,
    lock_events.LockReleased: _released,
    lock_events.LockRequestRefused: _refused,
    ErrorOccurred: _stalled,
    IncidentResolved: _stalled,
}


def find_lock(connection: Connection, name: str, tenant: str = DEFAULT_TENANT) -> Lock | None:
    """Return a lock's row; None where the view has none."""
    query = select(table).where(table.c.tenant == tenant, table.c.id == name)
    row = connection.execute(query).first()
    return None if row is None else lock_of(row)


def list_locks(
    connection: Connection,
    *,
    tenant: str = DEFAULT_TENANT,
    free: bool = False,
    after: str = "",
    limit: int = 50,
) -> list[Lock]:
    """Return the locks that are held, or all, in order of name, past a name."""
    c = table.c
    query = select(table).where(c.tenant == tenant, c.id > after)
    if not free:
        query = query.where(c.state == HELD)
    return [lock_of(row) for row in connection.execute(query.order_by(c.id).limit(limit))]


def lock_of(row: Row[Any]) -> Lock:
    """Read a row."""
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    values["waiting"] = _waiting(values["waiting"])
    return Lock(**values)
