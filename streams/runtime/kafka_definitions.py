"""The tail of `workflow.definitions` on Kafka: a thread of its own fills the book."""

from __future__ import annotations

import asyncio
import threading
import time

import structlog
from confluent_kafka import Consumer, IsolationLevel, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from streams.runtime.definition_tail import DefinitionBook, wanted
from streams.runtime.inbox import Item
from topics.names import Names
from topics.reading import read

log = structlog.get_logger(__name__)
_WAIT_SECONDS = 2.0
_START_SECONDS = 30.0


class KafkaDefinitionTail:
    """Reads all partitions from the start, and goes on for as long as the process lives."""

    def __init__(self, bootstrap: str, names: Names, partitions: int, book: DefinitionBook) -> None:
        """Take the place to read and the book to fill."""
        self.book = book
        self._topic = names.definitions
        self._partitions = partitions
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": f"{names.prefix}definitions-tail",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 50,
            }
        )
        # A client of its own: a consumer answers no such question while it waits for records.
        self._admin = AdminClient({"bootstrap.servers": bootstrap})
        self._reached: dict[int, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="definitions", daemon=True)

    async def start(self) -> None:
        """Read what is there; return when the whole topic is known."""
        self._thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while len(self._reached) < self._partitions:
            if time.monotonic() > deadline:
                raise TimeoutError(f"cannot read {self._topic}: run `tidemill topics verify`")
            await asyncio.sleep(0.01)

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join(timeout=5)

    async def prepare(self, items: list[Item]) -> None:
        """Wait for the definitions that a batch needs; at most two seconds."""
        missing, unknown = wanted(items, self.book)
        if not missing and not unknown:
            return
        ends = await asyncio.to_thread(self._ends)
        deadline = time.monotonic() + _WAIT_SECONDS
        while time.monotonic() < deadline:
            if all(self._reached.get(p, 0) >= end for p, end in ends.items()):
                self._settle(missing)
                return
            behind = any(self.book.seen.get(p, 0) < number for p, number in missing.items())
            if not behind and not unknown:
                return
            await asyncio.sleep(0.002)

    def _settle(self, missing: dict[int, int]) -> None:
        """Note that nothing is missing up to these positions.

        A sender's position may be far behind its last definition: who publishes again what is
        known is told where the partition stands. Without this every batch would wait in vain.
        """
        for partition, number in missing.items():
            self.book.seen[partition] = max(self.book.seen.get(partition, 0), number)

    def _ends(self) -> dict[int, int]:
        """Return the end of everything in each partition.

        A definition may be written, and even reported, while its transaction's marker is still
        on its way, and with it the end of what is committed.
        """
        places = {
            TopicPartition(self._topic, partition): OffsetSpec.latest()  # type: ignore[no-untyped-call]
            for partition in range(self._partitions)
        }
        answers = self._admin.list_offsets(
            places,
            isolation_level=IsolationLevel.READ_UNCOMMITTED,
            request_timeout=_WAIT_SECONDS,
        )
        return {place.partition: future.result().offset for place, future in answers.items()}

    def _run(self) -> None:
        places = [TopicPartition(self._topic, p, 0) for p in range(self._partitions)]
        self._consumer.assign(places)
        while not self._stop.is_set():
            records, reported = read(self._consumer, 500, 0.1)
            for record in records:
                self.book.add(record.partition, record.value)
                self._reached[record.partition] = record.offset + 1
            for one in reported:
                if one.error.code() == KafkaError._PARTITION_EOF:
                    self._reached[one.partition] = one.offset
                else:
                    log.warning("reading definitions", error=one.error.str())
        self._consumer.close()
