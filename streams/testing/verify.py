"""Proving a live log: one partition, in bounded memory, while engines go on writing.

A consistent cut: `workflow.state` is read to an offset, and its last position record before
that offset says how many events it reflects; `workflow.events` is folded up to that number,
and both must agree. What was compacted away while it was read, or superseded, is looked up
again with a later cut; a record counts as wrong only if the last cut finds it so too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from schemas.codec import DecodeError
from streams.domain.aggregates import AGGREGATES
from streams.runtime.records import POSITION_KEY, UnknownFormError, decode_position
from streams.testing.oracle import Oracle
from streams.testing.shelves import Bytes, DiskShelf
from topics.names import Names
from topics.reading import Consumed, read

_CHUNK = 5_000
_TIMEOUT = 20.0
_EVENTS_SECONDS = 30.0
"""How long events may take to be seen after the state that reflects them."""
LOOKS_MAX = 4
DOUBTFUL_MAX = 10_000
Progress = Callable[[int, int], None]
"""Called with how much is done, of how much; both grow."""


class Verified(NamedTuple):
    """What one partition's log says about itself."""

    partition: int
    events: int
    faults: list[str]
    under_way: int
    """Instances that have not ended at the cut."""
    looks: int
    """Cuts that were taken; more than one where something was looked up again."""


class PartitionReader:
    """Reads one partition read-committed, from its beginning, for as long as it is asked."""

    def __init__(self, bootstrap: str, topic: str, partition: int) -> None:
        """Begin at the beginning."""
        self._bootstrap = bootstrap
        self._place = TopicPartition(topic, partition, OFFSET_BEGINNING)
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "tidemill-verify",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 20,
                "enable.auto.commit": False,
                "queued.max.messages.kbytes": 16 * 1024,
            }
        )
        self._consumer.assign([self._place])

    def end(self) -> int:
        """Return where the committed records end now: behind a whole transaction."""
        admin = AdminClient({"bootstrap.servers": self._bootstrap})
        deadline = time.monotonic() + _TIMEOUT
        while True:
            (future,) = admin.list_offsets(
                {self._place: OffsetSpec.latest()},  # type: ignore[no-untyped-call]
                isolation_level=IsolationLevel.READ_COMMITTED,
                request_timeout=_TIMEOUT,
            ).values()
            try:
                return int(future.result().offset)
            except KafkaException as error:
                code = error.args[0].code()
                if code != KafkaError.NOT_LEADER_FOR_PARTITION or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)  # A leader moves, or is not known everywhere yet.

    def read(self) -> tuple[list[Consumed], bool]:
        """Return what is there, and whether the end was reached."""
        records, reported = read(self._consumer, _CHUNK, 0.5)
        ended = False
        for one in reported:
            if one.error.code() == KafkaError._PARTITION_EOF:
                ended = True
            elif not one.error.retriable():
                raise KafkaException(one.error)
        return records, ended

    def close(self) -> None:
        """Let go."""
        self._consumer.close()


def verify_partition(
    bootstrap: str, names: Names, partition: int, folder: Path, progress: Progress
) -> Verified:
    """Prove one partition; `folder` is empty, and holds what memory does not."""
    shelf = DiskShelf(folder / "fold", AGGREGATES)
    stored = Bytes(folder / "stored")
    events = PartitionReader(bootstrap, names.events, partition)
    with closing(shelf), closing(stored), closing(events):
        run = _Run(bootstrap, names, partition, Oracle(partition, AGGREGATES, shelf), progress)
        try:
            return run.prove(stored, events)
        except (DecodeError, UnknownFormError) as error:
            run.oracle.faults.append(f"partition {partition}: {error}")
            return Verified(partition, run.oracle.events, run.oracle.faults, 0, 1)


class _Run:
    """One partition's proof under way."""

    def __init__(
        self, bootstrap: str, names: Names, partition: int, oracle: Oracle, progress: Progress
    ) -> None:
        self.oracle = oracle
        self._bootstrap = bootstrap
        self._names = names
        self._partition = partition
        self._progress = progress
        self._rest: list[Consumed] = []
        """Events that were read and not folded yet, the last first."""
        self._done = 0
        self._all = 0

    def prove(self, stored: Bytes, events: PartitionReader) -> Verified:
        """Take a cut, fold up to it, compare; look again at what does not agree."""
        number = self._cut(stored, None)
        self._fold(events, number)
        doubtful = dict(islice(self.oracle.differences(stored.items()), DOUBTFUL_MAX))
        if len(doubtful) == DOUBTFUL_MAX:
            self.oracle.faults.append(
                f"partition {self._partition}: the first {DOUBTFUL_MAX} differences are shown only"
            )
        looks = 1
        while doubtful and looks < LOOKS_MAX:
            looks += 1
            stored.write((key, None) for key in doubtful)
            self._fold(events, self._cut(stored, doubtful))
            again = {key: self.oracle.difference(key, stored.get(key)) for key in doubtful}
            doubtful = {key: what for key, what in again.items() if what}
        self.oracle.faults.extend(f"{key.decode()}: {what}" for key, what in doubtful.items())
        under_way = self.oracle.under_way()
        return Verified(self._partition, self.oracle.events, self.oracle.faults, under_way, looks)

    def _cut(self, stored: Bytes, only: Mapping[bytes, str] | None) -> int:
        """Keep the last record of each key before the end of now; return the events' number."""
        number = 0
        with closing(PartitionReader(self._bootstrap, self._names.state, self._partition)) as log:
            end = log.end()
            for records in self._until(log, end):
                changes = []
                for record in records:
                    key = record.key or b""
                    if key == POSITION_KEY:
                        number = decode_position(record.value or b"").number
                    elif only is None or key in only:
                        changes.append((key, record.value))
                stored.write(changes)
        return number

    def _until(self, log: PartitionReader, end: int) -> Iterator[list[Consumed]]:
        first, self._all = self._done, self._all + end
        ended = end == 0
        while not ended:
            records, ended = log.read()
            if records:
                ended = ended or records[-1].offset >= end - 1
                self._tell(first + min(records[-1].offset, end))
                yield [record for record in records if record.offset < end]
        self._tell(first + end)

    def _fold(self, events: PartitionReader, number: int) -> None:
        """Fold the events up to a number; what was read beyond is kept for a later cut."""
        oracle, rest = self.oracle, self._rest
        first, before = self._done, oracle.number
        self._all += max(0, number - before)
        deadline = time.monotonic() + _EVENTS_SECONDS
        while oracle.number < number:
            if not rest:
                rest.extend(reversed(events.read()[0]))
            if rest:
                self._see(rest, number)
                self._tell(first + oracle.number - before)
                deadline = time.monotonic() + _EVENTS_SECONDS
            elif time.monotonic() > deadline:
                oracle.faults.append(
                    f"partition {self._partition}: the position counts {number} events, "
                    f"{self._names.events} ends at {oracle.number}"
                )
                return

    def _see(self, rest: list[Consumed], number: int) -> None:
        oracle = self.oracle
        while rest and oracle.number < number:
            oracle.see(rest.pop().value or b"")

    def _tell(self, done: int) -> None:
        self._done = done
        self._progress(done, self._all)
