"""Everything wrong at once, to one engine on a real Kafka: each is answered, and it goes on."""

import time

import pytest
from confluent_kafka import Consumer, Producer

from connectors.client.errors import CommandRejectedError
from connectors.client.events import EventStream
from schemas.codec import decode, encode
from schemas.commands import RunInstance
from schemas.envelope import Envelope
from schemas.ids import store_key
from schemas.partition import partition_of
from streams.runtime.records import EMPTY_BOOK, STATE_FORM, StateRecord, encode_record
from streams.testing.processes import Process, until

PARTITIONS = 4
GOOD = """
id: good
version: 1.0.0
nodes:
  start: {type: start, next: pause}
  pause: {type: timer, duration: 0, next: end}
  end: {type: end}
"""
SUMMING = """
id: summing
version: 1.0.0
nodes:
  start: {type: start, next: add}
  add: {type: timer, duration: 0, output: {sum: "${n + 1}"}, next: end}
  end: {type: end}
"""
MAILING = """
id: mailing
version: 1.0.0
nodes:
  start: {type: start, next: send}
  send: {type: activity, activity_type: send, queue: nowhere, next: end}
  end: {type: end}
"""
SPINNING = """
id: spinning
version: 1.0.0
nodes:
  start: {type: start, next: a}
  a: {type: exclusive, next: [{to: b, when: "${x}"}, {to: end, default: true}]}
  b: {type: exclusive, next: a}
  end: {type: end}
"""
NEWER = b"\xc3\x01" + b"\x77" * 8 + b"of a newer release"


@pytest.fixture
def produce(kafka):
    """Write raw records, as a client of any kind may."""
    producer = Producer({"bootstrap.servers": kafka, "message.max.bytes": 4 << 20})

    def write(topic, key, value, partition=None):
        place = partition_of(key, PARTITIONS) if partition is None else partition
        producer.produce(topic, value, key, partition=place)
        assert producer.flush(20) == 0

    return write


def read_all(kafka, topic, enough, seconds=30):
    """Return records of a topic from its beginning, until they are enough."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": f"reader-of-{topic}",
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([topic])
    found, end = [], time.monotonic() + seconds
    while not enough(found) and time.monotonic() < end:
        record = consumer.poll(0.2)
        if record is not None and record.error() is None:
            found.append(record)
    consumer.close()
    return found


def replies(records):
    """What was replied, by the command's id."""
    found = [decode(record.value()) for record in records]
    return {reply.envelope.context.causation_id: reply.body for reply in found}


def command(name, body, target="raw"):
    return encode(Envelope(name, type(body).__name__, 1, "instance", target), body)


def completes(client, settings, name):
    """Run an instance to its end: the engine serves its partition."""
    client.run("good", instance_id=name)
    stream = EventStream(settings, beginning=True, instance_id=name)
    kinds = [event.message.envelope.type for event in stream.watch(40)]
    stream.close()
    return kinds[-1:] == ["workflow.completed"]


def name_on(partition, number=0):
    names = (f"n-{number}-{place}" for place in range(99))
    return next(n for n in names if partition_of(n.encode(), PARTITIONS) == partition)


def incident_of(settings, name):
    """Return the incident that an instance comes to."""
    stream = EventStream(settings, beginning=True, instance_id=name, types=["error.occurred"])
    end, found = time.monotonic() + 30, []
    while not found and time.monotonic() < end:
        found = list(stream.read(0.3))
    stream.close()
    return found[0].message.body


