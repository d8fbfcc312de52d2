"""A state in parts: what is written is what changed, and what is read is the whole."""

import json
from random import Random

import pytest

from schemas.codec import encode
from schemas.commands import CancelInstance, RunInstance
from schemas.envelope import Envelope
from schemas.events import WorkflowStarted
from schemas.results import CompleteActivity
from streams.domain.instance.aggregate import INSTANCE
from streams.domain.protocol import Decision, DispatchActivity, Limits, SendCommand
from streams.forms import read_for_decision
from streams.runtime.parts import decode_part, encode_part, is_part
from streams.runtime.records import UnknownFormError, decode_state
from streams.runtime.slots import Cache, Overlay
from streams.runtime.store import Memory, Meta, Store
from streams.testing.known_definitions import KnownDefinitions
from streams.testing.memory_store import MemoryStore

SOURCE = """
id: flow
version: 1.0.0
nodes:
  start: {type: start, next: ship}
  ship:
    type: activity
    activity_type: job
    each: {items: "${orders}", as: order, collect: {into: costs, value: "${output.cost}"}}
    input: {order: "${order}"}
    next: last
  last: {type: activity, activity_type: job, next: end}
  end: {type: end}
"""
DEFINITIONS = KnownDefinitions((SOURCE,), frozenset())


class Lab:
    """One partition whose every command is a batch of its own: the dearest case."""

    def __init__(self, store, kept=10):
        self.store = store
        self.cache = Cache(kept)
        self.bytes = self.records = self.events = 0
        self.open = []
        """Tasks that no worker has taken."""
        self.largest = 0
        """Bytes of the largest event, but for the one that brought the list."""
        self.again = []

    def decision(self):
        nothing = ("one", "default", "c", "tester", "life", -1)
        return Decision(1_000, *nothing, DEFINITIONS, Limits(), {}, read_for_decision)

    def slot(self, overlay):
        return overlay.get(INSTANCE, "default", "one")

    def state(self):
        return self.slot(Overlay(self.store, Cache(0), 1_000)).state

    def do(self, command):
        overlay = Overlay(self.store, self.cache, 1_000)
        slot = self.slot(overlay)
        outcome = INSTANCE.decide(command, slot.state, self.decision())
        slot.state = outcome.state
        overlay.touch(slot)
        changes = overlay.changes(1_000)
        self.records += len(changes)
        self.bytes += sum(len(one.key) + len(one.value or b"") for one in changes)
        self.events += len(outcome.events)
        later = [one for one in outcome.events if not isinstance(one, WorkflowStarted)]
        sizes = [len(encode(ENVELOPE, event)) for event in later]
        self.largest = max(self.largest, *sizes, 0)
        self.store.write(changes, Meta("c", "t", 1, 1, 1))
        overlay.commit()
        for effect in outcome.effects:
            if isinstance(effect, DispatchActivity):
                self.open.append(effect.task.activity)
            elif isinstance(effect, SendCommand):
                self.again.append(effect.body)
        while self.again:
            self.do(self.again.pop())


ENVELOPE = Envelope("e", "x", 1, "instance", "one")


def order(number):
    return {"id": number, "customer": f"customer-{number:06}"}


def played(count, store, *, kept=10, until=None):
    lab, random = Lab(store, kept), Random(count)
    lab.do(RunInstance("flow", "", json.dumps({"orders": list(map(order, range(count)))}).encode()))
    for _ in range(count if until is None else until):
        key = lab.open.pop(random.randrange(min(len(lab.open), 30)))
        lab.do(CompleteActivity(key, 1, b'{"cost":%d}' % key))
    return lab


def test_twice_as_many_items_cost_no_more_than_twice_as_much():
    small, middle, large = (played(count, MemoryStore()) for count in (500, 1_000, 2_000))
    for less, more in ((small, middle), (middle, large)):
        assert more.bytes <= 2.2 * less.bytes
        assert more.records <= 2.2 * less.records
        assert more.events <= 2.2 * less.events
    assert large.largest < 32 * 1024


@pytest.fixture(params=["memory", "rocksdb"])
def store(request, tmp_path):
    made = MemoryStore() if request.param == "memory" else Store(tmp_path / "s", Memory())
    yield made
    made.close()


def test_what_is_read_back_is_the_whole_state_and_its_end_leaves_no_part(store):
    lab = played(300, store, until=150)
    slot = lab.slot(Overlay(store, lab.cache, 1_000))
    assert lab.state() == slot.state
    assert INSTANCE.encode(lab.state()) == INSTANCE.encode(slot.state)
    kept = [key for key, _ in store.states() if is_part(key)]
    assert len(kept) == 1 + 5 + len(slot.state.iterations[2].outputs)
    lab.do(CancelInstance())
    assert [key for key, _ in store.states()] == [b"instance/default/one"]


def test_a_shard_that_forgets_goes_on_from_the_store(store):
    remembers, forgets = played(200, MemoryStore()), played(200, store, kept=0)
    assert forgets.state() == remembers.state()
    assert json.loads(forgets.state().variables["costs"])[0] > 0
    assert (forgets.bytes, forgets.events) == (remembers.bytes, remembers.events)


def test_the_parts_of_a_list_go_when_it_is_done(store):
    played(200, store)
    names = [key.partition(b"\0")[2] for key, _ in store.states() if is_part(key)]
    assert names == [b"vorders"]


def test_a_state_without_parts_is_one_record_of_the_former_form(store):
    played(3, store)
    ((key, value),) = store.states()
    record = decode_state(value)
    assert (key, record.form, record.parts) == (b"instance/default/one", 1, 0)


def test_a_state_whose_part_is_missing_is_not_served():
    store = MemoryStore()
    played(200, store, until=1)
    gone = next(key for key, _ in store.states() if is_part(key))
    del store._states[gone]
    with pytest.raises(UnknownFormError, match="the store is damaged"):
        Lab(store).state()


@pytest.mark.parametrize("data", [b"junk", encode_part(b"x").replace(b"\x01", b"\x09", 1)])
def test_a_part_that_this_release_does_not_know_is_refused(data):
    with pytest.raises(UnknownFormError):
        decode_part(data)
