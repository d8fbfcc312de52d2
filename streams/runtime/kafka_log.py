"""The transactional log on Apache Kafka: one librdkafka producer per partition.

Why it looks as it does (the measurements stand in the ADR beside this file):
delivery reports take the GIL once per message wherever they are served, so they are
served on the loop's thread, before the commit goes to an executor as a pure wait;
`retry.backoff.ms` is small because a transaction that follows another at once is told
to come again until the former's markers are written.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import suppress
from typing import Any, cast

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)

from streams.runtime.ports import AbortedError, ChangelogSpan, FencedError, Out, Record
from topics.names import Names
from topics.reading import read

_READ_CHUNK = 10_000
_COMMIT_TIMEOUT = 30.0
_FIRST_LOOK = 0.7
"""Share of the usual time after which to look first whether a batch has arrived."""
_FLUSH_SECONDS_MAX = 0.02
_LEADER_SECONDS = 0.05
_TRANSPORT = frozenset(
    {
        KafkaError._TRANSPORT,
        KafkaError._INCONSISTENT,  # A record was not delivered: the next try says why.
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._MSG_TIMED_OUT,
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError._PURGE_QUEUE,
        KafkaError._PURGE_INFLIGHT,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.NOT_ENOUGH_REPLICAS,
        KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.CONCURRENT_TRANSACTIONS,
    }
)


def producer_config(bootstrap: str, transactional_id: str, timeout_s: float) -> dict[str, Any]:
    """Return librdkafka's settings of a shard's producer."""
    return {
        "bootstrap.servers": bootstrap,
        "transactional.id": transactional_id,
        "transaction.timeout.ms": int(timeout_s * 1000),
        "message.timeout.ms": int(timeout_s * 1000),
        "partitioner": "murmur2_random",
        "acks": "all",
        "compression.type": "lz4",
        "linger.ms": 1,
        "retry.backoff.ms": 5,
        "batch.num.messages": 20_000,
        "batch.size": 1_000_000,
        "message.max.bytes": 4 * 1024 * 1024,
        "queue.buffering.max.messages": 1_000_000,
        "queue.buffering.max.kbytes": 262_144,
        "socket.nagle.disable": True,
    }


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
        pause: float = 0.0005,
    ) -> None:
        """Take addresses and place; nothing is connected before `init`."""
        self._bootstrap = bootstrap
        self._names = names
        self._partition = partition
        self._identity = identity
        self._executor = executor
        self._transactional_id = f"{names.prefix}{group}-{partition}"
        self._timeout = transaction_timeout
        self._pause = pause
        self._producer: Producer | None = None
        self._failed: KafkaError | None = None
        self._end = -1
        self._flush_seconds = 0.0
        """How long the broker takes of late."""
        self._explain = False
        """True where the last commit failed for a record whose reason is not known yet."""

    def identity(self) -> tuple[str, str]:
        """Return cluster id and changelog topic id."""
        return self._identity

    async def _run(self, call: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._executor, call, *arguments)

    async def init(self) -> None:
        """Fence every older owner; waits for its pending commit."""
        config = producer_config(self._bootstrap, self._transactional_id, self._timeout)
        self._producer = Producer(config)
        await self._retrying(lambda p: p.init_transactions(self._timeout))

    async def transact(self, records: list[Out]) -> int:
        """Write all records in one transaction; return the offset after the last."""
        producer = self._producer
        if producer is None:
            raise FencedError("the producer is closed")
        self._failed = None
        self._end = -1
        try:
            producer.begin_transaction()
            await self._produce(producer, records)
            await self._flush(producer)
        except KafkaException as error:
            await self._abort(error.args[0])
        await self._commit()
        return self._end + 1

    async def _flush(self, producer: Producer) -> None:
        """Wait until the broker has everything, looking seldom: each look takes the loop."""
        begun = time.monotonic()
        pause = max(self._pause, self._flush_seconds * _FIRST_LOOK)
        while len(producer):
            await asyncio.sleep(pause)
            pause = self._pause
            producer.poll(0)
            if self._failed is not None:
                await self._abort(self._failed)
        took = min(time.monotonic() - begun, _FLUSH_SECONDS_MAX)
        self._flush_seconds += (took - self._flush_seconds) / 8
        if self._failed is not None:
            await self._abort(self._failed)

    async def _produce(self, producer: Producer, records: list[Out]) -> None:
        produce = producer.produce
        # A callback costs a call per record, and only the last record, the position, needs its
        # offset: what fails of the others fails the commit, and the next try asks for the reason.
        callback: Callable[..., None] | None = self._delivered if self._explain else None
        for number, (topic, partition, key, value, headers) in enumerate(records, 1):
            if number == len(records):
                callback = self._delivered_last
            while True:
                try:
                    if headers:
                        produce(
                            topic, value, key, partition, callback, None, 0, cast("Any", headers)
                        )
                    else:
                        produce(topic, value, key, partition, callback)
                    break
                except BufferError:
                    producer.poll(0.01)
        self._explain = False

    def _delivered(self, error: KafkaError | None, _message: Any) -> None:
        if error is not None:
            self._failed = error

    def _delivered_last(self, error: KafkaError | None, message: Any) -> None:
        if error is not None:
            self._failed = error
        else:
            self._end = message.offset()

    async def _commit(self) -> None:
        try:
            await self._retrying(lambda p: p.commit_transaction(_COMMIT_TIMEOUT))
        except KafkaException as exception:
            error: KafkaError = exception.args[0]
            if error.txn_requires_abort():
                self._explain = error.code() == KafkaError._INCONSISTENT
                await self._abort(error)
            raise FencedError(f"the commit's outcome is not known: {error.str()}") from exception

    async def _retrying(self, call: Callable[[Producer], object]) -> None:
        """Call until it succeeds; librdkafka marks as retriable what may be called again."""
        producer = self._producer
        assert producer is not None
        while True:
            try:
                await self._run(call, producer)
                return
            except KafkaException as exception:
                if not exception.args[0].retriable():
                    raise
                await asyncio.sleep(0.05)

    async def _abort(self, error: KafkaError) -> None:
        """Abort; always raises what the shard is to make of it."""
        if error.fatal() or error.code() in {KafkaError._FENCED, KafkaError._STATE}:
            raise FencedError(f"ownership of partition {self._partition} is lost: {error.str()}")
        try:
            await self._retrying(lambda p: p.abort_transaction(self._timeout))
        except KafkaException as exception:
            raise FencedError(f"cannot abort: {exception.args[0].str()}") from exception
        raise AbortedError(error.str(), transport=error.code() in _TRANSPORT)

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
                "fetch.max.bytes": 16 * 1024 * 1024,
                "max.partition.fetch.bytes": 16 * 1024 * 1024,
                "fetch.wait.max.ms": 20,
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
        """Let go; librdkafka aborts nothing by itself, so an open transaction is aborted here."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        with suppress(KafkaException):  # None was open, or a newer owner has settled it.
            await self._run(producer.abort_transaction, 2.0)


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
