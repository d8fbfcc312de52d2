"""What only a real broker refuses: the guilty record is quarantined, the others take effect."""

import time
import uuid

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from schemas.codec import decode, encode
from schemas.commands import PublishDefinition, RunInstance
from schemas.envelope import Envelope
from schemas.json_text import canonical
from schemas.partition import partition_of
from schemas.registry import public_type
from schemas.results import RecordVerdict
from streams.app import Parts
from streams.domain.definition.state import source_hash
from streams.runtime.inbox import COMMANDS, RESULTS
from streams.runtime.ports import Record
from streams.settings import EngineSettings
from streams.testing.audit import read_partition

pytestmark = pytest.mark.kafka
HELLO = """
id: hello
version: 1.0.0
nodes:
  start: {type: start, next: greet}
  greet: {type: activity, activity_type: greet, next: end}
  end: {type: end}
"""
PLACE = partition_of(b"hello", 4)
HERE = [name for name in (f"i{n}" for n in range(99)) if partition_of(name.encode(), 4) == PLACE]


def command(offset, target, body, kind="instance"):
    envelope = Envelope(f"c-{target}", public_type(body), 1, kind, target, reply_to=f"me:{PLACE}")
    now = time.time_ns() // 1_000_000
    return Record(offset, now, target.encode(), encode(envelope, body))


def limit(parts, topic, largest):
    """Let a topic take no larger record; return when the broker holds to it."""
    entry = ConfigEntry(
        "max.message.bytes", str(largest), incremental_operation=AlterConfigOpType.SET
    )
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    for future in parts.admin.incremental_alter_configs([resource]).values():
        future.result(20)
    producer = Producer({"bootstrap.servers": parts.settings.kafka_bootstrap_servers})
    errors = []
    other = (PLACE + 1) % 4
    while not any(errors):
        producer.produce(
            topic,
            uuid.uuid4().bytes * largest,
            partition=other,
            on_delivery=lambda error, _: errors.append(error),
        )
        producer.flush(10)


async def test_the_one_command_whose_events_are_too_large_is_quarantined(settings_of, kafka, names):
    parts = Parts(settings_of(EngineSettings))
    await parts.tail.start()
    shard = parts.runner(PLACE).shard
    await shard.open()
    shard.submit(COMMANDS, [command(0, "hello", PublishDefinition(HELLO), "definition")])
    await shard.step()
    verdict = RecordVerdict("1.0.0", source_hash(HELLO), "sound")
    shard.submit(RESULTS, [command(0, "hello", verdict, "definition")])
    await shard.step()
    limit(parts, names.events, 5_000)
    large = canonical({"noise": "".join(uuid.uuid4().hex for _ in range(1_000))})
    batch = [command(n, name, RunInstance("hello")) for n, name in enumerate(HERE[:5], 1)]
    batch[2] = command(3, HERE[2], RunInstance("hello", "", large))
    shard.submit(COMMANDS, batch)
    await shard.step()
    replies = {
        envelope.context.causation_id: body
        for envelope, body in (
            decode(record.value) for record in read_partition(kafka, names.replies, PLACE)
        )
    }
    accepted = {name: replies[f"c-{name}"].accepted for name in HERE[:5]}
    assert accepted == {name: name != HERE[2] for name in HERE[:5]}
    assert replies[f"c-{HERE[2]}"].code == "engine_error"
    (letter,) = read_partition(kafka, names.dead_letters, PLACE)
    assert letter.value == batch[2].value
    assert shard.position.inputs[COMMANDS] == 6
    await shard.close()
    parts.tail.stop()
