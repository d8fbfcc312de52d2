"""What a shard waits for before it decides: definitions that are written, and nothing else."""

import asyncio

import pytest
from confluent_kafka import Producer

from schemas.codec import decode, encode
from schemas.commands import RunInstance
from schemas.definitions import DefinitionRecord
from schemas.envelope import Envelope
from streams.forms import read_definition
from streams.runtime.definition_tail import DefinitionBook
from streams.runtime.inbox import COMMANDS, Item
from streams.runtime.kafka_definitions import KafkaDefinitionTail
from streams.runtime.ports import Record

pytestmark = pytest.mark.kafka
SOURCE = """
id: hello
version: {version}
nodes: {{start: {{type: start, next: end}}, end: {{type: end}}}}
"""


@pytest.fixture
async def tail(kafka, names):
    """A tail that has read all four partitions."""
    book = DefinitionBook(read_definition, lambda _queue: True)
    made = KafkaDefinitionTail(kafka, names, 4, book)
    await made.start()
    yield made
    made.stop()


@pytest.fixture
def producer(kafka, names):
    """A shard's producer of definitions."""
    made = Producer({"bootstrap.servers": kafka, "transactional.id": f"{names.prefix}definitions"})
    made.init_transactions(20)
    return made


def write(producer, names, version, position):
    """Write a version in an open transaction."""
    body = DefinitionRecord("hello", version, "published", SOURCE.format(version=version))
    envelope = Envelope(
        f"hello@{version}", "DefinitionRecord", 1, "definition", "hello", position=position
    )
    producer.begin_transaction()
    producer.produce(names.definitions, encode(envelope, body), b"hello", 0)
    producer.flush(20)


def command(seen, version=""):
    envelope = Envelope("c", "RunInstance", 1, "instance", "i", definitions_seen=seen)
    value = encode(envelope, RunInstance("hello", version))
    return Item(COMMANDS, Record(0, 1, b"i", value), decode(value), None)


async def test_a_shard_waits_for_a_definition_whose_transaction_is_not_finished(
    tail, producer, names
):
    write(producer, names, "1.0.0", 20)
    waiting = asyncio.create_task(tail.prepare([command("0:20")]))
    await asyncio.sleep(0.3)
    assert not waiting.done(), "it is written, and not to be seen yet"
    producer.commit_transaction(20)
    await waiting
    assert tail.book.find("default", "hello", "1.0.0") is not None


async def test_a_position_beyond_the_last_definition_is_settled_once_and_for_all(
    tail, producer, names
):
    write(producer, names, "1.0.0", 8)
    producer.commit_transaction(20)
    # Its sender published again what was known: the reply says where the partition stands.
    await tail.prepare([command("0:5000")])
    assert tail.book.seen[0] == 5_000, "the next batch would wait again"
    assert tail.book.find("default", "hello", "") is not None


async def test_an_unknown_name_waits_for_the_end_of_the_topic_and_no_longer(tail, producer, names):
    write(producer, names, "1.0.0", 8)
    producer.commit_transaction(20)
    await tail.prepare([command("", "1.0.0")])
    assert tail.book.find("default", "hello", "1.0.0") is not None
    await tail.prepare([command("", "9.0.0")])
    assert tail.book.find("default", "hello", "9.0.0") is None


async def test_a_definition_whose_transaction_was_aborted_is_none(tail, producer, names):
    write(producer, names, "1.0.0", 8)
    producer.abort_transaction(20)
    await tail.prepare([command("0:8")])
    assert tail.book.find("default", "hello", "") is None
