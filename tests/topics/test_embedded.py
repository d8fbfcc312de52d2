"""The embedded Kafka, really started."""

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import NewTopic

from topics.apply import admin_of
from topics.embedded import EmbeddedKafka


@pytest.fixture
def broker(tmp_path):
    kafka = EmbeddedKafka(tmp_path / "kafka", die_with_parent=True)
    yield kafka
    kafka.kill()


def _write(bootstrap, text):
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all"})
    producer.produce("kept", text)
    assert producer.flush(20) == 0


def _read(bootstrap, count):
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "t"})
    consumer.assign([TopicPartition("kept", 0, 0)])
    values = []
    while len(values) < count:
        message = consumer.poll(20)
        assert message is not None
        assert message.error() is None
        values.append(message.value())
    consumer.close()
    return values


def test_it_starts_attaches_and_keeps_data_over_stop_and_kill(broker):
    bootstrap = broker.start()
    assert EmbeddedKafka(broker.data_dir).start() == bootstrap
    admin = admin_of(bootstrap)
    admin.create_topics([NewTopic("kept", 1, 1)])["kept"].result()
    _write(bootstrap, b"one")
    broker.stop()
    assert broker.running() is None
    assert broker.restart() == bootstrap
    _write(bootstrap, b"two")
    broker.kill()
    assert broker.restart() == bootstrap
    assert _read(bootstrap, 2) == [b"one", b"two"]
