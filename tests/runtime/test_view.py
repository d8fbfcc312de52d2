"""The committed states as a mapping: what is committed, of what is here, and read-only."""

import pytest

from schemas.commands import RunInstance
from streams.domain.aggregates import AGGREGATES
from streams.runtime.engine import Engine
from streams.runtime.ports import AbortedError
from streams.runtime.view import CommittedStates, Key, NotHereError


@pytest.fixture
async def seen(lab_of, feed_of, runner_of):
    """Two partitions, both open; their states."""
    lab = lab_of(2)
    engine = Engine(lambda partition: runner_of(lab, partition), 1_000)
    engine.feed = feed_of(lab)
    await engine.own([0, 1])
    yield lab, engine, CommittedStates(engine, AGGREGATES, 2)
    await engine.close()


async def test_a_state_is_there_when_its_batch_is_committed_and_not_before(seen, monkeypatch):
    lab, _, states = seen
    target = lab.at(1)
    key = Key("instance", "default", target)
    lab.command(target, RunInstance("hello"))
    log = lab.shards[1]._log
    transact, looks = log.transact, []

    async def looking(records):
        looks.append(key in states)
        if len(looks) == 1:
            raise AbortedError("not now", transport=True)
        return await transact(records)

    monkeypatch.setattr(log, "transact", looking)
    assert key not in states
    lab.settle()
    assert looks == [False, False]
    assert states[key].definition_id == "hello"
    assert key in set(states)
    assert len(states) == 3, "two definitions and the instance"


async def test_what_lives_elsewhere_is_not_said_to_be_missing(seen):
    lab, engine, states = seen
    missing, elsewhere = Key("instance", "default", lab.at(0)), lab.at(1)
    with pytest.raises(KeyError) as caught:
        states[missing]
    assert not isinstance(caught.value, NotHereError)
    await engine.own([0])
    with pytest.raises(NotHereError, match="partition 1"):
        states[Key("instance", "default", elsewhere)]


async def test_nothing_can_be_put_into_it(seen):
    _, _, states = seen
    with pytest.raises(TypeError):
        states[Key("instance", "default", "x")] = 1


async def test_a_child_is_found_on_its_roots_partition(seen):
    lab, _, states = seen
    root = lab.at(1)
    with pytest.raises(KeyError) as caught:
        states[Key("instance", "default", f"{root}~3")]
    assert not isinstance(caught.value, NotHereError)


async def test_a_state_in_parts_is_shown_whole(seen):
    lab, engine, states = seen
    key = Key("instance", "default", lab.at(1))
    large = "x" * 9_000
    lab.command(key.id, RunInstance("hello", "", b'{"text":"%s"}' % large.encode()))
    lab.settle()
    parts = list(engine.runners[1].shard.parts_of(f"instance/default/{key.id}".encode()))
    assert len(parts) == 1
    assert states[key].variables["text"] == b'"%s"' % large.encode()
    assert len(states) == 3, "two definitions and the instance: a part is no state"
