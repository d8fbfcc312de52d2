"""Load: commands in, `workflow.completed` events out, with a bound on what is under way."""

from __future__ import annotations

import time
import uuid
from typing import Final, NamedTuple

from confluent_kafka import OFFSET_END, Consumer, Producer, TopicPartition

from schemas.codec import HEADER_BYTES, HEADERS, encode
from schemas.commands import RunInstance
from schemas.envelope import Envelope
from schemas.registry import BODIES
from topics.names import Names
from topics.reading import read
from topics.settings import KafkaSettings

_COMPLETED: Final = HEADERS[BODIES["workflow.completed"]]
_SILENCE_SECONDS: Final = 60.0


class Measured(NamedTuple):
    """What a load gave."""

    completed: int
    seconds: float
    latencies: list[float]
    """Seconds from the command's call to the event's arrival, sorted."""
    longest_gap: float
    """Seconds between two completions of one partition, at most."""

    @property
    def per_second(self) -> float:
        """Completions a second."""
        return self.completed / self.seconds

    def percentile(self, share: float) -> float:
        """Return a latency in milliseconds."""
        place = min(len(self.latencies) - 1, int(share * len(self.latencies)))
        return self.latencies[place] * 1000


class Load:
    """One producer of commands and one reader of all events."""

    def __init__(self, settings: KafkaSettings, linger_ms: float = 5) -> None:
        """Connect; events are read from now on. Kafka's clients linger for 5 ms by default."""
        names = Names(settings.topic_prefix)
        self._topic = names.commands
        self._run = uuid.uuid4().hex[:8]
        self._number = 0
        servers = {"bootstrap.servers": settings.kafka_bootstrap_servers}
        self._producer = Producer(
            {
                **servers,
                "partitioner": "murmur2_random",
                "enable.idempotence": True,
                "compression.type": "lz4",
                "linger.ms": linger_ms,
                "queue.buffering.max.messages": 1_000_000,
            }
        )
        self._consumer = Consumer(
            {
                **servers,
                "group.id": "tidemill-bench",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 100,
                "fetch.queue.backoff.ms": 2,
            }
        )
        found = self._consumer.list_topics(names.events, timeout=30).topics[names.events]
        self._consumer.assign(
            [TopicPartition(names.events, number, OFFSET_END) for number in found.partitions]
        )
        self._consumer.poll(1.0)
        self._begun: dict[bytes, float] = {}
        self._latencies: list[float] = []
        self._last: dict[int, float] = {}
        self._gap = 0.0
        self._heard = 0.0
        """When something last completed, or was first waited for."""

    def close(self) -> None:
        """Disconnect."""
        self._producer.flush(30)
        self._consumer.close()

    def start(self, definition: str) -> None:
        """Send one command."""
        self._number += 1
        name = f"{self._run}-{self._number}"
        envelope = Envelope(
            f"c-{name}", "RunInstance", time.time_ns() // 1_000_000, "instance", name
        )
        key = name.encode()
        self._begun[key] = time.perf_counter()
        self._producer.produce(
            self._topic, encode(envelope, RunInstance(definition, "", b'{"n":1}')), key
        )

    def closed_loop(self, definition: str, in_flight: int, seconds: float) -> Measured:
        """Keep so many under way for so long, after a tenth of that to warm up.

        Completions come in waves of `in_flight`: what is measured begins and ends with one,
        and so holds no part of a wave too much or too little.

        Raises:
            TimeoutError: nothing was heard for a minute.
        """
        self._reset()
        warmed, begun = self._generations(definition, in_flight, 0, seconds / 10)
        count, end = self._generations(definition, in_flight, warmed, seconds)
        found = self._latencies[warmed:count]
        self.finish()
        return Measured(len(found), end - begun, sorted(found), self._gap)

    def _generations(
        self, definition: str, in_flight: int, done: int, seconds: float
    ) -> tuple[int, float]:
        """Go on so long, and until a whole number of generations beyond `done` has completed."""
        begun = time.perf_counter()
        target = done + in_flight
        while True:
            while len(self._begun) < in_flight:
                self.start(definition)
            self._take(0.005)
            self._check_heard()
            now, count = time.perf_counter(), len(self._latencies)
            if count >= target:
                if now >= begun + seconds:
                    return count, now
                target += in_flight * (1 + (count - target) // in_flight)

    def _check_heard(self) -> None:
        if time.perf_counter() - self._heard > _SILENCE_SECONDS:
            left = len(self._begun)
            raise TimeoutError(f"{left} instances do not complete: see the engine's log")

    def at_rate(self, definition: str, per_second: float, seconds: float) -> Measured:
        """Start at a fixed rate, whatever comes back."""
        self._reset()
        begun = time.perf_counter()
        for number in range(int(per_second * seconds)):
            due = begun + number / per_second
            while (now := time.perf_counter()) < due:
                self._take(min(0.002, due - now))
            self.start(definition)
        self.finish()
        found = sorted(self._latencies)
        return Measured(len(found), time.perf_counter() - begun, found, self._gap)

    def finish(self) -> None:
        """Wait until everything that was started has completed.

        Raises:
            TimeoutError: nothing was heard for a minute.
        """
        self._heard = time.perf_counter()
        while self._begun:
            self._take(0.05)
            self._check_heard()

    def _reset(self) -> None:
        self._latencies = []
        self._last = {}
        self._gap = 0.0
        self._heard = time.perf_counter()

    def _take(self, timeout: float) -> None:
        self._producer.poll(0)
        records, _reported = read(self._consumer, 2_000, timeout)
        now = time.perf_counter()
        for record in records:
            if (record.value or b"")[:HEADER_BYTES] != _COMPLETED:
                continue
            begun = self._begun.pop(record.key or b"", None)
            if begun is not None:
                self._heard = now
                self._latencies.append(now - begun)
                last = self._last.get(record.partition, now)
                self._gap = max(self._gap, now - last)
                self._last[record.partition] = now

    def send_only(self, definition: str, count: int) -> None:
        """Start instances that will not complete, and forget them."""
        for _ in range(count):
            while len(self._producer) > 50_000:
                self._producer.poll(0.01)
            self.start(definition)
        self._producer.flush(60)
        self._begun.clear()
