"""What can be heard of a run on Kafka: ends and incidents of instances, readings, devices."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Final, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from connectors.client.events import ENDS
from schemas.codec import HEADER_BYTES, HEADERS, decode
from schemas.events import ErrorOccurred
from schemas.registry import BODIES
from schemas.telemetry import DeviceEvent, Reading
from topics.names import Names
from topics.reading import read
from topics.settings import KafkaSettings

_HEARD: Final = frozenset(
    HEADERS[BODIES[kind]] for kind in (*ENDS, "error.occurred", "Reading", "DeviceEvent")
)
_JOIN_SECONDS: Final = 10.0


class Ears:
    """Listens in a thread of its own, from the beginning of the topics, while entered."""

    def __init__(self, settings: KafkaSettings) -> None:
        """Take where Kafka is."""
        names = Names(settings.topic_prefix)
        self.ends: dict[str, str] = {}
        """How an instance ended, by its id."""
        self.incidents: list[str] = []
        self.readings: dict[str, int] = {}
        """How often a reading is on the topic, by its id."""
        self.online: set[str] = set()
        self.heard = 0
        """Records so far: while it grows, something goes on."""
        self.failure = ""
        self._consumer = Consumer(
            {
                "bootstrap.servers": settings.kafka_bootstrap_servers,
                "group.id": f"{settings.topic_prefix}demo-ears",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 100,
            }
        )
        self._topics = (names.events, names.telemetry, names.device_events)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ears", daemon=True)

    @property
    def received(self) -> int:
        """Return how many records of readings arrived, repetitions included."""
        return sum(list(self.readings.values()))

    def __enter__(self) -> Self:
        """Begin to listen."""
        found = self._consumer.list_topics(timeout=30).topics
        self._consumer.assign(
            [
                TopicPartition(name, number, OFFSET_BEGINNING)
                for name in self._topics
                for number in found[name].partitions
            ]
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop listening."""
        self._stop.set()
        self._thread.join(_JOIN_SECONDS)
        self._consumer.close()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                records, _reported = read(self._consumer, 1_000, 0.2)
                self.heard += len(records)
                for record in records:
                    value = record.value or b""
                    if value[:HEADER_BYTES] in _HEARD:
                        self._take(value)
        except Exception as error:  # noqa: BLE001 - told to whoever waits for what is heard
            self.failure = f"reading Kafka failed: {error}"

    def _take(self, value: bytes) -> None:
        envelope, body = decode(value)
        if isinstance(body, Reading):
            self.readings[body.reading_id] = self.readings.get(body.reading_id, 0) + 1
        elif isinstance(body, DeviceEvent):
            self.online.add(envelope.aggregate_id)
        elif isinstance(body, ErrorOccurred):
            place = f"{envelope.aggregate_id} at {body.node or 'no node'}"
            self.incidents.append(f"{place}: {body.code}: {body.message}")
        else:
            self.ends[envelope.aggregate_id] = envelope.type
