"""One contract for the log on a real Kafka and the simulated one."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from streams.runtime.cluster import identify
from streams.runtime.kafka_log import KafkaLog
from streams.runtime.kafka_requests import Classic, Implicit
from streams.runtime.ports import AbortedError, FencedError, Out
from streams.runtime.records import POSITION_KEY
from streams.testing.audit import read_partition
from streams.testing.simulated_log import Fault, SimulatedKafka, SimulatedLog, Step
from topics.apply import admin_of
from topics.names import Names


class Simulated:
    """The contract's questions to the simulated log."""

    def __init__(self):
        self.names = Names("", lambda _queue: 2)
        self.kafka = SimulatedKafka(self.names, 4, lambda: 1)
        self.faults = []

    def log(self):
        return SimulatedLog(self.kafka, 0, lambda _: self.faults.pop() if self.faults else None)

    async def transact_badly(self, log, records):
        self.faults = [Fault.ABORT, None, None]
        await log.transact(records)

    def leave(self, records, how):
        name = "other" if how == "abort" else "shard-0"
        self.kafka.take_over(name)
        transaction = self.kafka.begin(name)
        for out in records:
            self.kafka.append(out, transaction)
        if how == "abort":
            self.kafka.end(name, commit=False)

    def values(self, topic):
        return [entry.value for entry in self.kafka.committed(topic, 0)]

    def forget(self, topic, below):
        self.kafka.truncate(topic, 0, below)

    def close(self):
        pass


class Real:
    """The same to a real Kafka."""

    def __init__(self, bootstrap, names, dialect=None):
        self.bootstrap, self.names, self.dialect = bootstrap, names, dialect
        self.admin = admin_of(bootstrap)
        found = identify(self.admin, names)
        self.identity = (found.cluster, found.state_topic)
        self.executor = ThreadPoolExecutor(4)
        self.producers = []

    def log(self):
        return KafkaLog(
            self.bootstrap,
            self.names,
            0,
            self.identity,
            self.executor,
            group="contract",
            dialect=self.dialect,
        )

    async def transact_badly(self, log, records):
        # No topic takes such a record: it is not even sent.
        await log.transact([*records, Out(self.names.events, 0, b"k", b"x" * (5 << 20))])

    def leave(self, records, how):
        name = uuid.uuid4().hex if how == "abort" else f"{self.names.prefix}contract-0"
        servers = {"bootstrap.servers": self.bootstrap}
        producer = Producer(servers | {"transactional.id": name})
        producer.init_transactions(20)
        producer.begin_transaction()
        for out in records:
            producer.produce(out.topic, out.value, out.key, out.partition)
        producer.flush(20)
        if how == "abort":
            producer.abort_transaction(20)
        self.producers.append(producer)

    def values(self, topic):
        return [record.value for record in read_partition(self.bootstrap, topic, 0)]

    def forget(self, topic, below):
        for future in self.admin.delete_records([TopicPartition(topic, 0, below)]).values():
            future.result()

    def close(self):
        self.executor.shutdown()


@pytest.fixture(
    params=[
        "simulated",
        pytest.param(Classic, marks=pytest.mark.kafka),
        pytest.param(Implicit, marks=pytest.mark.kafka),
    ]
)
def side(request):
    if request.param == "simulated":
        made = Simulated()
    else:
        kafka, names = (request.getfixturevalue(name) for name in ("kafka", "names"))
        made = Real(kafka, names, request.param)
    yield made
    made.close()


def batch(side, number, more=1):
    """A batch as a shard writes it: the position record is the last."""
    name = b"%d" % number
    return [
        Out(side.names.events, 0, b"k", b"event " + name),
        *(Out(side.names.state, 0, b"key %d" % n, b"state " + name) for n in range(more)),
        Out(side.names.state, 0, POSITION_KEY, b"position " + name),
    ]


async def changelog(log, start=0):
    """Offset and value of each record, read to the end."""
    return [(r.offset, r.value) async for chunk in log.changelog(start) for r in chunk]


async def test_a_transaction_returns_the_offset_behind_its_position_record(side):
    log = side.log()
    await log.init()
    for number in (1, 2, 3):
        end = await log.transact(batch(side, number))
        found = await changelog(log, end - 1)
        assert found == [(end - 1, b"position %d" % number)]
        span = await log.changelog_span()
        assert span.low < end <= span.high
    await log.close()


async def test_an_empty_changelog_ends_at_once(side):
    log = side.log()
    await log.init()
    assert await changelog(log) == []
    assert await log.changelog_span() == (0, 0)
    assert await log.log_start("workflow.commands") == 0
    await log.close()


async def test_the_former_owner_can_write_nothing_after_the_next_has_begun(side):
    former, current = side.log(), side.log()
    await former.init()
    await former.transact(batch(side, 1))
    await current.init()
    with pytest.raises(FencedError):
        await former.transact(batch(side, 2))
    await current.transact(batch(side, 3))
    with pytest.raises(FencedError):
        await former.transact(batch(side, 4))
    assert side.values(side.names.events) == [b"event 1", b"event 3"]
    assert [v for _, v in await changelog(current)] == [
        b"state 1",
        b"position 1",
        b"state 3",
        b"position 3",
    ]
    await former.close()
    await current.close()


