"""The client's ear: one partition of `workflow.replies`, read from its end."""

from __future__ import annotations

import random
import threading
import uuid
from collections.abc import Callable

import structlog
from confluent_kafka import Consumer, TopicPartition

from connectors.client.places import end, partitions
from schemas.codec import DecodeError, decode
from schemas.replies import Reply
from topics.names import Names
from topics.reading import read

log = structlog.get_logger(__name__)


class ReplyListener:
    """Reads replies on a thread of its own and hands over those with this client's token."""

    def __init__(self, bootstrap: str, names: Names, take: Callable[[str, Reply], None]) -> None:
        """Stand at the topic's end before the first command is sent."""
        self.token = uuid.uuid4().hex
        self._take = take
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": f"client-{self.token}",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 10,
            }
        )
        try:
            self._place = self._at_the_end(names.replies)
        except BaseException:
            self._consumer.close()
            raise
        self.address = f"{self.token}:{self._place.partition}"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="replies", daemon=True)
        self._thread.start()

    def _at_the_end(self, topic: str) -> TopicPartition:
        count = partitions(self._consumer, topic)
        place = TopicPartition(topic, random.randrange(count))  # noqa: S311 - spreads load
        place = TopicPartition(topic, place.partition, end(self._consumer, place))
        self._consumer.assign([place])
        return place

    def close(self) -> None:
        """Stop listening."""
        self._stop.set()
        self._thread.join(5)
        self._consumer.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            records, reported = read(self._consumer, 500, 0.1)
            for record in records:
                self._one(record.value)
            for one in reported:
                log.warning("reading replies", error=one.error.str())

    def _one(self, value: bytes | None) -> None:
        try:
            envelope, body = decode(value or b"")
        except DecodeError as error:
            log.warning("unreadable reply", error=str(error))
            return
        if isinstance(body, Reply) and body.token == self.token:
            self._take(envelope.context.causation_id, body)
