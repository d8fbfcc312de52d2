"""The view of channels: one row each, what waits there and who waits for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select

from projections.channel import CHANGES, Channel, Kept, Subscriber
from projections.columns import text
from projections.events import Event, refused
from projections.tables import channels as table
from projections.view import upsert
from schemas.ids import DEFAULT_TENANT

Key = tuple[str, str]
"""Tenant and id."""
_subscribers = msgspec.json.Decoder(list[Subscriber]).decode
_messages = msgspec.json.Decoder(list[Kept]).decode


class Channels:
    """Implements `View`."""

    name = "channels"
    table = table
    handles: frozenset[type[msgspec.Struct]] = frozenset(CHANGES)

    def __init__(self) -> None:
        """Start with nothing in memory."""
        self._rows: dict[Key, Channel | None] = {}
        self._changed: set[Key] = set()

    def _concerns(self, event: Event) -> bool:
        return type(event.body) in self.handles and event.envelope.aggregate_type == "channel"

    def load(self, connection: Connection, events: Sequence[Event]) -> None:
        """Read the rows of these events' channels."""
        for event in events:
            key = event.envelope.context.tenant, event.envelope.aggregate_id
            if self._concerns(event) and key not in self._rows:
                self._rows[key] = find_channel(connection, key[1], key[0])

    def on(self, event: Event) -> None:
        """Apply one event; it must follow from the last one of its channel."""
        if not self._concerns(event):
            return
        envelope = event.envelope
        key = envelope.context.tenant, envelope.aggregate_id
        row = self._rows[key]
        if envelope.sequence == 1:
            row = self._rows[key] = _begun(event, row)
        elif row is None:
            raise refused(event, "its channel is not in the view")
        elif (envelope.incarnation, envelope.sequence) != (row.incarnation, row.sequence + 1):
            place = f"{row.id}@{row.incarnation}:{row.sequence}"
            raise refused(event, f"the view has the channel at {place}")
        CHANGES[type(event.body)](row, event.body, envelope)
        row.sequence, row.updated_at = envelope.sequence, envelope.time
        row.partition, row.position = event.partition, envelope.position
        self._changed.add(key)

    def save(self, connection: Connection) -> None:
        """Write each changed channel once."""
        found = [self._rows[key] for key in self._changed]
        rows = [
            {
                **msgspec.structs.asdict(row),
                "waiting": len(row.subscribers),
                "kept": len(row.messages),
                "subscribers": text(row.subscribers),
                "messages": text(row.messages),
            }
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


def _begun(event: Event, before: Channel | None) -> Channel:
    """Return the row of a channel's first event; one that was swept begins another life."""
    envelope = event.envelope
    life = envelope.incarnation
    if before is not None and (len(life), life) <= (len(before.incarnation), before.incarnation):
        raise refused(event, f"{before.id}@{before.incarnation} began already, and is not older")
    name, key = "", ""
    if "::" not in envelope.aggregate_id:  # Else the name is in a hash; a message will tell it.
        _, name, key = (envelope.aggregate_id + "::").split(":")[:3]
    kind = envelope.aggregate_id.partition(":")[0]
    tenant = envelope.context.tenant
    return Channel(tenant, envelope.aggregate_id, life, kind, name, key)


def find_channel(
    connection: Connection, channel: str, tenant: str = DEFAULT_TENANT
) -> Channel | None:
    """Return a channel's row; None where the view has none."""
    query = select(table).where(table.c.tenant == tenant, table.c.id == channel)
    row = connection.execute(query).first()
    return None if row is None else channel_of(row)


def list_channels(
    connection: Connection,
    *,
    tenant: str = DEFAULT_TENANT,
    at_rest: bool = False,
    after: str = "",
    limit: int = 50,
) -> list[Channel]:
    """Return the channels where something waits, or all, in order of id, past an id."""
    c = table.c
    query = select(table).where(c.tenant == tenant, c.id > after)
    if not at_rest:
        query = query.where((c.waiting > 0) | (c.kept > 0))
    return [channel_of(row) for row in connection.execute(query.order_by(c.id).limit(limit))]


def channel_of(row: Row[Any]) -> Channel:
    """Read a row."""
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    del values["waiting"], values["kept"]
    values["subscribers"] = _subscribers(values["subscribers"])
    values["messages"] = _messages(values["messages"])
    return Channel(**values)
