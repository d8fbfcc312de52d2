"""The Kafka side of the way in: an idempotent producer that never gives a record up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer

from connectors.mqtt.payload import KafkaRecord
from topics.names import Names

_POLL_SECONDS: Final = 0.002
_POLL_IDLE_SECONDS: Final = 0.05
_METADATA_SECONDS: Final = 10.0
_FLUSH_SPARE: Final = 10_000
_RECORD_FAULTS: Final = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_RECORD,
        KafkaError.RECORD_LIST_TOO_LARGE,
    }
)

Stored = Callable[[], None]
Refused = Callable[[str], None]


class SinkError(RuntimeError):
    """Kafka will not take any record: another producer is needed, or an operator."""


class KafkaSink:
    """Sends records; says for each when Kafka has it, or that it can never have it."""

    def __init__(self, bootstrap: str, linger_ms: float, window: int) -> None:
        """Make the producer; nothing is connected yet."""
        self._producer = Producer(producer_config(bootstrap, linger_ms, window))
        self._failure = ""
        self._wake = asyncio.Event()
        self.drained = asyncio.Event()
        """Set while `pending` is 0."""
        self.drained.set()
        self.pending = 0
        """Records sent that Kafka has not acknowledged."""

    def send(self, record: KafkaRecord, stored: Stored, refused: Refused) -> None:
        """Send a record; exactly one of the two is called later, on this thread."""
        self.pending += 1
        self.drained.clear()
        try:
            self._producer.produce(
                record.topic,
                record.value,
                record.key,
                headers=record.headers,
                on_delivery=partial(self._delivered, stored, refused),
            )
        except KafkaException as error:
            self._delivered(stored, refused, error.args[0], None)
        except BufferError:
            self._fail("the producer's queue is full, which its size should not allow")
        self._wake.set()

    async def run(self) -> None:
        """Serve deliveries until cancelled; `SinkError` once Kafka will take nothing."""
        pause = _POLL_SECONDS
        while not self._failure:
            if not self.pending:
                self._wake.clear()
                await self._wake.wait()
            served = self._producer.poll(0)
            pause = _POLL_SECONDS if served else min(_POLL_IDLE_SECONDS, pause * 2)
            await asyncio.sleep(pause)
        raise SinkError(self._failure)

    async def check_topics(self, names: Names) -> None:
        """Raise `SinkError` with what to do where a topic is missing."""
        loop = asyncio.get_running_loop()
        wanted = (names.telemetry, names.device_events, names.dead_letters)
        try:
            known = await loop.run_in_executor(
                None, partial(self._producer.list_topics, timeout=_METADATA_SECONDS)
            )
        except KafkaException as error:
            raise SinkError(f"Kafka does not answer: {error.args[0].str()}") from error
        missing = [name for name in wanted if name not in known.topics]
        if missing:
            raise SinkError(
                f"topics are missing: {', '.join(missing)}; run `tidemill topics apply`"
            )

    def close(self) -> None:
        """Throw away what is not stored: MQTT delivers it again."""
        self._producer.purge()
        self._producer.poll(0)

    def _delivered(self, stored: Stored, refused: Refused, error: Any, _message: Any) -> None:
        self.pending -= 1
        if not self.pending:
            self.drained.set()
        if error is None:
            stored()
        elif error.code() in _RECORD_FAULTS:
            refused(f"Kafka refuses the record: {error.str()}")
        else:
            self._fail(f"Kafka refuses all records: {error.str()} ({error.name()})")

    def _fail(self, reason: str) -> None:
        self._failure = self._failure or reason
        self._wake.set()


def producer_config(bootstrap: str, linger_ms: float, window: int) -> dict[str, Any]:
    """Return librdkafka's settings of the bridge's producer."""
    return {
        "bootstrap.servers": bootstrap,
        "client.id": "tidemill-bridge",
        "enable.idempotence": True,
        "acks": "all",
        # With more, a partition whose leader is not ready may refuse a producer's first batch,
        # take the next, and then call the first one's retry a duplicate: acknowledged, and lost.
        "max.in.flight.requests.per.connection": 1,
        "partitioner": "murmur2_random",
        "linger.ms": linger_ms,
        "compression.type": "lz4",
        # Never give up: what waits here is not acknowledged to MQTT, and the window bounds it.
        "message.timeout.ms": 0,
        "queue.buffering.max.messages": 2 * window + _FLUSH_SPARE,
        "message.max.bytes": 4 * 1024 * 1024,
        "reconnect.backoff.ms": 100,
        "reconnect.backoff.max.ms": 2_000,
        "topic.metadata.refresh.interval.ms": 30_000,
        "log_level": 3,
    }
