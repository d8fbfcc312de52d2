"""Every version that `workflow.definitions` holds: how it stands, whom it speaks with."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import structlog

from schemas.definitions import DefinitionRecord
from schemas.envelope import Envelope
from streams.domain.definition.state import PUBLISHED, order, source_hash
from streams.domain.net.contacts import Contacts, contacts_of
from streams.domain.net.model import Definition, Version
from streams.domain.net.version_ranges import newest
from streams.forms import Problem, read_definition

log = structlog.get_logger(__name__)
ReadSource = Callable[[str], Definition | list[Problem]]
NOTHING = Contacts(frozenset(), frozenset(), frozenset())


class Entry(NamedTuple):
    """The last record of a version."""

    record: DefinitionRecord
    time: int
    """When it was written, ms since 1970 by the engine's clock."""


class Library:
    """The versions of all definitions, by tenant and id."""

    def __init__(self, read_source: ReadSource = read_definition) -> None:
        """Know of nothing; take the reader of sources."""
        self._read_source = read_source
        self._entries: dict[tuple[str, str], dict[str, Entry]] = {}
        self._contacts: dict[bytes, Contacts] = {}

    def add(self, envelope: Envelope, record: DefinitionRecord) -> None:
        """Take the next record of a version."""
        self.put(envelope.context.tenant, Entry(record, envelope.time))

    def put(self, tenant: str, entry: Entry) -> None:
        """Let a version stand so, until its next record says otherwise."""
        record = entry.record
        self._entries.setdefault((tenant, record.definition_id), {})[record.version] = entry

    def entry(self, tenant: str, definition_id: str, version: str) -> Entry | None:
        """Return how a version stands; None where it is not known."""
        return self._entries.get((tenant, definition_id), {}).get(version)

    def published(self, tenant: str, definition_id: str) -> dict[Version, DefinitionRecord]:
        """Return the versions of a definition that are published and not deleted."""
        entries = self._entries.get((tenant, definition_id), {}).values()
        return {
            order(one.record.version): one.record
            for one in entries
            if one.record.status == PUBLISHED
        }

    def newest(self, tenant: str, definition_id: str) -> DefinitionRecord | None:
        """Return the newest published version."""
        found = self.published(tenant, definition_id)
        version = newest(found, "")
        return None if version is None else found[version]

    def ids(self, tenant: str) -> list[str]:
        """Return the ids of a tenant's definitions, in their order."""
        return sorted(name for owner, name in self._entries if owner == tenant)

    def contacts(self, record: DefinitionRecord) -> Contacts:
        """Return what connects a version with others; it is read once."""
        key = source_hash(record.source)
        if key not in self._contacts:
            self._contacts[key] = self._read(record)
        return self._contacts[key]

    def _read(self, record: DefinitionRecord) -> Contacts:
        name = f"{record.definition_id}@{record.version}"
        try:
            definition = self._read_source(record.source)
        except Exception:
            # An engine has read it before; whatever is wrong here, the others are judged.
            log.exception("a definition cannot be read", definition=name)
            return NOTHING
        if isinstance(definition, list):
            log.error("this release cannot read a definition", definition=name)
            return NOTHING
        return contacts_of(definition)
