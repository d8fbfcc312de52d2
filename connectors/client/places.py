"""Where a topic's partitions end: what a reader asks that wants only what is still to come."""

from __future__ import annotations

import time

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from connectors.client.errors import NotReadyError

_TIMEOUT = 15.0
_PASSING = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    }
)


def partitions(consumer: Consumer, topic: str) -> int:
    """Return how many partitions a topic has.

    Raises:
        NotReadyError: Kafka does not answer, or the topic is missing.
    """
    try:
        found = consumer.list_topics(topic, timeout=_TIMEOUT).topics[topic]
    except KafkaException as error:
        raise _no_answer(error) from error
    if found.error is not None or not found.partitions:
        raise NotReadyError(f"topic {topic} is missing: run `tidemill topics apply`")
    return len(found.partitions)


def end(consumer: Consumer, place: TopicPartition) -> int:
    """Return the end of a partition; one that was just created may not lead yet.

    Raises:
        NotReadyError: Kafka does not answer.
    """
    deadline = time.monotonic() + _TIMEOUT
    while True:
        try:
            return int(consumer.get_watermark_offsets(place, timeout=_TIMEOUT)[1])
        except KafkaException as error:
            if error.args[0].code() not in _PASSING or time.monotonic() > deadline:
                raise _no_answer(error) from error
            time.sleep(0.05)


def _no_answer(error: KafkaException) -> NotReadyError:
    return NotReadyError(
        f"Kafka does not answer ({error.args[0].str()}): is it up, and is "
        "KAFKA_BOOTSTRAP_SERVERS right?"
    )
