"""The published definitions of a sentence: what an engine would have read of them."""

from __future__ import annotations

from streams.domain.net.device_starts import NOTHING_STARTED, DeviceStarts
from streams.domain.net.model import Definition, Version
from streams.domain.net.starts import StartsByName
from streams.domain.net.version_ranges import is_exact, newest
from streams.forms import read_definition


class KnownDefinitions:
    """The published definitions of a spec; every queue has a topic unless it is missing."""

    def __init__(
        self,
        sources: tuple[str, ...],
        missing_queues: frozenset[str],
        deleted: frozenset[str] = frozenset(),
    ) -> None:
        """Read the sources; an unusable one is an `AssertionError` that says why."""
        self._all: list[Definition] = []
        self._missing = missing_queues
        self._deleted = deleted
        self._sources: dict[tuple[str, str], str] = {}
        for source in sources:
            read = read_definition(source)
            assert not isinstance(read, list), "\n".join(map(str, read))
            self._all.append(read)
            self._sources[read.id, str(read.version)] = source
        self._device_starts = NOTHING_STARTED
        for position, one in enumerate(sorted(self._all, key=lambda one: one.version), 1):
            self._device_starts = self._device_starts.put(one, position)

    def find(self, tenant: str, definition_id: str, version: str) -> Definition | None:
        """Return that version, or the newest in that range, empty for any."""
        chosen = str(newest(self.versions(tenant, definition_id), version))
        if is_exact(version):
            chosen = version
        found = (d for d in self._all if d.id == definition_id and str(d.version) == chosen)
        return next(found, None)

    def versions(self, tenant: str, definition_id: str) -> list[Version]:
        """Return the published versions of a definition."""
        del tenant
        mine = [d.version for d in self._all if d.id == definition_id]
        return [one for one in mine if not self.is_deleted("", definition_id, str(one))]

    def is_deleted(self, tenant: str, definition_id: str, version: str) -> bool:
        """Tell whether that version is deleted."""
        del tenant
        return f"{definition_id}@{version}" in self._deleted

    def source(self, tenant: str, definition_id: str, version: str) -> str:
        """Return the source of a version, empty where none is known."""
        del tenant
        return self._sources.get((definition_id, version), "")

    def started_by(self, tenant: str, kind: str, name: str) -> list[str]:
        """Return the definitions whose newest version a message or a signal starts."""
        del tenant
        known = StartsByName()
        for definition in sorted(self._all, key=lambda one: one.version):
            known.put(definition)
        return known.of(kind, name)

    def device_starts(self, tenant: str) -> DeviceStarts:
        """Return what devices start: by the newest version of each definition."""
        del tenant
        return self._device_starts

    def queue_exists(self, queue: str) -> bool:
        """Tell whether the queue is not one of the missing ones."""
        return queue not in self._missing