@pytest.mark.kafka
def test_an_engine_answers_all_that_is_wrong_and_goes_on(
    engine, client, settings_of, kafka, names, produce
):
    assert client.publish("good", GOOD).reply.accepted, engine.tail()
    assert client.publish("summing", SUMMING).reply.accepted
    # What a raw producer may write: dead letters and rejections that nobody asked for.
    elsewhere = (partition_of(b"raw", PARTITIONS) + 1) % PARTITIONS
    good = command("raw-1", RunInstance("good"))
    produce(names.commands, b"raw", b"\x00\x01 no Avro")
    produce(names.commands, b"raw", NEWER)
    produce(names.results, b"raw", NEWER)
    produce(names.commands, b"raw", good, elsewhere)
    produce(names.commands, b"another", command("raw-2", RunInstance("good")))
    produce(names.commands, b"raw", command("raw-3", RunInstance("good", "", b"x" * 2_000_000)))
    produce(names.commands, b"raw", command("", RunInstance("good")))
    dead = read_all(kafka, names.dead_letters, lambda found: len(found) == 5)
    reasons = sorted(dict(record.headers())["reason"].decode() for record in dead)
    assert [reason.split(":")[0] for reason in reasons] == [
        "Serialization",
        "Serialization",
        "Serialization",
        "wrong_partition",
        "wrong_partition",
    ]
    assert sum("newer release" in reason for reason in reasons) == 2
    assert "partitioner=murmur2_random" in reasons[-1]
    # A client that waits for an engine asks again, and has two replies.
    raw = {"raw-1", "raw-2", "raw-3", ""}
    said = replies(read_all(kafka, names.replies, lambda found: raw <= replies(found).keys()))
    assert said["raw-1"].code == said["raw-2"].code == "wrong_partition"
    assert "524288" in said["raw-3"].message
    assert "give every command an id" in said[""].message
    # What a client may ask for.
    for code, word, ask in [
        ("NotFound", "tidemill definition list", lambda: client.run("nowhere")),
        ("InvalidInput", "outside int64", lambda: client.run("good", {"n": 1 << 63})),
        ("InvalidInput", "not a JSON object", lambda: client.run("good", ["no object"])),
        ("InvalidDefinition", "this cycle never waits", lambda: client.publish("s", SPINNING)),
        ("queue_missing", "topics apply --queue", lambda: client.publish("mailing", MAILING)),
        ("InvalidDefinition", "definition:", lambda: client.publish("b", "id: b\nnodes: {")),
    ]:
        with pytest.raises(CommandRejectedError, match=word) as raised:
            ask()
        assert raised.value.code == code
    client.run("summing", {"n": "one"}, instance_id="sum-1")
    incident = incident_of(settings_of(), "sum-1")
    assert (incident.code, incident.expression) == ("expression_failed", "n + 1")
    assert all(completes(client, settings_of(), name_on(p)) for p in range(PARTITIONS))
    assert engine.running()


@pytest.mark.kafka
@pytest.mark.parametrize("topic", ["internal", "state"])
def test_a_newer_releases_record_refuses_its_partition_loudly_and_no_other(
    topic, client, environment, settings_of, names, produce, tmp_path
):
    refused = 1
    value = NEWER
    if topic == "state":
        value = encode_record(StateRecord(STATE_FORM + 1, 1, b"", EMPTY_BOOK))
        key = store_key("instance", "default", name_on(refused))
        produce(names.state, key, value, refused)
    with Process(["-m", "streams"], environment, tmp_path / "engine.log") as engine:
        # The definition's own partition must be served: another is refused.
        name = next(n for n in "abcdefgh" if partition_of(n.encode(), PARTITIONS) != refused)
        source = GOOD.replace("id: good", f"id: {name}")
        assert client.publish(name, source).reply.accepted, engine.tail()
        if topic == "internal":
            produce(names.internal, name_on(refused).encode(), value, refused)
        until(lambda: "partition refused" in engine.tail(100_000), 40, engine.tail)
        log = engine.tail(100_000)
        assert "newer release" in log
        assert f"partition={refused}" in log or f'"partition": {refused}' in log, log[-2000:]
        for partition in set(range(PARTITIONS)) - {refused}:
            assert client.run(name, instance_id=name_on(partition, 1)).reply.accepted
        assert engine.running()
