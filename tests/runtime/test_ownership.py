"""What a new owner makes of the store that it finds, and of input that is gone."""

import asyncio
import time

import pytest
from confluent_kafka import KafkaError, KafkaException
from msgspec.structs import replace
from structlog.testing import capture_logs

from schemas.codec import encode
from schemas.commands import PublishDefinition, RunInstance, SuspendInstance
from schemas.envelope import Envelope
from schemas.partition import partition_of
from streams import app
from streams.app import Parts
from streams.errors import ClusterError, EngineCrashedError
from streams.runtime import runner as runner_module
from streams.runtime.engine import Engine
from streams.runtime.inbox import COMMANDS, INTERNAL, RESULTS
from streams.runtime.ports import Record
from streams.runtime.records import EMPTY_BOOK, StateRecord, encode_record
from streams.runtime.recovery import LossError
from streams.runtime.shard import Shard
from streams.runtime.store import Change, Meta
from streams.settings import EngineSettings

GHOST = b"instance/default/ghost"
DAY = 86_400_000
WINDOW = 7 * DAY


def change(meta, **fields):
    kept = {name: getattr(meta, name) for name in Meta.__struct_fields__}
    return Meta(**(kept | fields))


def haunt(store, meta):
    """Put something into the store that the log never said."""
    ghost = encode_record(StateRecord(1, 1, b"", EMPTY_BOOK))
    store.write([Change(GHOST, ghost, 0, 0, 0, 0)], meta)


WRONG = {
    "it belongs to cluster": lambda meta: change(meta, cluster="another"),
    "its changelog was topic": lambda meta: change(meta, topic_id="another"),
    "lies outside the log": lambda meta: change(meta, offset=meta.offset + 1_000),
    "lies outside the log (0": lambda meta: change(meta, offset=0),
    "is not the position of batch": lambda meta: change(meta, batch=meta.batch + 1),
    "before offset": lambda meta: change(meta, offset=meta.offset - 1),
    "older than half of the tombstones' retention": lambda meta: change(
        meta, time=meta.time - WINDOW // 2 - 1
    ),
}


def lived(lab):
    """Let two instances begin, one of them end, and one go on after that."""
    for name in ("i-1", "i-2"):
        lab.command(name, RunInstance("hello"))
    lab.settle()
    lab.work(failures=0.0)
    lab.settle()
    lab.command("i-3", RunInstance("pause"))
    lab.settle()
    return dict(lab.stores[0].states())


@pytest.mark.parametrize("words", WRONG)
def test_a_store_that_is_not_of_this_log_is_wiped_and_rebuilt(disk_lab, words):
    lab = disk_lab
    before = lived(lab)
    store = lab.stores[0]
    position, due, meta = lab.shards[0].position, store.next_due(), store.meta()
    haunt(store, WRONG[words](meta))
    with capture_logs() as logs:
        lab.reopen()
    reasons = [one["reason"] for one in logs if "rebuilding" in one["event"]]
    assert [words in reason for reason in reasons] == [True], reasons
    assert dict(store.states()) == before
    assert (lab.shards[0].position, store.next_due(), store.meta()) == (position, due, meta)
    lab.sleep(61_000)
    lab.settle()
    assert lab.kinds("i-3")[-1] == "workflow.completed"


def test_a_store_whose_meta_record_is_gone_is_rebuilt(disk_lab):
    before = lived(disk_lab)
    store = disk_lab.stores[0]
    haunt(store, store.meta())
    store._db.delete(b"m")
    disk_lab.reopen()
    assert dict(store.states()) == before


def test_a_good_store_is_kept_and_reads_only_what_it_lacks(disk_lab):
    lab = disk_lab
    lived(lab)
    store = lab.stores[0]
    haunt(store, store.meta())
    with capture_logs() as logs:
        lab.reopen()
    assert logs == []
    assert store.get(GHOST) is not None


def test_a_store_that_lags_by_some_batches_catches_up(disk_lab, disk):
    lab = disk_lab
    old = lab.stores[0]
    lab.stores[0] = disk("another")
    lab.reopen()
    before = lived(lab)
    meta = lab.stores[0].meta()
    lab.stores[0] = old
    with capture_logs() as logs:
        lab.reopen()
    assert logs == []
    assert dict(old.states()) == before
    assert old.meta() == meta


@pytest.mark.kafka
async def test_each_check_of_the_store_on_a_real_kafka(settings_of):
    parts = Parts(settings_of(EngineSettings))
    try:
        await parts.tail.start()
        shard = parts.runner(0).shard
        await shard.open()
        publish(shard)
        await shard.step()
        before = dict(shard._store.states())
        assert len(before) == 1
        meta, position = shard._store.meta(), shard.position
        for words, wrong in WRONG.items():
            haunt(shard._store, wrong(meta))
            with capture_logs() as logs:
                await shard.open()
            reasons = [one["reason"] for one in logs if "rebuilding" in one["event"]]
            assert [words in reason for reason in reasons] == [True], (words, reasons)
            assert dict(shard._store.states()) == before
            assert (shard._store.meta(), shard.position) == (meta, position)
        await shard.close()
    finally:
        parts.tail.stop()


