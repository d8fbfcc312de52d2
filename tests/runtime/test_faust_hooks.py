"""What the engine takes from Faust's and aiokafka's insides, held against what is installed.

An upgrade that changes one of these places fails here, before it loses a record: read the new
source against `streams/agents`, `streams/app.py` and `streams/runtime/kafka_nodes.py`, then set
the new fingerprint (`python tests/runtime/test_faust_hooks.py` prints them).
"""

import hashlib
import inspect
from importlib.metadata import version
from types import SimpleNamespace

import aiokafka
import faust
import pytest
from aiokafka import client, conn
from aiokafka.consumer import fetcher, group_coordinator
from faust.app import base as app_base
from faust.tables import recovery
from faust.transport import conductor
from faust.transport import consumer as consumers
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.agents.transport import CHUNK_RECORDS, ChunkConsumer, ChunkTransport
from streams.app import faust_app
from streams.runtime.engine import Engine
from streams.runtime.inbox import INPUTS
from streams.settings import EngineSettings

OVERRIDDEN = {
    "Consumer._new_consumer_thread": driver.Consumer._new_consumer_thread,
    "Consumer.getmany": consumers.Consumer.getmany,
    "Consumer.perform_seek": consumers.Consumer.perform_seek,
    "Consumer.seek": consumers.Consumer.seek,
    "AIOKafkaConsumerThread._create_worker_consumer": (
        driver.AIOKafkaConsumerThread._create_worker_consumer
    ),
    "AIOKafkaConsumerThread.on_start": driver.AIOKafkaConsumerThread.on_start,
    "Fetcher._get_actions_per_node": fetcher.Fetcher._get_actions_per_node,
    "AIOKafkaConsumerThread._fetch_records": driver.AIOKafkaConsumerThread._fetch_records,
    "App._new_transport": app_base.App._new_transport,
}
USED = {
    "Consumer._wait_next_records": consumers.Consumer._wait_next_records,
    "Consumer.on_buffer_full": consumers.Consumer.on_buffer_full,
    "Consumer.on_buffer_drop": consumers.Consumer.on_buffer_drop,
    "Consumer._drain_messages": consumers.Consumer._drain_messages,
    "ConductorCompiler.build": conductor.ConductorCompiler.build,
    "Recovery._resume_streams": recovery.Recovery._resume_streams,
    "Recovery.on_recovery_completed": recovery.Recovery.on_recovery_completed,
    "App._on_partitions_revoked": app_base.App._on_partitions_revoked,
    "AIOKafkaConsumer.seek": aiokafka.AIOKafkaConsumer.seek,
    "AIOKafkaConsumer.start": aiokafka.AIOKafkaConsumer.start,
    "Fetcher.fetched_records": fetcher.Fetcher.fetched_records,
    "AIOKafkaConsumer.stop": aiokafka.AIOKafkaConsumer.stop,
    "Fetcher._fetch_requests_routine": fetcher.Fetcher._fetch_requests_routine,
    "Fetcher._proc_fetch_request": fetcher.Fetcher._proc_fetch_request,
    "AIOKafkaClient.send": client.AIOKafkaClient.send,
    "AIOKafkaConnection.send": conn.AIOKafkaConnection.send,
    "AIOKafkaConnection._handle_frame": conn.AIOKafkaConnection._handle_frame,
    "GroupCoordinator.close": group_coordinator.GroupCoordinator.close,
    "GroupCoordinator._maybe_leave_group": (group_coordinator.GroupCoordinator._maybe_leave_group),
}
FINGERPRINTS = {
    "Consumer._new_consumer_thread": "991867355aba",
    "Consumer.getmany": "5c87d5d37428",
    "Consumer.perform_seek": "3abec3df46b4",
    "Consumer.seek": "d418f1d072e9",
    "AIOKafkaConsumerThread._create_worker_consumer": "9246a21942b3",
    "AIOKafkaConsumerThread.on_start": "5550ff514f9b",
    "Fetcher._get_actions_per_node": "4d4471a80d3b",
    "AIOKafkaConsumerThread._fetch_records": "8e15801cd1ae",
    "App._new_transport": "bcd71ef2af8c",
    "Consumer._wait_next_records": "62b6a4fb3f1c",
    "Consumer.on_buffer_full": "56407f0f3829",
    "Consumer.on_buffer_drop": "04e594f5fd1d",
    "Consumer._drain_messages": "b62bd6539aeb",
    "ConductorCompiler.build": "e37d7ab0a66a",
    "Recovery._resume_streams": "65a824f3789d",
    "Recovery.on_recovery_completed": "8952e57ca77c",
    "App._on_partitions_revoked": "289e06db160c",
    "AIOKafkaConsumer.seek": "bb08b93d4a66",
    "AIOKafkaConsumer.start": "29e48f52197b",
    "Fetcher.fetched_records": "377ee3925c9f",
    "AIOKafkaConsumer.stop": "943e5035e1b1",
    "Fetcher._fetch_requests_routine": "e861223b73dd",
    "Fetcher._proc_fetch_request": "120083e326eb",
    "AIOKafkaClient.send": "c2f3bfe3c12f",
    "AIOKafkaConnection.send": "e8294959412a",
    "AIOKafkaConnection._handle_frame": "ca96f72ebc40",
    "GroupCoordinator.close": "8dcb7ee2a251",
    "GroupCoordinator._maybe_leave_group": "9b75c3fa6001",
}


def fingerprint(function):
    return hashlib.blake2b(inspect.getsource(function).encode(), digest_size=6).hexdigest()


