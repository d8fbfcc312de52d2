"""`workflow.events` as the projector reads it: from its own positions, with no group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from confluent_kafka import Consumer, IsolationLevel, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from projections.errors import ForeignLogError
from projections.positions import Place, Source
from projections.projection import FORM
from topics.apply import admin_of
from topics.names import Names
from topics.settings import KafkaSettings

_TIMEOUT: Final = 15.0
_OFFSETS: Final[Any] = OffsetSpec  # Its methods carry no types.


class Bounds(NamedTuple):
    """What a partition holds."""

    start: int
    end: int
    """Past the last committed record, transaction markers included."""


class Log(NamedTuple):
    """The topic, as it is now."""

    source: Source
    bounds: dict[int, Bounds]


def look(settings: KafkaSettings) -> Log:
    """Ask Kafka which log this is and what it holds; `KafkaException` where it cannot be asked."""
    admin = admin_of(settings.kafka_bootstrap_servers)
    topic = Names(settings.topic_prefix).events
    cluster = admin.describe_cluster(request_timeout=_TIMEOUT).result()
    wanted = TopicCollection([topic])
    found = admin.describe_topics(wanted, request_timeout=_TIMEOUT)[topic].result()
    source = Source(str(cluster.cluster_id), topic, str(found.topic_id), FORM)
    return Log(source, _bounds(admin, topic, len(found.partitions)))


def _bounds(admin: AdminClient, topic: str, partitions: int) -> dict[int, Bounds]:
    starts = _offsets(admin, topic, partitions, _OFFSETS.earliest())
    ends = _offsets(admin, topic, partitions, _OFFSETS.latest())
    return {p: Bounds(starts[p], ends[p]) for p in range(partitions)}


def _offsets(admin: AdminClient, topic: str, partitions: int, spec: OffsetSpec) -> dict[int, int]:
    asked = {TopicPartition(topic, p): spec for p in range(partitions)}
    options: dict[str, Any] = {
        "isolation_level": IsolationLevel.READ_COMMITTED,
        "request_timeout": _TIMEOUT,
    }
    answers = admin.list_offsets(asked, **options)
    return {place.partition: int(f.result().offset) for place, f in answers.items()}


def check(log: Log, places: Mapping[int, Place]) -> None:
    """Refuse positions that lie outside the log: something was lost, or it is another one."""
    for partition, place in places.items():
        start, end = log.bounds[partition]
        if place.next_offset < start:
            raise ForeignLogError(
                f"partition {partition} of {log.source.topic} begins at offset {start}, and the "
                f"views are at {place.next_offset}: the events between are gone from Kafka "
                "(retention?). The rows stay as they are; restore the topic, then run "
                "`tidemill projection rebuild` if it is another one"
            )
        if place.next_offset > end:
            raise ForeignLogError(
                f"partition {partition} of {log.source.topic} ends at offset {end}, and the views "
                f"are at {place.next_offset}: the topic has lost events that the views hold "
                "(restored from a backup?). Run `tidemill projection rebuild`"
            )


def check_whole(log: Log) -> None:
    """Refuse to empty the views where the log cannot fill them again."""
    for partition, (start, _) in log.bounds.items():
        if start > 0:
            raise ForeignLogError(
                f"partition {partition} of {log.source.topic} begins at offset {start}: the views "
                "cannot be built from it. Nothing was changed; restore the topic first"
            )


def reader(settings: KafkaSettings, topic: str, places: Mapping[int, Place]) -> Consumer:
    """Return a consumer at these places, read committed; it belongs to no group."""
    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka_bootstrap_servers,
            "group.id": "tidemill-projector",  # Demanded by the client; nothing is committed.
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "fetch.wait.max.ms": 50,
            "fetch.message.max.bytes": 8 << 20,
            "queued.max.messages.kbytes": 32 << 10,
            "reconnect.backoff.max.ms": 2_000,
        }
    )
    consumer.assign([TopicPartition(topic, p, place.next_offset) for p, place in places.items()])
    return consumer
