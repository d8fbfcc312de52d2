"""Reading what a confluent consumer has, without waiting longer than needed."""

from __future__ import annotations

from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException


class Consumed(NamedTuple):
    """A record."""

    partition: int
    offset: int
    timestamp: int
    """Milliseconds since 1970."""
    key: bytes | None
    value: bytes | None


_made = tuple.__new__
"""Makes a `Consumed` in a third of the time that its own constructor takes."""


class Reported(NamedTuple):
    """An error, or the end of a partition, as librdkafka reports it."""

    partition: int
    """-1 where it belongs to none."""
    offset: int
    error: KafkaError


def read(consumer: Consumer, limit: int, timeout: float) -> tuple[list[Consumed], list[Reported]]:
    """Return at most `limit` records, and what else was reported.

    Waits `timeout` seconds for the first only: `consume(limit, timeout)` would wait for all.
    """
    first = consumer.poll(timeout)
    if first is None:
        return [], []
    records: list[Consumed] = []
    reported: list[Reported] = []
    for message in [first, *consumer.consume(limit - 1, 0)] if limit > 1 else [first]:
        error, partition, offset = message.error(), message.partition(), message.offset()
        if error is None:
            stamp = message.timestamp()[1]
            whole = (partition, offset, stamp, message.key(), message.value())
            records.append(_made(Consumed, whole))
        else:
            where = (-1 if partition is None else partition, -1 if offset is None else offset)
            reported.append(Reported(*where, error))
    return records, reported


def read_to_end(consumer: Consumer) -> list[Consumed]:
    """Return every record up to the end of the one partition that the consumer is assigned.

    The consumer reports ends (`enable.partition.eof`).

    Raises:
        KafkaException: an error that does not pass by itself.
    """
    found: list[Consumed] = []
    while True:
        records, reported = read(consumer, 5_000, 0.5)
        found += records
        for one in reported:
            if one.error.code() == KafkaError._PARTITION_EOF:
                return found
            if not one.error.retriable():
                raise KafkaException(one.error)
