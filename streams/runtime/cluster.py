"""What the engine must know of the cluster: its identity, partition counts, queues."""

from __future__ import annotations

import time
from typing import NamedTuple

import structlog
from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from streams.errors import ClusterError
from topics.names import Names

log = structlog.get_logger(__name__)
_TIMEOUT = 15.0
_REFRESH_SECONDS = 1.0


class Identity(NamedTuple):
    """Which log this is; a store of another one is rebuilt."""

    cluster: str
    state_topic: str
    partitions: int


def identify(admin: AdminClient, names: Names) -> Identity:
    """Ask the cluster who it is; `ClusterError` where the topics are missing."""
    try:
        cluster = admin.describe_cluster(request_timeout=_TIMEOUT).result()
        wanted = TopicCollection([names.commands, names.state])
        topics = {
            name: future.result()
            for name, future in admin.describe_topics(wanted, request_timeout=_TIMEOUT).items()
        }
    except KafkaException as error:
        raise ClusterError(
            f"Kafka's topics cannot be described ({error.args[0].str()}): is Kafka up, and did "
            "you run `tidemill topics apply`?"
        ) from error
    state = topics[names.state]
    counts = {len(topic.partitions) for topic in topics.values()}
    if len(counts) != 1:
        raise ClusterError("keyed topics differ in partitions: run `tidemill topics verify`")
    return Identity(str(cluster.cluster_id), str(state.topic_id), counts.pop())


class Queues:
    """The activity queues that have a topic, and how many partitions each has."""

    def __init__(self, admin: AdminClient, names: Names) -> None:
        """Take the client; nothing is asked before the first use."""
        self._admin = admin
        self._prefix = names.queue("")
        self._partitions: dict[str, int] = {}
        self._asked = 0.0

    def exists(self, queue: str) -> bool:
        """Tell whether a queue has a topic; asks Kafka about an unknown one, once a second."""
        if queue not in self._partitions:
            self.refresh()
        return queue in self._partitions

    def partitions(self, queue: str) -> int:
        """Return a queue's number of partitions."""
        return self._partitions.get(queue, 1)

    def refresh(self, *, force: bool = False) -> None:
        """Ask Kafka for the queues there are."""
        now = time.monotonic()
        if not force and now - self._asked < _REFRESH_SECONDS:
            return
        self._asked = now
        try:
            topics = self._admin.list_topics(timeout=_TIMEOUT).topics
        except KafkaException as error:
            log.warning("cannot list topics", error=error.args[0].str())
            return
        start = len(self._prefix)
        self._partitions = {
            name[start:]: len(topic.partitions)
            for name, topic in topics.items()
            if name.startswith(self._prefix) and name[start:] != "control"
        }
