"""Workflow events as they are in the log, read committed."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from typing import NamedTuple

import structlog
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, TopicPartition

from connectors.client.errors import NotReadyError
from schemas.codec import HEADER_BYTES, HEADERS, DecodeError, Message, decode
from schemas.registry import BODIES
from topics.names import Names
from topics.reading import read
from topics.settings import KafkaSettings

log = structlog.get_logger(__name__)
ENDS = frozenset(
    {"workflow.completed", "workflow.failed", "workflow.cancelled", "workflow.terminated"}
)


class Event(NamedTuple):
    """An event and where it stands."""

    partition: int
    offset: int
    message: Message


class EventStream:
    """Iterates over `workflow.events` of all partitions."""

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        beginning: bool = False,
        types: Collection[str] = (),
        instance_id: str = "",
    ) -> None:
        """Begin at the end or the beginning; only these types are decoded, if any are given."""
        topic = Names(settings.topic_prefix).events
        self._instance = instance_id
        self._headers = frozenset(HEADERS[BODIES[kind]] for kind in types)
        self._consumer = Consumer(
            {
                "bootstrap.servers": settings.kafka_bootstrap_servers,
                "group.id": "tidemill-events-reader",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 20,
            }
        )
        found = self._consumer.list_topics(topic, timeout=15).topics[topic]
        if found.error is not None:
            raise NotReadyError(f"topic {topic} is missing: run `tidemill topics apply`")
        start = OFFSET_BEGINNING if beginning else OFFSET_END
        self._consumer.assign([TopicPartition(topic, p, start) for p in found.partitions])

    def close(self) -> None:
        """Stop reading."""
        self._consumer.close()

    def read(self, timeout: float) -> Iterator[Event]:
        """Yield what is there, waiting at most `timeout` seconds for the first."""
        records, reported = read(self._consumer, 1_000, timeout)
        for one in reported:
            log.warning("reading events", error=one.error.str())
        for record in records:
            value = record.value or b""
            if self._headers and value[:HEADER_BYTES] not in self._headers:
                continue
            event = self._event(record.partition, record.offset, value)
            if event is not None:
                yield event

    def _event(self, partition: int, offset: int, value: bytes) -> Event | None:
        try:
            message = decode(value)
        except DecodeError as error:
            log.warning("unreadable event", partition=partition, offset=offset, error=str(error))
            return None
        if self._instance and message.envelope.aggregate_id != self._instance:
            return None
        return Event(partition, offset, message)

    def watch(self, timeout: float = float("inf")) -> Iterator[Event]:
        """Yield an instance's events until it has ended, or the time is over."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            for event in self.read(0.2):
                yield event
                if event.message.envelope.type in ENDS:
                    return
