"""What is wrong at the door: each a sentence that helps, and the shard goes on."""

import pytest

from schemas.codec import decode, encode
from schemas.commands import Continue, PublishDefinition, RunInstance, SuspendInstance
from schemas.envelope import Context, Envelope
from schemas.events import WorkflowSuspended
from schemas.ids import routing_key, store_key
from schemas.json_text import parse
from schemas.partition import partition_of
from schemas.registry import public_type
from schemas.results import CompleteActivity
from streams.runtime.ports import Out
from streams.runtime.records import (
    EMPTY_BOOK,
    POSITION_KEY,
    STATE_FORM,
    PositionRecord,
    StateRecord,
    UnknownFormError,
    encode_record,
)
from streams.testing.memory_store import MemoryStore
from streams.testing.world import World

HELLO = """
id: hello
version: 1.0.0
nodes:
  start: {type: start, next: greet}
  greet: {type: activity, activity_type: greet, input: {who: "${who}"}, next: end}
  end: {type: end}
"""
MAILING = HELLO.replace("id: hello", "id: mailing").replace("greet,", "greet, queue: mail,")
SPINNING = """
id: spinning
version: 1.0.0
nodes:
  start: {type: start, next: a}
  a: {type: exclusive, next: [{to: b, when: "${x}"}, {to: end, default: true}]}
  b: {type: exclusive, next: a}
  end: {type: end}
"""
NEWER = b"\xc3\x01" + b"\x77" * 8 + b"what a newer release wrote"
RUN = RunInstance("hello", "", b'{"who":"x"}')


@pytest.fixture
def world():
    return World(1, [HELLO, MAILING], partitions=3, fault_rate=0.0)


def message(body, *, name="bad", target="i-1", kind="instance", reply_to="client:0", **context):
    envelope = Envelope(
        name, public_type(body), 1, kind, target, reply_to=reply_to, context=Context(**context)
    )
    return encode(envelope, body)


def put(world, value, key=b"i-1", topic=None, partition=-1):
    world.kafka.append(Out(topic or world.names.commands, partition, key, value))
    world.settle()


def answers(world, name="bad"):
    """The replies to a command id: code and message, an empty code where it was accepted."""
    found = []
    for partition in range(world.partitions):
        for entry in world.kafka.committed(world.names.replies, partition):
            envelope, body = decode(entry.value)
            if envelope.context.causation_id == name:
                found.append((body.code, body.message))
    return found


def dead_letters(world):
    """Reason, source and bytes of every dead letter."""
    return [
        (
            dict(entry.headers)["reason"].decode(),
            dict(entry.headers)["source"].decode(),
            entry.value,
        )
        for partition in range(world.partitions)
        for entry in world.kafka.committed(world.names.dead_letters, partition)
    ]


def events(world, target):
    return [
        decode(entry.value)
        for partition in range(world.partitions)
        for entry in world.kafka.committed(world.names.events, partition)
        if decode(entry.value).envelope.aggregate_id == target
    ]


def goes_on(world, *partitions):
    """Start an instance on each partition: those that serve still do."""
    wanted = set(partitions or range(world.partitions))
    for number in range(50):
        target = f"good-{number}"
        place = partition_of(target.encode(), world.partitions)
        if place in wanted:
            wanted.remove(place)
            put(world, message(RUN, name=target, target=target), target.encode())
            assert answers(world, target) == [("", "")]
    assert not wanted


def elsewhere(world, key):
    return (partition_of(key, world.partitions) + 1) % world.partitions


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b'{"type": "RunInstance"}', "not an Avro single-object encoded message"),
        (None, "starts with nothing"),
        (NEWER, "written by a newer release"),
        (message(RUN)[:-2], "not a readable RunInstance v2"),
        (message(RUN) + b"more", "the message ends at"),
    ],
)
def test_bytes_that_cannot_be_read_are_kept_with_the_reason(world, value, words):
    put(world, value)
    ((reason, source, kept),) = dead_letters(world)
    assert (words in reason, reason.split(":")[0]) == (True, "Serialization"), reason
    assert (source, kept or b"") == ("workflow.commands", value or b"")
    goes_on(world)


@pytest.mark.parametrize(
    ("value", "code", "words"),
    [
        (message(RUN, name=""), "MissingParameter", "give every command an id"),
        (message(RUN, name="x" * 257), "MissingParameter", "above 256 characters"),
        (message(WorkflowSuspended("")), "UnsupportedOperation", "may not be written"),
        (message(Continue()), "UnsupportedOperation", "Continue may not be written"),
        (message(RUN, kind="device"), "InvalidInput", "aggregate_type of RunInstance"),
        (message(RUN, target="a b"), "InvalidInput", "'a b' is not an id"),
        (message(RUN, target="root~child"), "InvalidInput", "'root~child' is not an id"),
        (message(RUN, tenant="a/b"), "InvalidInput", "tenant 'a/b' is not an id"),
        (message(RUN, reply_to="client:99"), "InvalidInput", "token:partition"),
        (message(RUN, target="i-2"), "wrong_partition", "the record's key must be 'i-2'"),
        (message(RunInstance("nowhere")), "NotFound", "tidemill definition list"),
        (message(RunInstance("hello", "2.0.0")), "NotFound", "version 2.0.0"),
        (message(RunInstance("hello", "", b"x" * 2_000_000)), "limit_exceeded", "524288"),
        (message(RUN, metadata={"a": "x" * 20_000}), "limit_exceeded", "metadata have more than"),
        (message(RunInstance("hello", "", b"[]")), "InvalidInput", "variables: not a JSON object"),
        (message(RunInstance("hello", "", b"{no")), "InvalidInput", "variables: not a JSON"),
        (message(RunInstance("hello", "", b'{"n":1e999}')), "InvalidInput", "out of range"),
        (
            message(RunInstance("hello", "", b'{"n":9223372036854775808}')),
            "InvalidInput",
            "9223372036854775808 is outside int64; send it as a string",
        ),
        (
            message(RunInstance("hello", "", b'{"who":"%s"}' % (b"x" * 300_000))),
            "limit_exceeded",
            "variable 'who' has 300002 bytes, the limit is 262144",
        ),
        (message(SuspendInstance()), "NotFound", "'i-1' does not exist"),
    ],
)
def test_a_command_that_cannot_be_is_rejected_with_a_sentence_that_helps(world, value, code, words):
    put(world, value)
    ((found, text),) = answers(world, decode(value).envelope.id)
    assert (found, words in text) == (code, True), text
    goes_on(world)


