"""Results and internal commands that were applied are deleted, and nothing else is."""

import shutil

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from connectors.client.client import Client
from connectors.workers.declare import activity_of
from connectors.workers.settings import WorkerSettings
from connectors.workers.worker import Worker
from streams.runtime.inbox import COMMANDS, INTERNAL, RESULTS, TELEMETRY
from streams.runtime.retention import Retention
from streams.testing.audit import audit
from streams.testing.processes import Process, until
from streams.testing.verifying import verifying
from topics.apply import admin_of

pytestmark = pytest.mark.kafka
HELLO = """
id: hello
version: 1.0.0
nodes:
  start: {type: start, next: greet}
  greet: {type: activity, activity_type: greet, next: end}
  end: {type: end}
"""


@pytest.fixture
def starts(kafka):
    """Return the first offset of each of the four partitions of a topic."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "starts"})

    def ask(topic):
        return [start(TopicPartition(topic, partition)) for partition in range(4)]

    def start(place):
        while True:
            try:
                return consumer.get_watermark_offsets(place, timeout=20)[0]
            except KafkaException as error:
                # A partition that was just created may have no leader yet.
                if error.args[0].code() != KafkaError.NOT_LEADER_FOR_PARTITION:
                    raise

    yield ask
    consumer.close()


@pytest.fixture
def filled(kafka, names):
    """Twenty records in partitions 0 and 1 of every input."""
    producer = Producer({"bootstrap.servers": kafka})
    for topic in (names.results, names.internal, names.commands, names.telemetry):
        for number in range(40):
            producer.produce(topic, b"x", b"k", number % 2)
    assert producer.flush(20) == 0


def test_what_lies_below_the_position_and_the_margin_goes(kafka, names, filled, starts):
    retention = Retention(admin_of(kafka), names.prefix, 5)
    positions = {(RESULTS, 0): 15, (RESULTS, 1): 20, (INTERNAL, 0): 6, (INTERNAL, 1): 5}
    assert retention.delete(positions) == 3
    assert starts(names.results) == [10, 15, 0, 0]
    assert starts(names.internal) == [1, 0, 0, 0]
    assert retention.delete(positions) == 0, "nothing is asked twice"
    assert retention.delete({(RESULTS, 0): 16}) == 1
    assert starts(names.results) == [11, 15, 0, 0]


def test_commands_and_telemetry_are_left_to_their_time_limit(kafka, names, filled, starts):
    retention = Retention(admin_of(kafka), names.prefix, 0)
    assert retention.delete({(COMMANDS, 0): 20, (TELEMETRY, 0): 20}) == 0
    assert starts(names.commands) == starts(names.telemetry) == [0, 0, 0, 0]


def test_an_offset_above_the_end_deletes_nothing_and_harms_nobody(kafka, names, filled, starts):
    retention = Retention(admin_of(kafka), names.prefix, 0)
    assert retention.delete({(RESULTS, 0): 999, (RESULTS, 1): 3}) == 1
    assert starts(names.results) == [0, 3, 0, 0]


@pytest.mark.slow
def test_an_engine_deletes_what_it_applied_and_goes_on_after_kill_and_with_an_empty_store(
    environment, settings_of, kafka, names, tmp_path, starts
):
    more = {"TIDEMILL_RETENTION_INTERVAL": "0.3", "TIDEMILL_RETENTION_MARGIN": "0"}
    worker = Worker(settings_of(WorkerSettings), [activity_of(lambda data: data, "greet")])
    worker.start()
    try:
        engine = Process(["-m", "streams"], environment | more, tmp_path / "engine.log")
        with engine, verifying(settings_of()), Client(settings_of()) as client:
            client.publish("hello", HELLO)
            for number in range(40):
                client.run("hello", instance_id=f"a-{number}")
            until(lambda: sum(starts(names.results)) >= 40, hint=engine.tail)
            engine.kill()
            shutil.rmtree(tmp_path / "stores")
            engine.start()
            for number in range(40):
                assert client.run("hello", instance_id=f"b-{number}").reply.accepted
            until(lambda: sum(starts(names.results)) >= 80, hint=engine.tail)
            assert engine.stop() == 0
            assert "refused" not in engine.tail(100_000)
    finally:
        worker.stop()
    assert starts(names.commands) == [0, 0, 0, 0]
    found = audit(kafka, names, 4)
    assert (found.faults, found.unfinished) == ([], [])
