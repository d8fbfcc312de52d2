"""A store of memory with the shape of `streams.runtime.store.Store`; one contract test
holds both.
"""

from __future__ import annotations

from collections.abc import Iterator

from streams.runtime.parts import decode_part, is_part
from streams.runtime.records import StateRecord, decode_state
from streams.runtime.store import Change, Meta


class MemoryStore:
    """What a disk would keep over a crash, in a dict."""

    def __init__(self) -> None:
        """Start empty."""
        self._states: dict[bytes, bytes] = {}
        self._meta: Meta | None = None

    def wipe(self) -> None:
        """Forget everything."""
        self._states.clear()
        self._meta = None

    def close(self) -> None:
        """Keep everything, as a disk does."""

    def meta(self) -> Meta | None:
        """Return what the store reflects."""
        return self._meta

    def get(self, key: bytes) -> bytes | None:
        """Return an aggregate's record."""
        return self._states.get(key)

    def write(self, changes: list[Change], meta: Meta) -> None:
        """Apply the changes of one committed batch."""
        self._apply([(change.key, change.value) for change in changes], meta)

    def load(self, records: list[tuple[bytes, bytes | None]], meta: Meta) -> None:
        """Apply a chunk of the changelog; `UnknownFormError` where this release cannot."""
        for key, value in records:
            if value is not None:
                (decode_part if is_part(key) else decode_state)(value)
        self._apply(records, meta)

    def _apply(self, records: list[tuple[bytes, bytes | None]], meta: Meta) -> None:
        for key, value in records:
            if value is None:
                self._states.pop(key, None)
            else:
                self._states[key] = value
        self._meta = meta

    def due(self, now: int, limit: int) -> list[tuple[int, bytes]]:
        """Return the aggregates whose earliest timer is due, earliest first."""
        found = [(record.next_due, key) for key, record in self._records()]
        return sorted((due, key) for due, key in found if 0 < due <= now)[:limit]

    def _records(self) -> Iterator[tuple[bytes, StateRecord]]:
        for key, value in self._states.items():
            if not is_part(key):
                yield key, decode_state(value)

    def drop_due(self, moment: int, key: bytes) -> None:
        """Do nothing: what is due is read off the records, and so is never stale."""

    def expired(self, now: int, limit: int) -> list[tuple[int, bytes]]:
        """Return the finished aggregates that may be forgotten."""
        found = [(record.expires, key) for key, record in self._records()]
        return sorted((moment, key) for moment, key in found if 0 < moment <= now)[:limit]

    def next_due(self) -> int:
        """Return the earliest due time, 0 for none."""
        first = self.due(1 << 62, 1)
        return first[0][0] if first else 0

    def states(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Iterate over all records, each aggregate's parts behind its own."""
        for key in sorted(self._states):
            if key.startswith(prefix):
                yield key, self._states[key]
