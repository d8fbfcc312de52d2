"""A Kafka of memory: partitions, transactions, fencing, and faults as values.

Implements `ports.Log` with the guarantees that the real one gives and no others:
read-committed readers stop at the first open transaction, markers take offsets, a new
owner's `init` aborts what the old one left open, and an old owner's next step is fenced.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from enum import StrEnum

import msgspec

from schemas.partition import partition_of
from streams.runtime.ports import AbortedError, ChangelogSpan, FencedError, Out, Record
from topics.names import Names


class Step(StrEnum):
    """The numbered steps of a batch at which a fault may strike."""

    BEGIN = "begin"
    PRODUCE = "produce"
    """In the middle of producing."""
    FLUSHED = "flushed"
    """All records are in the log, nothing is committed."""
    COMMIT_LOST = "commit lost"
    """The commit stands, its answer never arrives."""
    COMMITTED = "committed"
    """The commit stands and is known, the store is not written."""


class Fault(StrEnum):
    """What strikes."""

    CRASH = "crash"
    """The process is gone, as with kill -9."""
    ABORT = "abort"
    """The transaction fails and is aborted."""
    FENCE = "fence"
    """The outcome is unknown to the owner, who must take the partition again."""


class CrashError(BaseException):
    """The simulated process is dead; no handler may catch it."""


class Entry(msgspec.Struct):
    """One record, or a transaction's marker, in a partition."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]
    transaction: tuple[str, int] | None
    """Transactional id and number; None outside of one."""
    marker: bool = False


class SimulatedKafka:
    """All partitions of all topics, the transactions, and the broker's clock."""

    def __init__(self, names: Names, partitions: int, clock: Callable[[], int]) -> None:
        """Start empty."""
        self.names = names
        self.partitions = partitions
        self.clock = clock
        self.identity = ("simulated-cluster", "simulated-topic")
        self._logs: dict[tuple[str, int], list[Entry]] = {}
        self._starts: dict[tuple[str, int], int] = {}
        self._epochs: dict[str, int] = {}
        self._open: dict[str, tuple[int, set[tuple[str, int]]]] = {}
        self._aborted: set[tuple[str, int]] = set()
        self._transactions = 0

    def log(self, topic: str, partition: int) -> list[Entry]:
        """Return a partition's entries, committed or not."""
        return self._logs.setdefault((topic, partition), [])

    def topics(self) -> set[tuple[str, int]]:
        """Return every partition that was written."""
        return set(self._logs)

    def append(self, out: Out, transaction: tuple[str, int] | None = None) -> int:
        """Append a record; return its offset."""
        partition = out.partition
        if partition < 0:
            partition = partition_of(out.key, self.partitions)
        entries = self.log(out.topic, partition)
        offset = len(entries)
        headers = out.headers or []
        entries.append(Entry(offset, self.clock(), out.key, out.value, headers, transaction))
        if transaction is not None:
            self._open[transaction[0]][1].add((out.topic, partition))
        return offset

    def take_over(self, transactional_id: str) -> int:
        """Give a new epoch; what the former left open is aborted."""
        if transactional_id in self._open:
            self.end(transactional_id, commit=False)
        epoch = self._epochs.get(transactional_id, 0) + 1
        self._epochs[transactional_id] = epoch
        return epoch

    def epoch(self, transactional_id: str) -> int:
        """Return the newest epoch."""
        return self._epochs.get(transactional_id, 0)

    def begin(self, transactional_id: str) -> tuple[str, int]:
        """Open a transaction."""
        self._transactions += 1
        self._open[transactional_id] = (self._transactions, set())
        return transactional_id, self._transactions

    def end(self, transactional_id: str, *, commit: bool) -> None:
        """Commit or abort the open transaction: markers in every partition it touched."""
        number, touched = self._open.pop(transactional_id)
        if not commit:
            self._aborted.add((transactional_id, number))
        for place in sorted(touched):
            entries = self.log(*place)
            marker = Entry(len(entries), self.clock(), None, None, [], None, marker=True)
            entries.append(marker)

    def committed(self, topic: str, partition: int, start: int = 0) -> list[Entry]:
        """Return what a read-committed consumer sees from an offset on."""
        opened = {(name, number) for name, (number, _) in self._open.items()}
        seen = []
        for entry in self.log(topic, partition)[start:]:
            if entry.transaction in opened:
                break
            if not entry.marker and entry.transaction not in self._aborted:
                seen.append(entry)
        return seen

    def end_offset(self, topic: str, partition: int) -> int:
        """Return where a read-committed consumer's end of the partition is."""
        opened = {(name, number) for name, (number, _) in self._open.items()}
        for entry in self.log(topic, partition):
            if entry.transaction in opened:
                return entry.offset
        return len(self.log(topic, partition))

    def start_offset(self, topic: str, partition: int) -> int:
        """Return the first offset that still exists."""
        return self._starts.get((topic, partition), 0)

    def truncate(self, topic: str, partition: int, start: int) -> None:
        """Let retention eat everything below an offset."""
        self._starts[(topic, partition)] = start