def publish(shard):
    """Give a shard the command to publish; the topic itself needs no record for that."""
    name = next(f"d{n}" for n in range(99) if partition_of(b"d%d" % n, 4) == shard.partition)
    source = HELLO.replace("id: hello", f"id: {name}")
    envelope = Envelope("c1", "PublishDefinition", 1, "definition", name)
    value = encode(envelope, PublishDefinition(source))
    shard.submit(COMMANDS, [Record(0, time.time_ns() // 1_000_000, name.encode(), value)])


HELLO = """
id: hello
version: 1.0.0
nodes: {start: {type: start, next: end}, end: {type: end}}
"""


# Input that is gone.


def lose(lab, partition, source=COMMANDS):
    """Let retention eat a record of an input before it was applied; return its offset."""
    lost = len(lab.kafka.log(source, partition))
    lab.command(lab.at(partition), SuspendInstance())
    lab.kafka.truncate(source, partition, lost + 1)
    return lost


async def test_a_position_below_the_log_start_is_refused_and_the_range_is_named(lab):
    lost = lose(lab, 0)
    with pytest.raises(LossError) as caught:
        await lab.shards[0].open()
    assert f"workflow.commands partition 0: offsets {lost} to {lost}" in str(caught.value)
    assert "--accept-loss 0" in str(caught.value)


@pytest.mark.parametrize("source", [INTERNAL, RESULTS])
async def test_loss_of_any_input_is_refused(lab, source):
    applied = len(lab.kafka.log(source, 0))
    lab.kafka.truncate(source, 0, 7)
    with pytest.raises(LossError, match=f"{source} partition 0: offsets {applied} to 6"):
        await lab.shards[0].open()


async def test_what_was_lost_before_the_first_batch_ever_is_lost_too(lab_of):
    lab = lab_of(3)
    unused = next(p for p in range(3) if lab.shards[p].position.batch == 0)
    lab.kafka.truncate(COMMANDS, unused, 4)
    with pytest.raises(LossError, match=f"partition {unused}: offsets 0 to 3"):
        await lab.shards[unused].open()


async def test_the_partitions_that_lost_nothing_go_on(lab_of, feed_of, runner_of):
    lab = lab_of(3)
    lose(lab, 1)
    engine = Engine(lambda partition: runner_of(lab, partition), 1_000)
    feed = engine.feed = feed_of(lab)
    await engine.own(range(3))
    await engine.seek_all()
    refused = {p: runner.refusal for p, runner in engine.runners.items() if runner.refusal}
    assert list(refused) == [1]
    assert "--accept-loss 1" in refused[1]
    for partition in range(3):
        lab.command(lab.at(partition), RunInstance("hello"))
    feed.fetch_all(engine)
    await served(engine, lab, 0, 2)
    assert lab.kinds(lab.at(1), 1) == []
    await engine.close()


async def served(engine, lab, *partitions):
    """Wait until these shards have applied everything."""
    for partition in partitions:
        end = lab.kafka.end_offset(COMMANDS, partition)
        while engine.runners[partition].shard.position.inputs[COMMANDS] < end:
            await asyncio.sleep(0.001)
        assert "workflow.started" in lab.kinds(lab.at(partition), partition)


async def test_who_accepts_the_loss_goes_on_behind_it(lab):
    lost = lose(lab, 0)
    shard = accepting(lab)
    with capture_logs() as logs:
        await shard.open()
    assert [one["lost"] for one in logs if "lost" in one["event"]] == [
        f"workflow.commands partition 0: offsets {lost} to {lost}"
    ]
    lab.shards[0] = shard
    assert shard.position.inputs[COMMANDS] == lost + 1
    lab._taken[COMMANDS, 0] = lost + 1
    lab.command("i-1", RunInstance("hello"))
    lab.settle()
    assert "workflow.started" in lab.kinds("i-1")
    lab.reopen()  # The loss is behind the committed position now: nobody need accept it again.


def accepting(lab):
    old = lab.shards[0]
    options = replace(old._options, accept_loss=True)
    return Shard(old._env, old._log, old._store, options, lambda: lab.now, lab)


@pytest.mark.kafka
def test_a_loss_of_a_partition_that_does_not_exist_cannot_be_accepted(settings_of):
    with pytest.raises(ClusterError, match="there is no partition 4 whose loss"):
        Parts(settings_of(EngineSettings, accept_loss=[1, 4]))


# Kafka that does not answer.


async def test_a_partition_that_cannot_be_taken_yet_is_taken_when_kafka_answers(
    lab_of, feed_of, runner_of, monkeypatch
):
    monkeypatch.setattr(runner_module, "_REOPEN_SECONDS", 0.01)
    lab = lab_of(2)
    failures = [KafkaException(KafkaError(KafkaError.NOT_LEADER_FOR_PARTITION))] * 3
    original = lab.shards[1]._log.changelog_span

    async def failing():
        if failures:
            raise failures.pop()
        return await original()

    monkeypatch.setattr(lab.shards[1]._log, "changelog_span", failing)
    engine = Engine(lambda partition: runner_of(lab, partition, engine.reseek), 1_000)
    feed = engine.feed = feed_of(lab)
    lived_here = [lab.at(0), lab.at(1)]
    await engine.own([0, 1])
    await engine.seek_all()
    assert [engine.runners[p].opened for p in (0, 1)] == [True, False]
    for target in lived_here:
        lab.command(target, RunInstance("hello"))
    async with asyncio.timeout(20):
        while any("workflow.started" not in lab.kinds(lab.at(p), p) for p in (0, 1)):
            feed.fetch_all(engine)
            await asyncio.sleep(0.01)
    assert failures == []
    await engine.close()


@pytest.mark.kafka
async def test_an_engine_whose_faust_has_crashed_ends_instead_of_standing_still(
    settings_of, monkeypatch
):
    async def own(_engine, partitions):
        if partitions:
            raise OSError("the store cannot be opened")

    monkeypatch.setattr(Engine, "own", own)
    with pytest.raises(EngineCrashedError, match="the store cannot be opened"):
        await app.run_engine(settings_of(EngineSettings))
