"""The engine between a consumer and its shards: order, back-pressure, pace."""

import asyncio

import pytest

from schemas.commands import RunInstance
from streams.runtime import runner as runner_module
from streams.runtime.engine import Chunk, Engine
from streams.runtime.inbox import COMMANDS, INPUTS, INTERNAL, RESULTS, TELEMETRY, Inbox
from streams.runtime.ports import Record
from streams.runtime.runner import Pacing


def records(first, count):
    return [Record(offset, 1, b"k", b"%d" % offset) for offset in range(first, first + count)]


@pytest.fixture
async def owned(lab, feed_of, runner_of):
    """An engine with one open shard that does not step until it is told to."""
    engine = Engine(lambda partition: runner_of(lab, partition, engine.reseek), 10)
    engine.feed = feed_of(lab)
    await engine.own([0])
    await engine.seek_all()
    await engine.quiesce()
    yield engine
    await engine.close()


async def until(what):
    async with asyncio.timeout(20):
        while not what():
            await asyncio.sleep(0.001)


def go_on(engine):
    for runner in engine.runners.values():
        runner.start()


async def test_a_place_is_held_when_its_queue_is_full_and_released_when_it_has_drained(owned, lab):
    feed = owned.feed
    for number in range(30):
        lab.command(f"i-{number}", RunInstance("hello"))
    while chunk := feed.fetch(COMMANDS, 0, limit=4):
        owned.submit(chunk)
    inbox = owned.runners[0].shard.inbox
    assert inbox.queued == 12, "the chunk that passes the limit is still taken"
    assert feed.held == {(COMMANDS, 0)}
    owned.relieve()
    assert feed.held, "nothing has drained"
    go_on(owned)
    await until(lambda: inbox.queued < 5)
    owned.relieve()
    assert feed.held == set()
    while len(lab.events()) < 62:  # Two of each instance, two of the definition, two of the other.
        owned.relieve()
        feed.fetch_all(owned)
        await asyncio.sleep(0.001)
        if lab.shards[0].position.inputs[COMMANDS] == lab.kafka.end_offset(COMMANDS, 0):
            break
    assert all("workflow.started" in lab.kinds(f"i-{n}") for n in range(30))


async def test_a_place_that_is_sought_is_released(owned):
    owned.submit(Chunk((COMMANDS, 0), owned.feed.seeks((COMMANDS, 0)), records(0, 11)))
    assert owned.feed.held == {(COMMANDS, 0)}
    await owned.seek_all()
    assert owned.feed.held == set()
    assert owned.runners[0].shard.inbox.queued == 0


async def test_what_was_fetched_before_a_seek_is_dropped(owned, lab):
    feed, place = owned.feed, (COMMANDS, 0)
    lab.command("i-1", RunInstance("hello"))
    lab.command("i-2", RunInstance("hello"))
    early = feed.fetch(COMMANDS, 0, limit=1)
    late = feed.fetch(COMMANDS, 0, limit=1)
    await owned.reseek(0)
    # It was on its way when the seek took effect: with it the first record would be passed over.
    owned.submit(late)
    inbox = owned.runners[0].shard.inbox
    assert inbox.queued == 0
    owned.submit(early)
    assert inbox.queued == 0
    again = feed.fetch(COMMANDS, 0)
    assert again.seeks == feed.seeks(place) == early.seeks + 1
    assert [r.offset for r in again.records] == [r.offset for r in early.records + late.records]
    owned.submit(again)
    assert inbox.queued == 2


async def test_records_of_a_partition_that_is_not_owned_are_dropped(owned):
    owned.submit(Chunk((COMMANDS, 7), 1, records(0, 3)))
    assert list(owned.runners) == [0]


async def test_letting_go_finishes_what_is_under_way_and_begins_nothing(owned, lab):
    lab.command("i-1", RunInstance("hello"))
    go_on(owned)
    owned.feed.fetch_all(owned)
    await owned.quiesce()
    batch = lab.shards[0].position.batch
    lab.command("i-2", RunInstance("hello"))
    owned.feed.fetch_all(owned)
    for _ in range(20):
        await asyncio.sleep(0)
    assert lab.shards[0].position.batch == batch
    await owned.own([])
    assert owned.runners == {}
    assert owned.positions() == {}


async def test_positions_are_those_that_are_committed(owned, lab):
    lab.command("i-1", RunInstance("hello"))
    owned.feed.fetch_all(owned)
    before = owned.positions()[COMMANDS, 0]
    go_on(owned)
    await until(lambda: owned.positions()[COMMANDS, 0] == before + 1)
    assert set(owned.positions()) == {(source, 0) for source in INPUTS}


# The inbox.


def test_what_lies_below_the_position_is_taken_as_applied():
    inbox = Inbox()
    inbox.reset({COMMANDS: 5})
    inbox.put(COMMANDS, records(3, 4))
    inbox.put(COMMANDS, records(5, 3))  # Fetched twice, as after a rebalance.
    assert [item.record.offset for item in inbox.take(100)] == [5, 6, 7]
    assert inbox.queued == 0
    assert inbox.take(100) == []


def test_internal_and_results_come_first_and_leave_a_share_to_the_others():
    inbox = Inbox()
    inbox.reset(dict.fromkeys(INPUTS, 0))
    for source in (TELEMETRY, COMMANDS, RESULTS, INTERNAL):
        inbox.put(source, records(0, 100))
    taken = [item.source for item in inbox.take(64)]
    assert 64 <= len(taken) < 64 + len(INPUTS), "the last of each is taken even where all is full"
    assert taken == sorted(taken, key=INPUTS.index)
    assert [taken.count(source) > 0 for source in INPUTS] == [True] * 4
    assert taken.count(INTERNAL) == 56
    assert inbox.queued == 400 - len(taken)


def test_a_chunk_is_taken_in_parts_and_none_of_it_twice():
    inbox = Inbox()
    inbox.reset({COMMANDS: 0})
    inbox.put(COMMANDS, records(0, 10))
    found = []
    while items := inbox.take(3):
        found.append([item.record.offset for item in items])
    assert found == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]


# Pacing.


@pytest.fixture
def clock(monkeypatch):
    """The clock that pacing looks at, to be set."""
    now = [100.0]
    monkeypatch.setattr(runner_module.time, "monotonic", lambda: now[0])
    return now


def test_an_idle_shard_commits_at_once(clock):
    pacing = Pacing(20, 256)
    assert pacing.wait(1) == 0
    pacing.committed(500)
    clock[0] += 1
    assert pacing.wait(1) == 0


def test_a_busy_shard_gathers_after_a_commit_and_never_longer_than_the_setting(clock):
    pacing = Pacing(20, 256)
    pacing.committed(10_000)
    assert pacing.wait(5) == pytest.approx(0.020)
    clock[0] += 0.015
    assert pacing.wait(5) == pytest.approx(0.005)
    clock[0] += 0.005
    assert pacing.wait(5) == pytest.approx(0, abs=1e-9)


def test_a_full_queue_is_committed_without_a_pause(clock):
    pacing = Pacing(20, 256)
    pacing.committed(10_000)
    assert pacing.wait(255) > 0
    assert pacing.wait(256) == 0
    assert pacing.wait(9_999) == 0


def test_no_pause_is_no_pause(clock):
    pacing = Pacing(0, 256)
    pacing.committed(10_000)
    assert pacing.wait(1) == 0