class SimulatedLog:
    """One owner's view of one partition; implements `ports.Log`."""

    def __init__(
        self, kafka: SimulatedKafka, partition: int, strike: Callable[[Step], Fault | None]
    ) -> None:
        """Take the broker, the partition, and what decides on faults."""
        self._kafka = kafka
        self._partition = partition
        self._strike = strike
        self._id = f"shard-{partition}"
        self._epoch = 0

    def identity(self) -> tuple[str, str]:
        """Return cluster id and changelog topic id."""
        return self._kafka.identity

    async def init(self) -> None:
        """Fence every older owner."""
        self._epoch = self._kafka.take_over(self._id)

    def _own(self) -> None:
        if self._kafka.epoch(self._id) != self._epoch:
            raise FencedError("a newer owner has taken the partition")

    def _fault(self, step: Step) -> None:
        fault = self._strike(step)
        if fault is Fault.CRASH:
            raise CrashError(step)
        self._own()
        if fault is Fault.ABORT:
            self._kafka.end(self._id, commit=False)
            raise AbortedError(f"injected at {step}", transport=True)
        if fault is Fault.FENCE:
            raise FencedError(f"injected at {step}")

    async def transact(self, records: list[Out]) -> int:
        """Write all records in one transaction; return the offset after the last."""
        self._own()
        transaction = self._kafka.begin(self._id)
        self._fault(Step.BEGIN)
        offset = -1
        for number, out in enumerate(records):
            if number == len(records) // 2:
                self._fault(Step.PRODUCE)
            self._own()
            offset = self._kafka.append(out, transaction)
        self._fault(Step.FLUSHED)
        self._kafka.end(self._id, commit=True)
        for step in (Step.COMMIT_LOST, Step.COMMITTED):
            fault = self._strike(step)
            if fault is Fault.CRASH:
                raise CrashError(step)
            if fault is not None:
                raise FencedError(f"the commit's outcome is not known ({step})")
        return offset + 1

    async def changelog_span(self) -> ChangelogSpan:
        """Return first and end offset of the changelog partition."""
        topic = self._kafka.names.state
        return ChangelogSpan(
            self._kafka.start_offset(topic, self._partition),
            self._kafka.end_offset(topic, self._partition),
        )

    async def log_start(self, topic: str) -> int:
        """Return the first offset that still exists of an input's partition."""
        return self._kafka.start_offset(f"{self._kafka.names.prefix}{topic}", self._partition)

    async def changelog(self, start: int) -> AsyncIterator[list[Record]]:
        """Read the changelog from an offset to its end, in chunks of a few records."""
        entries = self._kafka.committed(self._kafka.names.state, self._partition, start)
        for first in range(0, len(entries), 7):
            part = entries[first : first + 7]
            yield [Record(e.offset, e.timestamp, e.key, e.value) for e in part]

    async def close(self) -> None:
        """Let go."""
