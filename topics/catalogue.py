"""The topics of one installation: every kind under a prefix, with its number of partitions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from topics.kinds import CONTROL, KINDS, QUEUE, QUEUE_PLACE, Cleanup, Kind, Partitions
from topics.settings import KafkaSettings

MESSAGE_BYTES_MAX: Final = 4 * 1024 * 1024
DEFAULT_QUEUE: Final = "default"

_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,200}")
_RESERVED_QUEUE: Final = CONTROL.name.removeprefix("activity.")


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic as it must exist in Kafka."""

    name: str
    partitions: int
    replication_factor: int
    config: dict[str, str]
    kind: Kind


@dataclass(frozen=True)
class Catalogue:
    """Every topic of one installation; `ValueError` where a name or a number is impossible."""

    prefix: str = ""
    partitions: int = 4
    replication_factor: int = 1
    activity_queues: tuple[str, ...] = (DEFAULT_QUEUE,)
    activity_partitions: int = 8

    def __post_init__(self) -> None:
        """Refuse what Kafka would refuse later with a worse sentence."""
        if self.prefix and not _NAME.fullmatch(self.prefix):
            raise ValueError(
                f"topic prefix {self.prefix!r} must consist of letters, digits, '.', '_' and '-'"
            )
        for number in (self.partitions, self.replication_factor, self.activity_partitions):
            if number < 1:
                raise ValueError("partitions and replication factor must be at least 1")
        for queue in self.activity_queues:
            check_queue(queue)

    @classmethod
    def of(cls, settings: KafkaSettings, queues: tuple[str, ...] = ()) -> Catalogue:
        """Return the catalogue that the settings describe, with the default queue and these."""
        return cls(
            prefix=settings.topic_prefix,
            partitions=settings.partitions,
            replication_factor=settings.replication_factor,
            activity_queues=tuple(dict.fromkeys((DEFAULT_QUEUE, *queues))),
            activity_partitions=settings.activity_partitions,
        )

    def topics(self) -> tuple[Topic, ...]:
        """Return every topic: one per kind, and one per queue."""
        single = [self.topic(kind) for kind in KINDS if kind is not QUEUE]
        return (*single, *(self.queue(queue) for queue in self.activity_queues))

    def topic(self, kind: Kind) -> Topic:
        """Return the topic of a kind that has only one."""
        return self._topic(kind, kind.name)

    def queue(self, queue: str) -> Topic:
        """Return the topic of an activity queue; `ValueError` where a queue cannot be so called."""
        check_queue(queue)
        return self._topic(QUEUE, QUEUE.name.replace(QUEUE_PLACE, queue))

    def queue_of(self, topic: str) -> str | None:
        """Return the queue whose topic this is; None where it is another topic."""
        start = f"{self.prefix}{QUEUE.name.removesuffix(QUEUE_PLACE)}"
        queue = topic.removeprefix(start)
        return queue if topic.startswith(start) and queue != _RESERVED_QUEUE else None

    def _topic(self, kind: Kind, name: str) -> Topic:
        own = kind.partitions is Partitions.QUEUE
        return Topic(
            name=f"{self.prefix}{name}",
            partitions=self.activity_partitions if own else self.partitions,
            replication_factor=self.replication_factor,
            config=self._config_of(kind),
            kind=kind,
        )

    def _config_of(self, kind: Kind) -> dict[str, str]:
        config = {
            "message.timestamp.type": "LogAppendTime",
            "cleanup.policy": kind.cleanup.value,
            "max.message.bytes": str(MESSAGE_BYTES_MAX),
            # One replica may be away for maintenance without a pause, and none of what was
            # acknowledged is on a single disk.
            "min.insync.replicas": "2" if self.replication_factor >= 3 else "1",
        }
        if kind.cleanup is Cleanup.DELETE:
            limit = kind.retention
            config["retention.ms"] = (
                "-1" if limit is None else str(int(limit.total_seconds()) * 1000)
            )
            # A broker's default limit in bytes would delete unread records under load.
            config["retention.bytes"] = "-1"
        return config | dict(kind.config)


def check_queue(queue: str) -> None:
    """Refuse a queue that could have no topic: `ValueError` with the reason."""
    if queue == _RESERVED_QUEUE:
        raise ValueError(f"an activity queue cannot be called {queue!r}: {CONTROL.name} is taken")
    if not _NAME.fullmatch(queue):
        raise ValueError(
            f"an activity queue cannot be called {queue!r}: use letters, digits, '.', '_' and '-', "
            "at most 200 of them"
        )
