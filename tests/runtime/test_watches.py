"""Watches as the shard drives them: the door, refusals, rest, recovery, and their index."""

import pytest

from schemas.codec import decode, encode
from schemas.commands import AcceptMessage, CloseSubscription, RunInstance, TerminateInstance
from schemas.envelope import Envelope
from schemas.registry import public_type
from schemas.telemetry import Reading
from schemas.watch_commands import MeetWaits, OpenWatch
from schemas.watch_events import DeviceWait, WatchOpened
from streams.domain.device.index import index_of
from streams.domain.protocol import EventPlace, Limits
from streams.domain.watch.aggregate import WATCH
from streams.runtime.ports import Out
from streams.runtime.records import decode_state
from streams.testing.memory_store import MemoryStore
from streams.testing.world import World

HOUR = 3_600_000
FLOW = """
id: hot
version: 1.0.0
nodes:
  start: {type: start, next: got}
  got: {type: catch, device: d1, metric: t, above: 30, next: end}
  end: {type: end}
"""
ABOVE = DeviceWait(metric="t", test="above", value=b"30")


@pytest.fixture
def world():
    """One partition, with a workflow that waits for device d1."""
    return World(1, [FLOW], partitions=1, fault_rate=0.0)


def told(world, body, target="d1", kind="watch", topic=""):
    """Let another aggregate say something."""
    envelope = Envelope("internal", public_type(body), world.now, kind, target)
    topic = topic or world.names.internal
    world.kafka.append(Out(topic, -1, target.encode(), encode(envelope, body)))
    world.settle()


def opened(owner="nobody"):
    return OpenWatch(owner, "life", 3, "wait", ABOVE)


def read(world, value, number):
    body = Reading(f"r{number}", b'{"t":%d}' % value, 0, world.now)
    told(world, body, kind="device", topic=world.names.telemetry)


def watch(world):
    record = world.stores[0].get(b"watch/default/d1")
    return None if record is None else WATCH.decode(decode_state(record).domain)


def events(world, target="d1"):
    found = [decode(one.value) for one in world.kafka.committed(world.names.events, 0)]
    return [envelope.type for envelope, _ in found if envelope.aggregate_id == target]


@pytest.mark.parametrize(
    "body",
    [
        opened(),
        MeetWaits([]),
        AcceptMessage("i", "life", 1, "m"),
        CloseSubscription("i", "life", 1),
    ],
)
def test_no_client_may_say_what_is_between_a_watch_and_its_owners(world, body):
    name = world.command("d1", body, kind="watch")
    world.settle()
    assert world.replies()[name] == 1
    assert events(world) == []
    assert watch(world) is None


def test_an_owner_that_is_gone_gives_back_what_came_and_waits_no_longer(world):
    told(world, opened("nobody"))
    read(world, 31, 1)
    assert events(world) == ["watch.opened", "watch.matched", "watch.rejected", "watch.ended"]
    assert (watch(world).waits, watch(world).pending) == ({}, {})


def test_an_owner_hears_that_its_watch_could_not_be_opened():
    world = World(1, [FLOW], partitions=1, fault_rate=0.0, limits=Limits(subscriptions=1))
    for name in ("i-1", "i-2"):
        world.command(name, RunInstance("hot"))
        world.settle()
    assert events(world) == ["watch.opened"]
    assert events(world, "i-1")[-1] == "event.awaited"
    assert events(world, "i-2")[-1] == "error.occurred"


def test_a_watch_that_nobody_waits_at_is_swept_and_begins_again(world):
    world.command("i-1", RunInstance("hot"))
    world.settle()
    world.command("i-1", TerminateInstance())
    world.settle()
    assert events(world) == ["watch.opened", "watch.ended"]
    life = watch(world).incarnation
    world.sleep(25 * HOUR)
    read(world, 20, 1)
    assert watch(world) is None
    world.command("i-2", RunInstance("hot"))
    world.settle()
    assert watch(world).incarnation != life
    assert watch(world).sequence == 1
    read(world, 31, 2)
    assert events(world, "i-2")[-1] == "workflow.completed"


@pytest.mark.parametrize("lost", [False, True])
def test_live_watches_are_recovered_and_judge_the_next_reading(world, lost):
    for number in range(20):
        world.command(f"i-{number}", RunInstance("hot"))
    world.settle()
    read(world, 20, 1)
    before = watch(world)
    if lost:
        world.stores[0] = MemoryStore()
    world.shards[0] = world._open(0)
    assert watch(world) == before
    read(world, 31, 2)
    for number in range(20):
        assert events(world, f"i-{number}")[-1] == "workflow.completed"
    assert watch(world).waits == {}


def test_ten_thousand_waits_have_one_entry_each_and_a_reading_finds_those_that_it_passes():
    state = None
    for number in range(1, 10_001):
        awaits = DeviceWait(metric="t", test="above", value=str(number).encode())
        event = WatchOpened("instance", f"i{number}", "life", 3, "wait", once=True, awaits=awaits)
        place = EventPlace("d1", "default", "life", number, 1, "")
        state = WATCH.evolve(state, event, place)
    index = index_of(state.waits)
    assert index_of(state.waits) is index, "it is compiled once for the same waits"
    levels = index.by_metric["t"]
    assert (len(index.by_number), len(index.by_metric), index.loose) == (10_000, 1, [])
    assert len(levels._above) == len(levels._above_at) == 10_000
    assert levels.changed(5_000.0, 5_003.0)[0] == [5_000, 5_001, 5_002]
