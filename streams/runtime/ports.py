"""What a shard needs of the outside: a transactional log. Kafka's stands in `kafka_log.py`,
a simulated one with injected crashes in `streams.testing.simulated_log`; one contract test
holds both.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple, Protocol


class Out(NamedTuple):
    """A record to produce."""

    topic: str
    """Full topic name."""
    partition: int
    """-1: by the key's hash."""
    key: bytes
    value: bytes | None
    headers: list[tuple[str, bytes]] | None = None


class Record(NamedTuple):
    """A record that was read."""

    offset: int
    timestamp: int
    """The broker's append time, milliseconds since 1970."""
    key: bytes | None
    value: bytes | None


class LogError(Exception):
    """Something about the transactional log."""


class FencedError(LogError):
    """A newer owner has taken the partition, or the outcome of a commit is not known."""


class AbortedError(LogError):
    """The transaction was aborted; nothing of it is visible. The batch may be tried again."""

    def __init__(self, reason: str, *, transport: bool) -> None:
        """Take the reason, and whether it was the connection rather than the data."""
        super().__init__(reason)
        self.transport = transport


class ChangelogSpan(NamedTuple):
    """What part of the changelog partition exists."""

    low: int
    high: int


class Log(Protocol):
    """The transactional log of one partition, as its owner sees it."""

    async def init(self) -> None:
        """Fence every older owner and settle its pending transaction (I1)."""
        ...

    async def transact(self, records: list[Out]) -> int:
        """Write all records in one transaction (I2).

        Returns:
            The changelog offset just past the last record (the position record).

        Raises:
            AbortedError: nothing was written.
            FencedError: ownership is lost, or the outcome is unknown.
        """
        ...

    async def changelog_span(self) -> ChangelogSpan:
        """Return first and end offset of the changelog partition, read committed."""
        ...

    async def log_start(self, topic: str) -> int:
        """Return the first offset that still exists of an input's partition."""
        ...

    def changelog(self, start: int) -> AsyncIterator[list[Record]]:
        """Read the changelog read-committed from an offset to its end, in chunks."""
        ...

    def identity(self) -> tuple[str, str]:
        """Return cluster id and changelog topic id."""
        ...

    async def close(self) -> None:
        """Let go; an open transaction is aborted."""
        ...
