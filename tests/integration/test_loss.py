"""Input that is gone before it was applied: its partition waits until that is accepted."""

import pytest
from confluent_kafka import Producer, TopicPartition

from connectors.client.client import Client
from schemas.partition import partition_of
from streams.testing.processes import Process, until
from streams.testing.verifying import verifying
from topics.apply import admin_of

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
HELLO = """
id: hello
version: 1.0.0
nodes: {start: {type: start, next: end}, end: {type: end}}
"""


def at(partition, start=0):
    """An instance id that lives there."""
    names = (f"i{number}" for number in range(start, 999))
    return next(name for name in names if partition_of(name.encode(), 4) == partition)


def lose(kafka, names, partition):
    """Write three commands to a partition and delete them; return their first offset."""
    producer = Producer({"bootstrap.servers": kafka})
    offsets = []
    for _ in range(3):
        producer.produce(
            names.commands,
            b"never read",
            b"k",
            partition,
            on_delivery=lambda error, message: offsets.append(message.offset()),
        )
    producer.flush(20)
    admin = admin_of(kafka)
    place = TopicPartition(names.commands, partition, max(offsets) + 1)
    (future,) = admin.delete_records([place]).values()
    future.result(30)
    return min(offsets)


def test_lost_input_is_refused_by_its_partition_until_it_is_accepted(
    environment, settings_of, kafka, names, tmp_path
):
    words = ["-m", "connectors.cli", "engine"]
    with Process(words, environment, tmp_path / "first.log") as first:
        until(lambda: first.tail().count("partition owned") == 4, hint=first.tail)
        assert first.stop() == 0
    lost = lose(kafka, names, 2)
    with Process(words, environment, tmp_path / "second.log") as second:
        until(lambda: second.tail().count("partition owned") == 3, hint=second.tail)
        until(lambda: "--accept-loss 2" in second.tail(), hint=second.tail)
        assert f"partition 2: offsets {lost} to {lost + 2}" in second.tail()
        # The others serve.
        with verifying(settings_of()), Client(settings_of()) as client:
            assert client.publish("hello", HELLO).reply.accepted
            for partition in (0, 1, 3):
                assert client.run("hello", instance_id=at(partition)).reply.accepted
        assert second.stop() == 0
    words += ["--accept-loss", "1", "--accept-loss", "2"]
    with Process(words, environment, tmp_path / "third.log") as third:
        until(lambda: "going on without lost input" in third.tail(), hint=third.tail)
        with Client(settings_of()) as client:
            assert client.run("hello", instance_id=at(2)).reply.accepted
        assert third.stop() == 0
