"""Where the oracle keeps the states that it folds: in memory, or on disk in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from rocksdict import Rdict, WriteBatch, WriteOptions

from streams.domain.protocol import Aggregate
from streams.runtime.store import Memory

_CACHED = 20_000
_CACHE_BYTES = 32 << 20


class Shelf(Protocol):
    """Folded states by store key, and which command began which instance."""

    def get(self, key: bytes) -> Any | None:
        """Return a state, None where there is none."""
        ...

    def put(self, key: bytes, state: Any) -> None:
        """Keep a state."""
        ...

    def items(self) -> Iterator[tuple[bytes, Any]]:
        """Iterate over all states in the order of their keys."""
        ...

    def begin(self, command: str, aggregate_id: str) -> str:
        """Note what a command began; return what it had begun before, or nothing."""
        ...


class MemoryShelf:
    """Everything in two dicts."""

    def __init__(self) -> None:
        """Start empty."""
        self.states: dict[bytes, Any] = {}
        self._begun: dict[str, str] = {}

    def get(self, key: bytes) -> Any | None:
        """Return a state, None where there is none."""
        return self.states.get(key)

    def put(self, key: bytes, state: Any) -> None:
        """Keep a state."""
        self.states[key] = state

    def items(self) -> Iterator[tuple[bytes, Any]]:
        """Iterate over all states in the order of their keys."""
        for key in sorted(self.states):
            yield key, self.states[key]

    def begin(self, command: str, aggregate_id: str) -> str:
        """Note what a command began; return what it had begun before, or nothing."""
        before = self._begun.get(command, "")
        self._begun[command] = aggregate_id
        return before


class Bytes:
    """Bytes by key in a folder of their own, which nobody needs after a crash."""

    def __init__(self, path: Path) -> None:
        """Create the folder."""
        self._db = Rdict(str(path), Memory(_CACHE_BYTES, _CACHE_BYTES).options())
        self._unlogged = WriteOptions()
        self._unlogged.disable_wal = True  # type: ignore[method-assign, assignment]

    def get(self, key: bytes) -> bytes | None:
        """Return a value."""
        value: bytes | None = self._db.get(key)
        return value

    def write(self, changes: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Put values; None forgets one. Later ones win."""
        batch = WriteBatch(raw_mode=True)
        for key, value in changes:
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        self._db.write(batch, self._unlogged)

    def items(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Iterate in the order of the keys, which are given without the prefix."""
        for key, value in self._db.items(from_key=prefix or None):
            raw: Any = key
            if not raw.startswith(prefix):
                return
            yield raw[len(prefix) :], value

    def close(self) -> None:
        """Let go of the folder."""
        self._db.close()


class DiskShelf:
    """The states used last in memory, all others on disk; what is over as the engine keeps it."""

    def __init__(
        self, path: Path, aggregates: Mapping[str, Aggregate], cached: int = _CACHED
    ) -> None:
        """Keep at most `cached` states in memory."""
        self._disk = Bytes(path)
        self._aggregates = aggregates
        self._cached = cached
        self._states: dict[bytes, Any] = {}
        self._begun: dict[bytes, str] = {}

    def _of(self, key: bytes) -> Aggregate:
        return self._aggregates[key.split(b"/", 1)[0].decode()]

    def get(self, key: bytes) -> Any | None:
        """Return a state, None where there is none."""
        state = self._states.pop(key, None)
        if state is None:
            data = self._disk.get(b"s" + key)
            if data is None:
                return None
            state = self._of(key).decode(data)
        self.put(key, state)
        return state

    def put(self, key: bytes, state: Any) -> None:
        """Keep a state."""
        self._states.pop(key, None)
        self._states[key] = state
        if len(self._states) > self._cached:
            self._spill(self._cached // 2)

    def _spill(self, count: int) -> None:
        """Write the states that were used least lately, and what was begun."""
        spilt = list(self._states)[:count]
        self._disk.write((b"s" + key, self._bytes(key)) for key in spilt)
        for key in spilt:
            del self._states[key]
        self._disk.write((key, name.encode()) for key, name in self._begun.items())
        self._begun.clear()

    def _bytes(self, key: bytes) -> bytes:
        aggregate, state = self._of(key), self._states[key]
        return aggregate.encode(aggregate.remnant(state) if aggregate.is_finished(state) else state)

    def items(self) -> Iterator[tuple[bytes, Any]]:
        """Iterate over all states in the order of their keys."""
        self._spill(len(self._states))
        for key, data in self._disk.items(b"s"):
            yield key, self._of(key).decode(data)

    def begin(self, command: str, aggregate_id: str) -> str:
        """Note what a command began; return what it had begun before, or nothing."""
        key = b"c" + command.encode()
        before = self._begun.get(key) or (self._disk.get(key) or b"").decode()
        self._begun[key] = aggregate_id
        return before

    def close(self) -> None:
        """Let go of the folder."""
        self._disk.close()
