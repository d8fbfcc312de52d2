"""The view of locks: one row each, who has it and who waits for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, select

from projections.columns import text
from projections.events import Event
from projections.lives import Key, Lives, key_of
from projections.tables import locks as table
from schemas import lock_events
from schemas.events import ErrorOccurred, IncidentResolved
from schemas.ids import DEFAULT_TENANT

HELD, FREE = "held", "free"


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


class Locks(Lives[Lock]):
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

    kind = "lock"

    def find(self, connection: Connection, key: Key) -> Lock | None:
        """Read a lock."""
        return find_lock(connection, key[1], key[0])

    def begin(self, event: Event) -> Lock:
        """Return a lock that nobody has had."""
        owner = ("", "", "", "", 0)
        tenant, name = key_of(event)
        life = event.envelope.incarnation
        return Lock(tenant, name, life, FREE, 0, *owner, 0, 0, 0, None, "", "", [], 0, 0, 0)

    def change(self, row: Lock, event: Event) -> None:
        """Apply an event to its lock."""
        CHANGES[type(event.body)](row, event.body, event.envelope.time)

    def written(self, row: Lock) -> dict[str, Any]:
        """Return a lock's columns."""
        return {**msgspec.structs.asdict(row), "waiting": text(row.waiting)}


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