async def test_what_the_former_owner_left_open_is_settled_by_the_next(side):
    side.leave(batch(side, 1), "open")
    log = side.log()
    await log.init()
    assert await changelog(log) == []
    await log.transact(batch(side, 2))
    assert [v for _, v in await changelog(log)] == [b"state 2", b"position 2"]
    assert side.values(side.names.events) == [b"event 2"]
    await log.close()


async def test_nothing_of_an_aborted_transaction_is_seen_and_the_next_one_is_whole(side):
    log = side.log()
    await log.init()
    await log.transact(batch(side, 1))
    with pytest.raises(AbortedError):
        await side.transact_badly(log, batch(side, 2))
    end = await log.transact(batch(side, 3))
    assert side.values(side.names.events) == [b"event 1", b"event 3"]
    found = await changelog(log)
    assert [v for _, v in found] == [b"state 1", b"position 1", b"state 3", b"position 3"]
    assert found[-1] == (end - 1, b"position 3")
    await log.close()


async def test_the_changelog_is_read_to_its_end_over_aborted_records_and_markers(side):
    log = side.log()
    await log.init()
    end = await log.transact(batch(side, 1, more=30))
    for _ in range(2):
        side.leave(batch(side, 9, more=5), "abort")
    # The last offsets of the log are aborted records and markers: nobody is given them.
    found = await changelog(log)
    assert found[-1] == (end - 1, b"position 1")
    assert len(found) == 31
    assert await changelog(log, end) == []
    assert (await log.changelog_span()).high > end
    last = await log.transact(batch(side, 2))
    assert [v for _, v in await changelog(log, end)] == [b"state 2", b"position 2"]
    assert last > end + 12
    await log.close()


async def test_offsets_only_grow_over_markers(side):
    log = side.log()
    await log.init()
    ends = [await log.transact(batch(side, number)) for number in range(5)]
    offsets = [offset for offset, _ in await changelog(log)]
    assert offsets == sorted(set(offsets))
    assert [end - 1 for end in ends] == offsets[1::2]
    await log.close()


async def test_where_an_input_starts_is_told_after_its_records_were_deleted(side):
    log = side.log()
    await log.init()
    commands = side.names.commands
    await log.transact([*(Out(commands, 0, b"k", b"%d" % n) for n in range(5)), *batch(side, 1)])
    side.forget(commands, 3)
    assert await log.log_start("workflow.commands") == 3
    assert await log.log_start("workflow.results") == 0
    await log.close()


async def test_closing_leaves_no_transaction_open(side):
    log = side.log()
    await log.init()
    await log.transact(batch(side, 1))
    await log.close()
    await log.close()
    assert side.values(side.names.events) == [b"event 1"]


@pytest.mark.parametrize("step", [Step.BEGIN, Step.PRODUCE, Step.FLUSHED])
async def test_a_simulated_abort_anywhere_leaves_nothing(step):
    side = Simulated()
    log = SimulatedLog(side.kafka, 0, lambda at: Fault.ABORT if at is step else None)
    await log.init()
    with pytest.raises(AbortedError) as caught:
        await log.transact(batch(side, 1))
    assert caught.value.transport
    assert side.values(side.names.events) == []


@pytest.mark.kafka
async def test_a_record_that_no_broker_takes_is_a_reason_of_data_not_of_transport(kafka, names):
    side = Real(kafka, names)
    log = side.log()
    await log.init()
    with pytest.raises(AbortedError) as caught:
        await side.transact_badly(log, batch(side, 1))
    assert not caught.value.transport
    await log.close()
    side.close()


@pytest.mark.kafka
async def test_what_only_the_broker_refuses_is_named_at_the_second_try(kafka, names):
    side = Real(kafka, names)
    noise = Out(names.replies, 0, b"k", b"".join(uuid.uuid4().bytes for _ in range(1_000)))
    limit(side, names.replies, noise)
    log = side.log()
    await log.init()
    seen = []
    for _ in range(2):
        with pytest.raises(AbortedError) as caught:
            await log.transact([noise, *batch(side, 1)])
        seen.append(caught.value.transport)
    assert seen[-1] is False, "the reason is known at the second try at the latest"
    await log.transact(batch(side, 2))
    assert [v for _, v in await changelog(log)] == [b"state 2", b"position 2"]
    await log.close()
    side.close()


def limit(side, topic, record):
    """Let the topic take nothing above 1,000 bytes; return when the broker holds to it."""
    entry = ConfigEntry("max.message.bytes", "1000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    for future in side.admin.incremental_alter_configs([resource]).values():
        future.result()
    producer = Producer({"bootstrap.servers": side.bootstrap})
    errors = []
    while not any(errors):
        producer.produce(
            topic, record.value, record.key, 1, on_delivery=lambda error, _: errors.append(error)
        )
        producer.flush(10)