def test_a_key_of_another_partitioner_is_rejected_and_kept(world):
    value = message(RUN)
    put(world, value, partition=elsewhere(world, b"i-1"))
    ((code, text),) = answers(world)
    assert (code, "partitioner=murmur2_random" in text) == ("wrong_partition", True)
    ((reason, _, kept),) = dead_letters(world)
    assert (reason.split(":")[0], kept) == ("wrong_partition", value)
    assert events(world, "i-1") == []
    goes_on(world)


def test_a_definition_whose_cycle_never_waits_is_rejected_with_the_cycle(world):
    value = message(PublishDefinition(SPINNING), target="spinning", kind="definition")
    put(world, value, b"spinning")
    ((code, text),) = answers(world)
    assert (code, "this cycle never waits: a → b → a" in text) == ("InvalidDefinition", True)
    goes_on(world)


def test_an_expression_that_fails_is_an_incident_with_the_values_it_saw(world):
    put(world, message(RunInstance("hello")))
    assert answers(world) == [("", "")]
    error = events(world, "i-1")[-1].body
    assert (error.code, error.node, error.expression) == ("expression_failed", "greet", "who")
    assert "'who'" in error.message
    assert parse(error.values) == {}
    goes_on(world)


def test_a_queue_that_is_gone_is_an_incident_that_says_how_to_get_it_back(world):
    world.book._queue_exists = lambda queue: queue != "mail"
    put(world, message(RunInstance("mailing", "", b'{"who":"x"}')))
    error = events(world, "i-1")[-1].body
    assert error.code == "queue_missing"
    assert "tidemill topics apply --queue mail" in error.message
    goes_on(world)


def test_a_result_of_an_activity_that_never_was_is_rejected(world):
    put(world, message(RUN))
    put(world, message(CompleteActivity(77, 1), name="late"), topic=world.names.results)
    assert answers(world, "late")[0][0] == "already_closed"
    put(world, message(RUN, name="sly"), topic=world.names.results)
    assert answers(world, "sly") == [
        ("UnsupportedOperation", "RunInstance may not be written to workflow.results")
    ]
    goes_on(world)


def test_an_internal_record_of_a_newer_release_refuses_its_partition_and_no_other(world):
    world.kafka.append(Out(world.names.internal, 0, b"i-1", NEWER))
    world.feed(0)
    before = world.shards[0].position
    with pytest.raises(UnknownFormError, match="newer release"):
        world.step(0)
    assert dead_letters(world) == []
    assert world.shards[0].position == before
    for partition in (1, 2):
        target = next(
            f"x{n}" for n in range(99) if partition_of(b"x%d" % n, world.partitions) == partition
        )
        world.kafka.append(
            Out(world.names.commands, -1, target.encode(), message(RUN, target=target))
        )
        world.feed(partition)
        assert world.step(partition) == 1
        assert len(events(world, target)) == 2


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (
            store_key("instance", "default", "i-1"),
            encode_record(StateRecord(STATE_FORM + 1, 1, b"", EMPTY_BOOK)),
        ),
        (POSITION_KEY, encode_record(PositionRecord(99, 1, 1, 1, {}))),
        (store_key("instance", "default", "i-1"), b"no record at all"),
    ],
)
def test_a_state_record_of_a_newer_release_refuses_its_partition_and_no_other(world, key, value):
    world.kafka.append(Out(world.names.state, 0, key, value))
    world.stores[0] = MemoryStore()
    with pytest.raises(UnknownFormError, match=r"newer release|unreadable record"):
        world.restart(0)
    world.restart(1)
    goes_on(world, 1, 2)


def test_metadata_tenant_and_trace_are_carried_from_the_command_to_all_it_causes(world):
    context = {"metadata": {"order": "7"}, "trace": "00-ab", "actor": "ann", "tenant": "acme"}
    publish = PublishDefinition(HELLO)
    key = routing_key("acme", "hello").encode()
    put(world, message(publish, target="hello", kind="definition", tenant="acme"), key)
    value = message(RUN, name="first", correlation_id="talk", **context)
    put(world, value, routing_key("acme", "i-1").encode())
    assert answers(world, "first") == [("", "")]
    world.poll_tasks()
    caused = [one.envelope.context for one in events(world, "i-1")] + [
        task.context for task, _ in world.tasks
    ]
    assert len(caused) == 3
    for one in caused:
        assert (one.metadata, one.trace, one.actor, one.tenant, one.causation_id) == (
            *context.values(),
            "first",
        )
        assert one.correlation_id == "talk"


def test_events_carry_their_public_type_to_consumers_of_cloud_events(world):
    put(world, message(RUN))
    place = partition_of(b"i-1", world.partitions)
    entry = world.kafka.committed(world.names.events, place)[-1]
    headers = {name: value.decode() for name, value in entry.headers}
    envelope = decode(entry.value).envelope
    assert (headers["ce_type"], headers["ce_id"]) == ("activity.scheduled", envelope.id)
    assert headers["ce_subject"] == "i-1"
