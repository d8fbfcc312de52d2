"""The transactional log on Apache Kafka: transactions are written by our own producer
(`transactions.py`, whose reasons stand in ADR 0006), the changelog is read by librdkafka.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import suppress
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from streams.runtime.kafka_nodes import Nodes
from streams.runtime.kafka_requests import Dialect
from streams.runtime.ports import ChangelogSpan, LogError, Out, Record
from streams.runtime.transactions import Transactions
from topics.names import Names
from topics.reading import read

_READ_CHUNK = 10_000
_LEADER_SECONDS = 0.05
_TRANSPORT = frozenset(
    {
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._TIMED_OUT,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NETWORK_EXCEPTION,
    }
)


class KafkaLog:
    """Implements `ports.Log` for one partition."""

    def __init__(
        self,
        bootstrap: str,
        names: Names,
        partition: int,
        identity: tuple[str, str],
        executor: Executor,
        *,
        group: str,
        transaction_timeout: float = 12.0,
        dialect: Dialect | None = None,
    ) -> None:
        """Take addresses and place; nothing is connected before `init`."""
        self._bootstrap = bootstrap
        self._names = names
        self._partition = partition
        self._identity = identity
        self._executor = executor
        self._transactional_id = f"{names.prefix}{group}-{partition}"
        self._timeout = transaction_timeout
        self._nodes = Nodes(bootstrap, self._transactional_id, transaction_timeout)
        self._transactions = Transactions(
            self._nodes, self._transactional_id, transaction_timeout, dialect
        )

    def identity(self) -> tuple[str, str]:
        """Return cluster id and changelog topic id."""
        return self._identity

    async def _run(self, call: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._executor, call, *arguments)

    async def init(self) -> None:
        """Fence every older owner; waits for its pending commit."""
        await self._transactions.init()

    async def transact(self, records: list[Out]) -> int:
        """Write all records in one transaction; return the offset after the last."""
        offsets = await self._transactions.write(records)
        last = records[-1]
        return offsets[last.topic, last.partition]

    def _reader(self) -> Consumer:
        return Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                "group.id": f"{self._transactional_id}-recovery",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "earliest",
                "fetch.max.bytes": 8 * 1024 * 1024,
                "max.partition.fetch.bytes": 8 * 1024 * 1024,
                "fetch.wait.max.ms": 20,
                # Each partition has a reader of its own: librdkafka would fetch 64 MB ahead.
                "queued.min.messages": 2 * _READ_CHUNK,
                "queued.max.messages.kbytes": 8 * 1024,
                "check.crcs": True,
            }
        )

    async def changelog_span(self) -> ChangelogSpan:
        """Return first and end offset of the changelog partition."""
        low, high = await self._run(self._watermarks, self._names.state)
        return ChangelogSpan(low, high)

    async def log_start(self, topic: str) -> int:
        """Return the first offset of an input's partition."""
        low, _ = await self._run(self._watermarks, f"{self._names.prefix}{topic}")
        return int(low)

    def _watermarks(self, topic: str) -> tuple[int, int]:
        consumer = self._reader()
        place = TopicPartition(topic, self._partition)
        deadline = time.monotonic() + self._timeout
        try:
            while True:
                try:
                    low, high = consumer.get_watermark_offsets(place, timeout=self._timeout)
                    return low, high
                except KafkaException as error:
                    # A leader that has just changed, or a topic that is new, is not there at once.
                    if error.args[0].code() not in _TRANSPORT or time.monotonic() > deadline:
                        raise
                time.sleep(_LEADER_SECONDS)
        finally:
            consumer.close()

    async def changelog(self, start: int) -> AsyncIterator[list[Record]]:
        """Read the changelog from an offset to its end, in chunks."""
        consumer = self._reader()
        try:
            consumer.assign([TopicPartition(self._names.state, self._partition, max(start, 0))])
            ended = False
            while not ended:
                records, ended = await self._run(_read_chunk, consumer)
                if records:
                    yield records
        finally:
            await self._run(consumer.close)

    async def close(self) -> None:
        """Let go; a transaction that is open is aborted, for nobody shall wait for its end."""
        with suppress(LogError):  # A newer owner has settled it, or its timeout will.
            await self._transactions.close()
        await self._nodes.close()


def _read_chunk(consumer: Consumer) -> tuple[list[Record], bool]:
    """Read what is there, at most a chunk; tell whether the end was reached."""
    found, reported = read(consumer, _READ_CHUNK, 0.2)
    records = [Record(item.offset, item.timestamp, item.key, item.value) for item in found]
    for one in reported:
        if one.error.code() == KafkaError._PARTITION_EOF:
            return records, True
        if not one.error.retriable():
            raise KafkaException(one.error)
    return records, False
