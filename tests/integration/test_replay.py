"""`tidemill replay`: what a dead-lettered command would lead to, and nothing is changed by it."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from schemas.codec import encode
from schemas.commands import PublishDefinition, RunInstance
from schemas.envelope import Envelope
from schemas.partition import partition_of
from schemas.registry import public_type
from schemas.results import RecordVerdict
from streams.app import Parts
from streams.domain.definition.state import source_hash
from streams.domain.instance.aggregate import INSTANCE
from streams.replay import NoLetterError, replay
from streams.runtime.ports import Record
from streams.settings import EngineSettings

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
HELLO = """
id: hello
version: 1.0.0
nodes:
  start: {type: start, next: greet}
  greet: {type: activity, activity_type: greet, next: end}
  end: {type: end}
"""
PLACE = partition_of(b"hello", 4)
NAME = next(f"i{n}" for n in range(99) if partition_of(b"i%d" % n, 4) == PLACE)
OTHER = next(f"i{n}" for n in range(99) if partition_of(b"i%d" % n, 4) != PLACE)


def message(target, body, kind="instance"):
    return encode(Envelope(f"c-{target}", public_type(body), 1, kind, target), body)


def written(kafka, names):
    """End offsets of everything that a shard writes, in all partitions."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "ends"})
    topics = (names.events, names.state, names.replies, names.dead_letters, names.commands)
    ends = [
        consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=20)[1]
        for topic in topics
        for partition in range(4)
    ]
    consumer.close()
    return ends


def broken(_command, _state, _ctx):
    raise ZeroDivisionError("a defect of the engine")


@pytest.fixture
async def poisoned(settings_of, kafka, names, monkeypatch):
    """A shard on a real Kafka that has dead-lettered what it could not decide."""
    producer = Producer({"bootstrap.servers": kafka})
    for target, body, kind in (
        ("hello", PublishDefinition(HELLO), "definition"),
        (NAME, RunInstance("hello"), "instance"),
    ):
        producer.produce(names.commands, message(target, body, kind), target.encode(), PLACE)
    # Bytes that nobody can read, and a command that a client put into the wrong partition.
    producer.produce(names.commands, b"{}", NAME.encode(), PLACE)
    producer.produce(names.commands, message(OTHER, RunInstance("no")), OTHER.encode(), PLACE)
    producer.flush(20)
    parts = Parts(settings_of(EngineSettings))
    await parts.tail.start()
    shard = parts.runner(PLACE).shard
    await shard.open()
    consumer = Consumer(
        {"bootstrap.servers": kafka, "group.id": "x", "auto.offset.reset": "earliest"}
    )
    consumer.assign([TopicPartition(names.commands, PLACE, 0)])
    found = [consumer.poll(20) for _ in range(4)]
    consumer.close()
    records = [Record(m.offset(), m.timestamp()[1], m.key(), m.value()) for m in found]
    shard.submit("workflow.commands", records[:1])
    await shard.step()
    verdict = message("hello", RecordVerdict("1.0.0", source_hash(HELLO), "sound"), "definition")
    shard.submit("workflow.results", [Record(0, records[0].timestamp, b"hello", verdict)])
    await shard.step()
    with monkeypatch.context() as patch:
        patch.setattr(type(INSTANCE), "decide", staticmethod(broken))
        shard.submit("workflow.commands", records[1:])
        await shard.step()
    await shard.close()
    parts.tail.stop()
    return parts


def decided(settings, partition=PLACE, offset=None):
    with ThreadPoolExecutor(1) as pool:  # The command line has no loop of its own.
        return pool.submit(replay, settings, partition, offset).result(60)


async def test_a_poisoned_command_is_decided_again_and_nothing_is_changed(
    poisoned, settings_of, kafka, names, environment, monkeypatch
):
    settings, before = settings_of(EngineSettings), written(kafka, names)
    command, unreadable = decided(settings)
    assert (command.command, command.outcome) == ("RunInstance", "accepted")
    assert command.aggregate == f"instance/default/{NAME}"
    assert command.reason.startswith("engine_error: ZeroDivisionError")
    kinds = [event["value"]["type"] for event in command.events]
    assert kinds == ["workflow.started", "activity.scheduled"]
    assert [effect["topic"] for effect in command.effects] == [names.queue("default")]
    assert (unreadable.outcome, "Avro" in unreadable.message) == ("unreadable", True)

    (only,) = decided(settings, offset=command.offset)
    assert only == command
    with pytest.raises(NoLetterError, match="no record at 999"):
        decided(settings, offset=999)

    elsewhere = partition_of(OTHER.encode(), 4)
    (wrong,) = decided(settings, elsewhere)
    assert (wrong.outcome, wrong.message.split(":")[0]) == ("rejected", "NotFound")

    with monkeypatch.context() as patch:
        patch.setattr(type(INSTANCE), "decide", staticmethod(broken))
        (failed,) = decided(settings, offset=command.offset)
    assert (failed.outcome, failed.events) == ("failed", [])
    assert "Traceback" in failed.message
    assert "ZeroDivisionError: a defect of the engine" in failed.message

    as_json = tidemill(environment, "replay", str(PLACE), "--json")
    assert as_json.returncode == 0, as_json.stderr
    told = json.loads(as_json.stdout)
    assert [one["outcome"] for one in told] == ["accepted", "unreadable"]
    as_text = tidemill(environment, "replay", str(PLACE), "--offset", str(command.offset))
    assert "would be accepted" in as_text.stdout
    assert tidemill(environment, "replay", "77").returncode == 5
    assert written(kafka, names) == before
    # A copy of the local store gives what the changelog gives.
    assert (settings.data_dir / "stores").is_dir()
    (anew,) = decided(
        settings.model_copy(update={"data_dir": settings.data_dir / "none"}),
        offset=command.offset,
    )
    assert without_time(anew) == without_time(command)


def without_time(one):
    return [(event["value"]["type"], event["value"]["body"]) for event in one.events]


def tidemill(environment, *words):
    return subprocess.run(
        [sys.executable, "-m", "connectors.cli", *words],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
