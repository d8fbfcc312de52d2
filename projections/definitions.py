"""The view of workflow definitions: one row per version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select

from projections.events import Event, refused
from projections.tables import definitions as table
from projections.view import upsert
from schemas.definition_events import (
    DefinitionDeleted,
    DefinitionPublished,
    DefinitionRefused,
    DefinitionSubmitted,
    ScheduleFired,
)
from schemas.events import ErrorOccurred, IncidentResolved
from schemas.ids import DEFAULT_TENANT

Handled = (
    DefinitionSubmitted
    | DefinitionPublished
    | DefinitionRefused
    | DefinitionDeleted
    | ScheduleFired
)
SUBMITTED, PUBLISHED, REFUSED, DELETED = "submitted", "published", "refused", "deleted"


class Version(msgspec.Struct):
    """One version of a definition. Times are milliseconds since 1970."""

    tenant: str
    id: str
    version: str
    state: str
    """`submitted`, `published`, `refused` or `deleted`."""
    sequence: int
    """Of its last event, counted over all versions of the definition."""
    source: str
    code: str
    """Why it was refused."""
    message: str
    """The same in words; of a published one what does not hold, or is worth a word."""
    submitted_at: int
    submitted_by: str
    decided_at: int | None
    """When it was published or refused."""
    partition: int
    position: int
    verdict: str = ""
    """`sound`, `unsound` or `unknown`; empty: not judged, or by a view of a former release."""
    deleted_at: int | None = None
    deleted_by: str = ""
    reason: str = ""
    """Why it was deleted."""


class Definitions:
    """Implements `View`."""

    name = "definitions"
    table = table
    handles: frozenset[type[msgspec.Struct]] = frozenset(
        {
            DefinitionSubmitted,
            DefinitionPublished,
            DefinitionRefused,
            DefinitionDeleted,
            ScheduleFired,
            ErrorOccurred,
            IncidentResolved,
        }
    )

    def __init__(self) -> None:
        """Start with nothing in memory."""
        self._rows: dict[tuple[str, str], dict[str, Version]] = {}
        self._changed: dict[tuple[str, str, str], Version] = {}

    def _concerns(self, event: Event) -> bool:
        """Tell whether an event is of a definition: what a defect stops is told of others too."""
        return type(event.body) in self.handles and event.envelope.aggregate_type == "definition"

    def load(self, connection: Connection, events: Sequence[Event]) -> None:
        """Read every version of the definitions that these events are of."""
        for event in events:
            key = event.envelope.context.tenant, event.envelope.aggregate_id
            if self._concerns(event) and key not in self._rows:
                found = versions(connection, tenant=key[0], definition_id=key[1])
                self._rows[key] = {one.version: one for one in found}

    def on(self, event: Event) -> None:
        """Apply one event; it must follow from the last one of its definition."""
        body, envelope = event.body, event.envelope
        if not self._concerns(event):
            return
        key = envelope.context.tenant, envelope.aggregate_id
        known = self._rows[key]
        before = max((one.sequence for one in known.values()), default=0)
        if envelope.sequence != before + 1:
            raise refused(event, f"the view has the definition at sequence {before}")
        if isinstance(body, ErrorOccurred | IncidentResolved):
            # It is of no version: that which has the definition's sequence keeps it.
            row = max(known.values(), key=lambda one: one.sequence)
            row.sequence, row.position = envelope.sequence, envelope.position
            self._changed[*key, row.version] = row
            return
        assert isinstance(body, Handled)
        if isinstance(body, DefinitionSubmitted):
            row = known[body.version] = _submitted(event, body)
        elif body.version not in known:
            raise refused(event, f"version {body.version} was not submitted")
        else:
            row = known[body.version]
            row.sequence, row.position = envelope.sequence, envelope.position
            if isinstance(body, DefinitionDeleted):
                row.state, row.reason = DELETED, body.reason
                row.deleted_at, row.deleted_by = envelope.time, envelope.context.actor
            elif not isinstance(body, ScheduleFired):
                _decide(row, event, body)
        self._changed[*key, body.version] = row

    def save(self, connection: Connection) -> None:
        """Write each changed version once."""
        if self._changed:
            rows = [msgspec.structs.asdict(row) for row in self._changed.values()]
            connection.execute(upsert(connection, table), rows)
        self.forget()

    def forget(self) -> None:
        """Drop all rows: definitions are few, and their sources are large."""
        self._rows.clear()
        self._changed.clear()


def _submitted(event: Event, body: DefinitionSubmitted) -> Version:
    envelope = event.envelope
    return Version(
        envelope.context.tenant,
        envelope.aggregate_id,
        body.version,
        SUBMITTED,
        envelope.sequence,
        body.source,
        "",
        "",
        envelope.time,
        envelope.context.actor,
        None,
        event.partition,
        envelope.position,
    )


def _decide(row: Version, event: Event, body: DefinitionPublished | DefinitionRefused) -> None:
    envelope = event.envelope
    row.decided_at, row.verdict = envelope.time, body.verdict
    if isinstance(body, DefinitionRefused):
        row.state, row.code, row.message = REFUSED, body.code, body.message
    else:
        row.state, row.code, row.message = PUBLISHED, "", body.message


def versions(
    connection: Connection, *, tenant: str = DEFAULT_TENANT, definition_id: str = ""
) -> list[Version]:
    """Return the versions of one definition, or of all, in order of id and submission."""
    c = table.c
    query = select(table).where(c.tenant == tenant)
    if definition_id:
        query = query.where(c.id == definition_id)
    rows = connection.execute(query.order_by(c.id, c.submitted_at, c.sequence))
    return [_version(row) for row in rows]


def _version(row: Row[Any]) -> Version:
    return Version(*tuple(row))
