"""The view of channels: one row each, what waits there and who waits for it."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select

from projections.channel import CHANGES, Channel, Kept, Subscriber
from projections.columns import text
from projections.events import Event
from projections.lives import Key, Lives, key_of
from projections.tables import channels as table
from schemas.ids import DEFAULT_TENANT

_subscribers = msgspec.json.Decoder(list[Subscriber]).decode
_messages = msgspec.json.Decoder(list[Kept]).decode


class Channels(Lives[Channel]):
    """Implements `View`."""

    name = "channels"
    table = table
    handles: frozenset[type[msgspec.Struct]] = frozenset(CHANGES)
    kind = "channel"

    def find(self, connection: Connection, key: Key) -> Channel | None:
        """Read a channel."""
        return find_channel(connection, key[1], key[0])

    def begin(self, event: Event) -> Channel:
        """Return a channel where nothing has happened."""
        tenant, channel = key_of(event)
        name, key = "", ""
        if "::" not in channel:  # Else the name is in a hash; a message will tell it.
            _, name, key = f"{channel}::".split(":")[:3]
        kind = channel.partition(":")[0]
        return Channel(tenant, channel, event.envelope.incarnation, kind, name, key)

    def change(self, row: Channel, event: Event) -> None:
        """Apply an event to its channel."""
        CHANGES[type(event.body)](row, event.body, event.envelope)

    def written(self, row: Channel) -> dict[str, Any]:
        """Return a channel's columns."""
        return {
            **msgspec.structs.asdict(row),
            "waiting": len(row.subscribers),
            "kept": len(row.messages),
            "subscribers": text(row.subscribers),
            "messages": text(row.messages),
        }


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
