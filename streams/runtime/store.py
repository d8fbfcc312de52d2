"""The local store of one partition: RocksDB, written only after a commit (I3).

Keys: `s` + store key (the record as in the changelog), `d` + due time + store key and
`x` + expiry time + store key (derived indexes), `m` (what of the changelog it reflects).
One WriteBatch per transaction, so that a crash leaves a clean prefix.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from rocksdict import (
    AccessType,
    BlockBasedOptions,
    Cache,
    Options,
    Rdict,
    ReadOptions,
    WriteBatch,
    WriteBufferManager,
)

from streams.runtime.parts import is_part
from streams.runtime.records import StateRecord, decode_state

_META = b"m"


class Meta(msgspec.Struct, frozen=True, array_like=True):
    """Which prefix of which changelog the store reflects."""

    cluster: str
    topic_id: str
    offset: int
    """Changelog offset just past the position record of `batch`."""
    batch: int
    time: int
    """Clock of that batch, milliseconds since 1970."""


class Memory:
    """One block cache and one write-buffer budget for all stores of a process."""

    def __init__(self, cache_bytes: int = 64 << 20, write_bytes: int = 64 << 20) -> None:
        """Set the two budgets, in bytes."""
        self.cache = Cache(cache_bytes)
        self.buffers = WriteBufferManager(write_bytes, allow_stall=False)

    def options(self) -> Options:
        """Return RocksDB options that share the budgets."""
        options = Options(raw_mode=True)
        options.create_if_missing(create_if_missing=True)
        options.set_write_buffer_size(16 << 20)
        options.set_max_background_jobs(2)
        options.set_max_open_files(256)
        options.set_write_buffer_manager(self.buffers)
        table = BlockBasedOptions()
        table.set_block_cache(self.cache)
        table.set_cache_index_and_filter_blocks(True)
        table.set_bloom_filter(10, block_based=False)
        options.set_block_based_table_factory(table)
        return options


def _due_key(index: bytes, moment: int, key: bytes) -> bytes:
    return index + moment.to_bytes(8, "big") + key


class Change(msgspec.Struct, gc=False):
    """One aggregate's record, before and after a batch."""

    key: bytes
    value: bytes | None
    """The new record, or None to forget the aggregate."""
    due: int
    expires: int
    old_due: int
    old_expires: int


class Store:
    """The committed state of one partition."""

    def __init__(self, path: Path, memory: Memory) -> None:
        """Open or create the store in a directory of its own."""
        self._path = path
        self._memory = memory
        self._open()

    def _open(self) -> None:
        self._path.mkdir(parents=True, exist_ok=True)
        self._db = Rdict(
            str(self._path), self._memory.options(), access_type=AccessType.read_write()
        )

    def wipe(self) -> None:
        """Forget everything: the store will be rebuilt from the changelog."""
        self._db.close()
        shutil.rmtree(self._path)
        self._open()

    def close(self) -> None:
        """Flush and close."""
        self._db.close()

    def meta(self) -> Meta | None:
        """Return what the store reflects; None for an empty or unreadable one."""
        data = self._db.get(_META)
        try:
            return None if data is None else msgspec.msgpack.decode(data, type=Meta)
        except msgspec.MsgspecError:
            return None

    def get(self, key: bytes) -> bytes | None:
        """Return an aggregate's record."""
        value: bytes | None = self._db.get(b"s" + key)
        return value

    def write(self, changes: list[Change], meta: Meta) -> None:
        """Apply the changes of one committed batch, and what the store now reflects."""
        batch = WriteBatch(raw_mode=True)
        for change in changes:
            _put(batch, change)
        batch.put(_META, msgspec.msgpack.encode(meta))
        self._db.write(batch)

    def load(self, records: list[tuple[bytes, bytes | None]], meta: Meta) -> None:
        """Apply a chunk of the changelog while catching up; later records win."""
        changes = []
        for key, value in dict(records).items():
            if is_part(key):
                changes.append(Change(key, value, 0, 0, 0, 0))
                continue
            before = _moments(self.get(key))
            after = _moments(value)
            changes.append(Change(key, value, *after, *before))
        self.write(changes, meta)

    def due(self, now: int, limit: int) -> list[tuple[int, bytes]]:
        """Return the aggregates whose earliest timer is due, earliest first."""
        return self._until(b"d", now, limit)

    def drop_due(self, moment: int, key: bytes) -> None:
        """Take an entry that its aggregate's record does not bear out from the due index."""
        self._db.delete(_due_key(b"d", moment, key))

    def expired(self, now: int, limit: int) -> list[tuple[int, bytes]]:
        """Return the finished aggregates that may be forgotten."""
        return self._until(b"x", now, limit)

    def next_due(self) -> int:
        """Return the earliest due time, 0 for none."""
        first = self._until(b"d", (1 << 62), 1)
        return first[0][0] if first else 0

    def states(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Iterate over all records (store key, record), each aggregate's parts behind its own."""
        start = b"s" + prefix
        for key, value in self._db.items(from_key=start):
            raw: Any = key
            if not raw.startswith(start):
                return
            yield raw[1:], value

    def _until(self, index: bytes, now: int, limit: int) -> list[tuple[int, bytes]]:
        options = ReadOptions()
        options.set_iterate_upper_bound(_due_key(index, now + 1, b""))
        found: list[tuple[int, bytes]] = []
        keys: Iterator[Any] = iter(self._db.keys(from_key=index, read_opt=options))
        for key in keys:
            found.append((int.from_bytes(key[1:9], "big"), key[9:]))
            if len(found) >= limit:
                break
        return found


def _moments(value: bytes | None) -> tuple[int, int]:
    if value is None:
        return 0, 0
    record: StateRecord = decode_state(value)
    return record.next_due, record.expires


def _put(batch: WriteBatch, change: Change) -> None:
    key = change.key
    if change.value is None:
        batch.delete(b"s" + key)
    else:
        batch.put(b"s" + key, change.value)
    if change.old_due != change.due:
        _move(batch, b"d", change.old_due, change.due, key)
    if change.old_expires != change.expires:
        _move(batch, b"x", change.old_expires, change.expires, key)


def _move(batch: WriteBatch, index: bytes, old: int, new: int, key: bytes) -> None:
    if old:
        batch.delete(_due_key(index, old, key))
    if new:
        batch.put(_due_key(index, new, key), b"")
