"""The reference: what raw librdkafka gives on the same broker, without Tidemill."""

from __future__ import annotations

import time
import uuid

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

_BYTES = 300
_SECONDS = 3.0


def produce_per_second(bootstrap: str) -> float:
    """Return records a second of one idempotent producer (300 bytes, acks=all, one partition)."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    topic = f"tidemill-bench-{uuid.uuid4().hex[:8]}"
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result()
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 5,
        }
    )
    value = uuid.uuid4().bytes * (_BYTES // 16)
    count, begun = 0, time.perf_counter()
    try:
        while time.perf_counter() - begun < _SECONDS:
            try:
                producer.produce(topic, value)
                count += 1
            except BufferError:
                producer.poll(0.01)
        producer.flush(60)
        return count / (time.perf_counter() - begun)
    finally:
        admin.delete_topics([topic])[topic].result()
