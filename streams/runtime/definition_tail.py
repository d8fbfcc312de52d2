"""The definitions that this process knows: the whole of `workflow.definitions`, tailed.

Each process reads every partition from the start, read committed, and keeps the
published versions. A command may carry the position of the newest definition that its
sender saw; the shard then waits for it before its transaction begins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import structlog

from schemas.codec import DecodeError, decode
from schemas.commands import CreateInstance, RunInstance, StartChild, TriggerInstance
from schemas.definition_commands import DeleteDefinition
from schemas.definitions import DefinitionRecord
from schemas.watch_commands import LookForStarts
from streams.domain.net.device_starts import NOTHING_STARTED, DeviceStarts
from streams.domain.net.model import Definition, Version
from streams.domain.net.starts import StartsByName
from streams.domain.net.version_ranges import is_exact, newest
from streams.runtime.inbox import Item

log = structlog.get_logger(__name__)
_BEGINNINGS: Final = frozenset({RunInstance, CreateInstance, StartChild, TriggerInstance})
SourceReader = Callable[[str], Definition | list[str]]


class DefinitionTail(Protocol):
    """What a shard does before it decides a batch."""

    async def prepare(self, items: list[Item]) -> None:
        """Wait until the definitions that these commands need are known, or cannot be."""
        ...


class DefinitionBook:
    """Published versions by tenant and id; filled by a tail, read by decisions."""

    def __init__(self, read_source: SourceReader, queue_exists: Callable[[str], bool]) -> None:
        """Take the reader of sources, and what tells whether a queue has a topic."""
        self._read_source = read_source
        self._queue_exists = queue_exists
        self._versions: dict[tuple[str, str], dict[str, Definition]] = {}
        self._sources: dict[tuple[str, str, str], str] = {}
        self._deleted: set[tuple[str, str, str]] = set()
        self._latest: dict[tuple[str, str], Definition] = {}
        self._starts: dict[str, StartsByName] = {}
        self._device_starts: dict[str, DeviceStarts] = {}
        self.seen: dict[int, int] = {}
        """Highest position number of a definition record, by partition."""

    def find(self, tenant: str, definition_id: str, version: str) -> Definition | None:
        """Return that version, or the newest in that range, empty for any; None if unknown."""
        key = (tenant, definition_id)
        if not version:
            return self._latest.get(key)
        known = self._versions.get(key, {})
        if version in known or is_exact(version):
            return known.get(version)
        chosen = newest(self.versions(tenant, definition_id), version)
        return None if chosen is None else known[str(chosen)]

    def versions(self, tenant: str, definition_id: str) -> list[Version]:
        """Return the published versions of a definition that are not deleted."""
        return [
            one.version
            for version, one in list(self._versions.get((tenant, definition_id), {}).items())
            if not self.is_deleted(tenant, definition_id, version)
        ]

    def is_deleted(self, tenant: str, definition_id: str, version: str) -> bool:
        """Tell whether that version is deleted."""
        return (tenant, definition_id, version) in self._deleted

    def source(self, tenant: str, definition_id: str, version: str) -> str:
        """Return the source of a version that was published, empty where none is known."""
        return self._sources.get((tenant, definition_id, version), "")

    def started_by(self, tenant: str, kind: str, name: str) -> list[str]:
        """Return the definitions whose newest version a message or a signal starts."""
        known = self._starts.get(tenant)
        return [] if known is None else known.of(kind, name)

    def device_starts(self, tenant: str) -> DeviceStarts:
        """Return what devices start: one value, read while a tail puts another in its place."""
        return self._device_starts.get(tenant, NOTHING_STARTED)

    def queue_exists(self, queue: str) -> bool:
        """Tell whether the activity queue has a topic."""
        return self._queue_exists(queue)

    def all(self) -> list[tuple[str, Definition]]:
        """Return every published version with its tenant."""
        return [
            (tenant, definition)
            for (tenant, _), versions in self._versions.items()
            for definition in versions.values()
        ]

    def add(self, partition: int, value: bytes | None) -> None:
        """Take one record of `workflow.definitions`."""
        if value is None:
            return
        try:
            envelope, body = decode(value)
        except DecodeError as error:
            log.exception("unreadable definition record", partition=partition, error=str(error))
            return
        if not isinstance(body, DefinitionRecord):
            return
        tenant = envelope.context.tenant
        if body.status == "published":
            self._publish(tenant, body, envelope.position)
        elif body.status == "deleted" and body.was_published:
            self._delete(tenant, body, envelope.position)
        self.seen[partition] = max(self.seen.get(partition, 0), envelope.position)

    def _publish(self, tenant: str, body: DefinitionRecord, position: int) -> None:
        definition = self._read(tenant, body)
        key = (tenant, body.definition_id)
        latest = self._latest.get(key)
        if definition is not None and (latest is None or _order(latest) < _order(definition)):
            self._latest[key] = definition
            self._starts.setdefault(tenant, StartsByName()).put(definition)
            self._device_starts[tenant] = self.device_starts(tenant).put(definition, position)

    def _delete(self, tenant: str, body: DefinitionRecord, position: int) -> None:
        """Keep a version for what runs it; the newest one that is left takes over."""
        key = (tenant, body.definition_id)
        if body.version not in self._versions.get(key, {}):
            self._read(tenant, body)  # The topic is compacted: this may be all that is left of it.
        self._deleted.add((*key, body.version))
        latest = newest(self.versions(*key), "")
        starts, by_device = (
            self._starts.setdefault(tenant, StartsByName()),
            self.device_starts(tenant),
        )
        if latest is None:
            self._latest.pop(key, None)
            starts.drop(body.definition_id)
            self._device_starts[tenant] = by_device.drop(body.definition_id, position)
        else:
            self._latest[key] = self._versions[key][str(latest)]
            starts.put(self._latest[key])
            self._device_starts[tenant] = by_device.put(self._latest[key], position)

    def _read(self, tenant: str, body: DefinitionRecord) -> Definition | None:
        definition = self._read_source(body.source)
        if isinstance(definition, list):
            log.error(
                "a published definition cannot be read by this release",
                definition=body.definition_id,
                version=body.version,
                problems=definition,
            )
            return None
        self._versions.setdefault((tenant, body.definition_id), {})[body.version] = definition
        self._sources[tenant, body.definition_id, body.version] = body.source
        return definition


def _order(definition: Definition) -> Version:
    return definition.version


def wanted(items: Sequence[Item], book: DefinitionBook) -> tuple[dict[int, int], bool]:
    """Return the positions that a batch waits for, and whether it names unknown definitions."""
    positions: dict[int, int] = {}
    unknown = False
    known: set[tuple[str, str, str]] = set()
    for item in items:
        if item.message is None:
            continue
        envelope, body = item.message
        if envelope.definitions_seen:
            partition, _, number = envelope.definitions_seen.partition(":")
            if partition.isdecimal() and number.isdecimal():
                owner = int(partition)
                positions[owner] = max(positions.get(owner, 0), int(number))
        kind = type(body)
        if kind in _BEGINNINGS:
            begun: Any = body
            place = (envelope.context.tenant, begun.definition_id, begun.version)
            if place not in known:  # Most of a batch begin the same.
                known.add(place)
                unknown = unknown or book.find(*place) is None
        elif kind is DeleteDefinition or kind is LookForStarts:
            unknown = True  # It is of what was published, or deleted, just before.
    missing = {p: n for p, n in positions.items() if book.seen.get(p, 0) < n}
    return missing, unknown
