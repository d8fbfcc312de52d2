"""The view of workflow instances: one row each, the newest life of its id."""

from __future__ import annotations

import base64
import binascii
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, select, tuple_

from projections.columns import text
from projections.errors import BadTokenError
from projections.events import Event, refused
from projections.instance import CHANGES, Incident, Instance, change, created
from projections.lives import Key, followed, key_of
from projections.tables import instances as table
from projections.view import upsert
from schemas import events as e
from schemas.ids import DEFAULT_TENANT

DELETED: Final = "Deleted"
_SLICE: Final = 500
"""Keys of one query."""
_KEPT_ROWS: Final = 10_000
"""Rows kept in memory between chunks."""
_KEPT_LENGTH: Final = 8_192
"""Length of the longest JSON column of a row that is kept."""
_JSON: Final[dict[str, Any]] = {
    "tokens": msgspec.json.Decoder(dict[int, str]).decode,
    "incidents": msgspec.json.Decoder(dict[int, Incident]).decode,
    "execution_path": msgspec.json.Decoder(list[str]).decode,
    "error_stack": msgspec.json.Decoder(list[str]).decode,
    "variables": msgspec.json.Decoder(dict[str, msgspec.Raw]).decode,
    "result": msgspec.json.Decoder(msgspec.Raw).decode,
    "metadata": msgspec.json.Decoder(msgspec.Raw).decode,
    "context_metadata": msgspec.json.Decoder(dict[str, str]).decode,
}
_COLUMNS: Final = tuple(column.name for column in table.columns)


class Instances:
    """Implements `View`."""

    name = "instances"
    table = table
    handles: frozenset[type[msgspec.Struct]] = frozenset({e.WorkflowCreated, *CHANGES})

    def __init__(self) -> None:
        """Start with nothing in memory."""
        self._rows: dict[Key, Instance] = {}
        self._changed: set[Key] = set()

    def load(self, connection: Connection, events: Sequence[Event]) -> None:
        """Read the rows of these events' instances that are not in memory."""
        wanted: dict[str, set[str]] = defaultdict(set)
        for event in events:
            if self._concerns(event):
                key = key_of(event)
                if key not in self._rows:
                    wanted[key[0]].add(key[1])
        for tenant, ids in wanted.items():
            ordered = sorted(ids)
            for start in range(0, len(ordered), _SLICE):
                part = ordered[start : start + _SLICE]
                query = select(table).where(table.c.tenant == tenant, table.c.id.in_(part))
                for row in connection.execute(query):
                    self._rows[tenant, row.id] = instance_of(row)

    def _concerns(self, event: Event) -> bool:
        """Tell an instance's event from a channel's, which has incidents of its own."""
        return type(event.body) in self.handles and event.envelope.aggregate_type == "instance"

    def on(self, event: Event) -> None:
        """Apply one event; it must follow from the last one of its instance."""
        if not self._concerns(event):
            return
        key = key_of(event)
        row = self._rows[key] = followed(event, self._rows.get(key), "instance", _begun)
        if event.envelope.sequence > 1:
            change(row, event)
        self._changed.add(key)

    def save(self, connection: Connection) -> None:
        """Write each changed instance once; keep in memory those that go on."""
        if not self._changed:
            return
        rows = []
        for key in self._changed:
            values = _values(self._rows[key])
            rows.append(values)
            if values["ended_at"] is not None or _length(values) > _KEPT_LENGTH:
                del self._rows[key]
        connection.execute(upsert(connection, table), rows)
        self._changed.clear()
        if len(self._rows) > _KEPT_ROWS:
            self._rows.clear()

    def forget(self) -> None:
        """Drop all rows."""
        self._rows.clear()
        self._changed.clear()


def _begun(event: Event) -> Instance:
    """Return the row of an instance's first event."""
    row = created(event)
    if row is None:
        raise refused(event, "an instance does not begin with this event")
    return row


def _values(row: Instance) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in _COLUMNS}
    for name in _JSON:
        values[name] = text(values[name])
    return values


def _length(values: dict[str, Any]) -> int:
    return max(len(values[name]) for name in _JSON)


def instance_of(row: Row[Any]) -> Instance:
    """Return a database row as an instance."""
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    for name, opened in _JSON.items():
        values[name] = opened(values[name])
    return Instance(**values)


class Filter(NamedTuple):
    """Which instances to list; an empty field takes all."""

    tenant: str = ""
    states: tuple[str, ...] = ()
    """Without any: all but the deleted ones."""
    definition_id: str = ""
    definition_version: str = ""
    created_from: int = 0
    """Milliseconds since 1970, inclusive."""
    created_until: int = 0
    """Exclusive; 0 for no end."""
    parent_id: str = ""
    with_incidents: bool = False


class Page(NamedTuple):
    """A part of a list, newest first."""

    instances: list[Instance]
    cursor: str
    """Where the next page begins; empty at the end."""


def find(connection: Connection, instance_id: str, tenant: str = DEFAULT_TENANT) -> Instance | None:
    """Return an instance; None where the view has none of this id."""
    query = select(table).where(table.c.tenant == tenant, table.c.id == instance_id)
    row = connection.execute(query).first()
    return None if row is None else instance_of(row)


def page(connection: Connection, wanted: Filter, limit: int = 50, cursor: str = "") -> Page:
    """List instances, newest first; pages neither overlap nor skip while rows change."""
    order = tuple_(table.c.created_at, table.c.tenant, table.c.id)
    query = select(table).where(*_conditions(wanted))
    if cursor:
        query = query.where(order < tuple_(*_opened(cursor)))
    columns = (table.c.created_at.desc(), table.c.tenant.desc(), table.c.id.desc())
    rows = connection.execute(query.order_by(*columns).limit(limit + 1)).all()
    found = [instance_of(row) for row in rows[:limit]]
    return Page(found, _cursor(found[-1]) if len(rows) > limit else "")


def _conditions(wanted: Filter) -> Iterable[Any]:
    c = table.c
    if wanted.tenant:
        yield c.tenant == wanted.tenant
    yield c.state.in_(wanted.states) if wanted.states else c.state != DELETED
    if wanted.definition_id:
        yield c.definition_id == wanted.definition_id
    if wanted.definition_version:
        yield c.definition_version == wanted.definition_version
    if wanted.created_from:
        yield c.created_at >= wanted.created_from
    if wanted.created_until:
        yield c.created_at < wanted.created_until
    if wanted.parent_id:
        yield c.parent_id == wanted.parent_id
    if wanted.with_incidents:
        yield c.open_incidents > 0


def _cursor(last: Instance) -> str:
    data = msgspec.json.encode((last.created_at, last.tenant, last.id))
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _opened(cursor: str) -> tuple[int, str, str]:
    try:
        data = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        return msgspec.json.decode(data, type=tuple[int, str, str])
    except (binascii.Error, ValueError) as error:
        raise BadTokenError(f"{cursor!r} is no cursor: take it from the page before") from error