@pytest.mark.parametrize("name", [*OVERRIDDEN, *USED])
def test_a_place_that_the_engine_relies_on_is_as_it_was_read(name):
    found = fingerprint((OVERRIDDEN | USED)[name])
    assert found == FINGERPRINTS[name], (
        f"{name} has changed with faust {version('faust-streaming')}, aiokafka "
        f"{version('aiokafka')}: read it against streams/agents/transport.py and streams/app.py"
    )


def test_the_versions_are_those_that_were_read():
    assert version("faust-streaming") == "0.15.3"
    assert version("aiokafka").startswith("0.14.")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (ChunkConsumer.getmany, consumers.Consumer.getmany),
        (ChunkConsumer.perform_seek, consumers.Consumer.perform_seek),
        (ChunkConsumer._new_consumer_thread, driver.Consumer._new_consumer_thread),
    ],
)
def test_what_is_overridden_is_called_as_before(ours, theirs):
    assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)


def test_faust_runs_its_compiled_streams():
    # The pure ones acknowledge events that they skipped.
    from faust import streams

    assert streams._CStreamIterator is not None


@pytest.fixture
async def app():
    """The engine's app, without a broker; its engine is one that counts seeks."""
    engine = Engine(lambda _: None, 10)
    made = faust_app(EngineSettings(kafka_bootstrap_servers="127.0.0.1:9"), engine)
    made.finalize()
    return made


async def test_the_consumer_is_ours_and_reads_committed_records_without_a_long_wait(app):
    consumer = app.consumer
    assert isinstance(consumer, ChunkConsumer)
    assert isinstance(app.transport, ChunkTransport)
    thread = consumer._thread
    made = thread._create_worker_consumer(app.transport)
    # These three are read when the consumer starts; aiokafka has no setters for them.
    assert made._isolation_level == "read_committed"
    assert made._fetch_max_wait_ms <= 100
    assert made._max_partition_fetch_bytes == 4 << 20
    start = inspect.getsource(aiokafka.AIOKafkaConsumer.start)
    for name in ("_isolation_level", "_fetch_max_wait_ms", "_max_partition_fetch_bytes"):
        assert f"self.{name}" in start
    await made.stop()


def consumer_that_fetched(app, monkeypatch, records):
    consumer = app.consumer
    consumer.flow_active = True

    async def wait(_timeout):
        return records, None

    monkeypatch.setattr(consumer, "_wait_next_records", wait)
    return consumer


def fetched(count):
    return [SimpleNamespace(offset=n, timestamp=1_000, timestamp_type=1) for n in range(count)]


async def test_a_fetch_becomes_chunks_of_one_partition_in_order(app, monkeypatch):
    one, two = TP("workflow.commands", 0), TP("workflow.results", 3)
    records = {one: (4, fetched(CHUNK_RECORDS + 1)), two: (2, fetched(1))}
    consumer = consumer_that_fetched(app, monkeypatch, records)
    found = [(tp, message) async for tp, message in consumer.getmany(1.0)]
    assert [(tp, len(m.value.records), m.offset) for tp, m in found] == [
        (one, CHUNK_RECORDS, CHUNK_RECORDS - 1),
        (one, 1, CHUNK_RECORDS),
        (two, 1, 0),
    ]
    assert [m.value.seeks for _, m in found] == [4, 4, 2]
    assert found[2][1].value.place == ("workflow.results", 3)


async def test_a_fetch_that_a_rebalance_overtakes_yields_nothing(app, monkeypatch):
    records = {TP("workflow.commands", 0): (1, fetched(3)), TP("workflow.results", 0): (1, [])}
    consumer = consumer_that_fetched(app, monkeypatch, records)
    consumer.flow_active = False
    assert [m async for m in consumer.getmany(1.0)] == []


async def test_a_chunk_passes_fausts_decoder_whole_and_is_never_acknowledged(app, monkeypatch):
    place = TP("workflow.commands", 0)
    consumer = consumer_that_fetched(app, monkeypatch, {place: (1, fetched(3))})
    [(_, message)] = [one async for one in consumer.getmany(1.0)]
    topic = app.agents["tidemill.workflow.commands"].channel
    event = await topic.decode(message, propagate=True)
    assert event.value is message.value
    assert len(event.value.records) == 3
    assert topic.acks is False, "Faust commits nothing: the position is the shard's own"


async def test_holding_a_place_takes_it_out_of_what_is_fetched(app):
    consumer = app.consumer
    tp = TP("workflow.commands", 0)
    consumer._active_partitions = {tp}
    app.in_recovery = False
    consumer.hold(("workflow.commands", 0))
    assert consumer._get_active_partitions() == set()
    consumer.release(("workflow.commands", 0))
    assert consumer._get_active_partitions() == {tp}


async def test_faust_never_fetches_the_changelog(app):
    # It is neither a table's nor an agent's, so that no consumer of Faust's subscribes to it.
    assert list(app.tables) == []
    topics = {name for agent in app.agents.values() for name in agent.channel.topics}
    assert topics == set(INPUTS)
    assert "workflow.state" not in topics


def test_the_signals_that_carry_ownership_exist():
    app = faust.App("x", broker="kafka://127.0.0.1:9")
    for name in ("on_partitions_revoked", "on_rebalance_complete"):
        assert callable(getattr(app, name).connect)
    # Ownership is taken before the flow resumes: the signal is awaited, and then positions sought.
    source = inspect.getsource(recovery.Recovery._resume_streams)
    assert source.index("on_rebalance_complete.send()") < source.index("perform_seek()")
    assert source.index("perform_seek()") < source.index("resume_flow()")


if __name__ == "__main__":
    for place, function in (OVERRIDDEN | USED).items():
        print(f'    "{place}": "{fingerprint(function)}",')
