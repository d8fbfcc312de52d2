"""Deleting what was applied: `workflow.results` and `workflow.internal` have no time limit.

An unread result must never expire, so Kafka keeps both topics for ever; what lies below a
shard's committed position has had its effect, and nobody reads it again.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from streams.runtime.engine import Place
from streams.runtime.inbox import INTERNAL, RESULTS

log = structlog.get_logger(__name__)
_TOPICS = (RESULTS, INTERNAL)
_TIMEOUT = 20.0


class Retention:
    """Deletes below committed positions; blocks, so call it off the loop's thread."""

    def __init__(self, admin: AdminClient, prefix: str, margin: int) -> None:
        """Keep `margin` applied records of each partition, for who looks into them."""
        self._admin = admin
        self._prefix = prefix
        self._margin = margin
        self._starts: dict[Place, int] = {}
        """Log starts by place, as far as they were moved here."""

    def delete(self, positions: Mapping[Place, int]) -> int:
        """Delete what lies more than the margin below these positions; return how many places.

        The positions must be committed: what lies above one would be lost.
        """
        wanted = {
            TopicPartition(f"{self._prefix}{place[0]}", place[1], start): place
            for place, position in positions.items()
            if place[0] in _TOPICS
            and (start := position - self._margin) > self._starts.get(place, 0)
        }
        if not wanted:
            return 0
        futures = self._admin.delete_records(
            list(wanted), request_timeout=_TIMEOUT, operation_timeout=_TIMEOUT
        )
        deleted = 0
        for topic_partition, future in futures.items():
            place = wanted[topic_partition]
            try:
                self._starts[place] = future.result().low_watermark
                deleted += 1
            except KafkaException as error:
                # Nothing is lost by it: the next round tries again.
                log.warning(
                    "cannot delete what was applied", place=place, error=error.args[0].str()
                )
        return deleted
