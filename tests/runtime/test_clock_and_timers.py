"""The shard's clock, and the timers that it fires by it."""

import pytest

from schemas.commands import RunInstance
from schemas.ids import store_key
from streams.runtime.records import POSITION_KEY, decode_position
from streams.runtime.store import Change

MINUTE = 60_000


def clocks(lab):
    """The clock of every committed position."""
    state = lab.kafka.committed(lab.names.state, 0)
    return [decode_position(entry.value).now for entry in state if entry.key == POSITION_KEY]


def test_the_clock_never_goes_back_whatever_the_records_and_the_wall_say(lab):
    begun = lab.now
    for step in (0, 5_000, -9_000, 1, -100_000, 3_000):
        lab.now += step
        lab.command(f"i-{lab.now}", RunInstance("hello"))
        lab.settle()
    found = clocks(lab)
    assert found == sorted(found)
    assert found[-1] == begun + 5_000
    times = [envelope.time for envelope, _ in lab.events()]
    assert times == sorted(times)


def test_the_clock_is_committed_and_the_next_owner_goes_on_from_it(lab):
    lab.sleep(10 * MINUTE)
    lab.command("i-1", RunInstance("hello"))
    lab.settle()
    late = lab.shards[0].position.now
    assert late == lab.now
    lab.now -= 5 * MINUTE  # The next owner's machine is behind.
    lab.reopen()
    lab.command("i-2", RunInstance("hello"))
    lab.settle()
    assert lab.shards[0].position.now == late
    assert [e.time for e, _ in lab.events() if e.aggregate_id == "i-2"] == [late, late]


def test_a_timer_fires_when_the_wall_clock_reaches_it_without_any_record(lab):
    lab.command("i-1", RunInstance("pause"))
    lab.settle()
    lab.sleep(MINUTE - 1)
    assert not lab.shards[0].has_work()
    lab.sleep(1)
    assert lab.shards[0].has_work()
    lab.settle()
    assert lab.kinds("i-1")[-1] == "workflow.completed"
    assert lab.shards[0].next_due == 0
    assert not lab.shards[0].has_work()


def test_what_was_missed_while_the_engine_was_down_fires_once_with_its_due_time(lab):
    begun = lab.now
    for number in range(3):
        lab.command(f"i-{number}", RunInstance("pause"))
        lab.settle()
        lab.sleep(1_000)
    lab.sleep(60 * MINUTE)
    lab.reopen()
    lab.settle()
    fired = [body for e, body in lab.events() if e.type == "node.executed" and body.due]
    assert [body.due - begun for body in fired] == [MINUTE, MINUTE + 1_000, MINUTE + 2_000]
    for number in range(3):
        assert lab.kinds(f"i-{number}").count("workflow.completed") == 1


def test_the_due_index_is_rebuilt_from_the_state_records(disk_lab, disk):
    lab = disk_lab
    lab.command("i-1", RunInstance("pause"))
    lab.settle()
    due = lab.shards[0].next_due
    lab.stores[0] = disk("empty")
    lab.reopen()
    assert lab.shards[0].next_due == due > 0


@pytest.mark.parametrize("target", ["i-1", "gone", "waits"])
def test_a_stale_entry_of_the_due_index_is_dropped_without_effect(disk_lab, target):
    lab = disk_lab
    lab.command("i-1", RunInstance("hello"))
    lab.command("waits", RunInstance("pause"))
    lab.settle()
    store = lab.stores[0]
    before, stale = len(lab.events()), lab.now - 5
    key = store_key("instance", "default", target)
    store.write([Change(key, store.get(key) or b"", stale, 0, 0, 0)], store.meta())
    if target == "gone":
        store._db.delete(b"s" + key)
    lab.reopen()
    assert lab.shards[0].next_due == stale
    batch = lab.shards[0].position.batch
    for _ in range(5):
        lab.step(0)
    assert len(lab.events()) == before
    assert lab.shards[0].next_due != stale, "the shard looks at it for ever"
    assert not lab.shards[0].has_work()
    assert lab.shards[0].position.batch <= batch + 1, "each look commits a transaction"
    lab.sleep(MINUTE)
    lab.settle()
    assert lab.kinds("waits")[-1] == "workflow.completed"


def test_more_timers_than_a_batch_takes_all_fire(lab):
    for number in range(23):  # The lab's shards take five at a time.
        lab.command(f"i-{number}", RunInstance("pause"))
    lab.settle()
    lab.sleep(MINUTE)
    lab.settle()
    kinds = [envelope.type for envelope, _ in lab.events()]
    assert kinds.count("workflow.completed") == 23
