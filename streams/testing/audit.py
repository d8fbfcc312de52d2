"""The oracle over a real log at rest, all of it in memory: for tests.

`verify.py` does the same on a live log, in bounded memory.
"""

from __future__ import annotations

from typing import NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from streams.domain.aggregates import AGGREGATES
from streams.testing.oracle import Oracle
from topics.names import Names
from topics.reading import Consumed, read_to_end


class Audit(NamedTuple):
    """What the log says about itself."""

    events: int
    faults: list[str]
    unfinished: list[str]
    """Store keys of instances that have not ended."""
    oracles: list[Oracle]


def audit(bootstrap: str, names: Names, partitions: int) -> Audit:
    """Read everything and prove it; the engine should be idle, or stopped."""
    oracles = []
    for partition in range(partitions):
        oracle = Oracle(partition, AGGREGATES)
        for record in read_partition(bootstrap, names.events, partition):
            oracle.see(record.value or b"")
        oracle.compare(stored(bootstrap, names, partition).items())
        oracles.append(oracle)
    return Audit(
        sum(oracle.events for oracle in oracles),
        [fault for oracle in oracles for fault in oracle.faults],
        [key for oracle in oracles for key in oracle.unfinished()],
        oracles,
    )


def stored(bootstrap: str, names: Names, partition: int) -> dict[bytes, bytes]:
    """Return the last state record of every aggregate of a partition."""
    last: dict[bytes, bytes] = {}
    for record in read_partition(bootstrap, names.state, partition):
        key = record.key or b""
        if record.value is None:
            last.pop(key, None)
        elif b"/" in key:
            last[key] = record.value
    return last


def read_partition(bootstrap: str, topic: str, partition: int) -> list[Consumed]:
    """Return every committed record of a partition, from its beginning to its end now."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "tidemill-audit",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 20,
            "enable.auto.commit": False,
        }
    )
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
    try:
        return read_to_end(consumer)
    finally:
        consumer.close()
