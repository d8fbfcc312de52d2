"""The tail of `activity.control`: which tasks are no longer wanted."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable

import structlog
from confluent_kafka import OFFSET_END, Consumer, TopicPartition

from schemas.codec import DecodeError, decode
from schemas.tasks import ActivityCancellation
from topics.names import Names
from topics.reading import read

log = structlog.get_logger(__name__)


class CancellationTail:
    """Calls back for every cancellation, from a thread of its own."""

    def __init__(
        self, servers: str, names: Names, cancel: Callable[[tuple[str, int], str], None]
    ) -> None:
        """Begin at the end: what was cancelled before is refused by the engine anyway."""
        self._cancel = cancel
        self._stop = threading.Event()
        self._consumer = Consumer(
            {
                "bootstrap.servers": servers,
                "group.id": f"{names.prefix}cancellations.{uuid.uuid4().hex}",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 100,
            }
        )
        topic = self._consumer.list_topics(names.control, timeout=30).topics[names.control]
        self._consumer.assign(
            [TopicPartition(names.control, number, OFFSET_END) for number in topic.partitions]
        )
        self._thread = threading.Thread(target=self._run, name="cancellations", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop reading."""
        self._stop.set()
        self._thread.join(5)
        self._consumer.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            records, _reported = read(self._consumer, 500, 0.2)
            for record in records:
                try:
                    envelope, body = decode(record.value or b"")
                except DecodeError as error:
                    log.warning("unreadable cancellation", error=str(error))
                    continue
                if isinstance(body, ActivityCancellation):
                    self._cancel((envelope.id, body.attempt), body.reason)
