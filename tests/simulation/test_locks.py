"""Locks under contention, whatever strikes: never two holders, tokens that grow, every answer once.

What is checked is read off committed events and replies only, as any client sees them.
"""

import json
import os
from collections import defaultdict

from schemas.codec import decode, encode
from schemas.commands import AcquireLock, RequestLock
from schemas.envelope import Envelope
from schemas.lock_events import (
    LockAcquired,
    LockExtended,
    LockReleased,
    LockRequested,
    LockRequestRefused,
)
from streams.runtime.ports import Out
from streams.testing.committed import faults_of
from streams.testing.world import World

SEEDS = int(os.environ.get("TIDEMILL_SEEDS", "150")) // 5
WINDOW = 86_400_000
LOCKS, OWNERS = ("red", "blue", "green"), "abcdef"


def committed(world, topic):
    return [
        decode(entry.value)
        for partition in range(world.partitions)
        for entry in world.kafka.committed(topic, partition)
    ]


def tokens_known(world):
    """The last token that each owner was told of, by lock."""
    return {
        (envelope.aggregate_id, body.owner.name): body.token
        for envelope, body in committed(world, world.names.events)
        if isinstance(body, LockAcquired)
    }


def play(world):
    """Let owners contend; return the commands by id."""
    sent, fresh = {}, []
    for _ in range(world.random.randint(10, 40)):
        known = tokens_known(world)
        for _ in range(world.random.randint(0, 4)):
            lock, owner = world.random.choice(LOCKS), world.random.choice(OWNERS)
            name, body = world.contend(lock, owner, known.get((lock, owner), 0))
            sent[name] = lock, body
            fresh.append(name)
        if world.random.random() < 0.3:
            ask(world, world.random.choice(LOCKS))
        if fresh and world.random.random() < 0.4:
            name = world.random.choice(fresh[-6:])
            world.resend(name, *sent[name], kind="lock")
        for partition in range(world.partitions):
            if world.random.random() < 0.8:
                world.feed(partition)
                world.step(partition)
        world.sleep(world.random.choice([0, 0, 1, 20, 600, 4_000, 70_000, WINDOW // 40]))
        if world.random.random() < 0.05:
            world.settle()
            world.sleep(2 * WINDOW)
            fresh = []  # What is older than the window is another request.
        if world.random.random() < 0.05:
            world.restart(world.random.randrange(world.partitions))
    return sent


def ask(world, lock):
    """Write what an instance would that is gone when it is answered."""
    section, wait = world.random.randint(1, 1 << 40), world.random.choice([-1, 0, 2_000])
    body = RequestLock("instance", "gone", "life", section, 0, wait)
    envelope = Envelope(f"gone@life:{section}>0", "RequestLock", world.now, "lock", lock)
    world.kafka.append(Out(world.names.internal, -1, lock.encode(), encode(envelope, body)))


def finish(world):
    """Let every wait and every time to live end."""
    world.calm()
    world.settle()
    for _ in range(len(OWNERS) + 2):
        world.sleep(100_000)
        world.settle()


class Watched:
    """One lock as its events tell it; each is checked against those before."""

    def __init__(self):
        self.holder, self.token, self.queue = None, 0, []
        self.granted = {}
        """Token by command id."""

    def see(self, body):
        owner = body.owner.name
        if isinstance(body, LockAcquired):
            assert self.holder is None, "two holders"
            assert body.token > self.token, "a token that does not grow"
            assert owner == (self.queue or [owner])[0], "not the first in the queue"
            self.queue = self.queue[1:]
            self.holder, self.token = owner, body.token
            self.granted[body.command_id] = body.token
        elif isinstance(body, LockRequested):
            assert self.holder not in {None, owner}, "a wait for a lock that is free, or its own"
            if owner not in self.queue:
                self.queue.append(owner)
        elif isinstance(body, LockReleased):
            assert (self.holder, self.token) == (owner, body.token), "not the holder's"
            self.holder = None
        elif isinstance(body, LockRequestRefused):
            self.queue.remove(owner)
        else:
            assert isinstance(body, LockExtended)
            assert (self.holder, self.token) == (owner, body.token), "an extension of what is lost"
            self.granted.setdefault(body.command_id, body.token)


def watched(world):
    locks = defaultdict(Watched)
    for envelope, body in committed(world, world.names.events):
        if envelope.aggregate_type == "lock":
            locks[envelope.aggregate_id].see(body)
    return locks


def check_answers(world, sent, locks):
    answers = defaultdict(list)
    for envelope, body in committed(world, world.names.replies):
        answers[envelope.context.causation_id].append(body)
    for name, (lock, body) in sent.items():
        found = answers[name]
        assert 1 <= len(found) <= world.sent[name], f"{name} has {len(found)} answers"
        if not isinstance(body, AcquireLock):
            continue
        tokens = {json.loads(one.result)["token"] for one in found if one.accepted}
        granted = {locks[lock].granted[name]} if name in locks[lock].granted else set()
        assert tokens == granted, f"{name} was told {tokens} and has {granted}"
    return answers


def test_locks_exclude_in_order_and_answer_everyone_whatever_strikes():
    granted = waited = crashes = forgotten = 0
    for seed in range(SEEDS):
        world = World(seed, [], partitions=1 + seed % 3)
        sent = play(world)
        finish(world)
        print(f"seed {seed}")
        faults = faults_of(world)
        assert faults == []
        locks = watched(world)
        check_answers(world, sent, locks)
        assert all(one.holder is None and not one.queue for one in locks.values()), "all ends"
        granted += sum(len(one.granted) for one in locks.values())
        events = committed(world, world.names.events)
        waited += sum(isinstance(body, LockRequested) for _, body in events)
        crashes += world.crashes
        lives = {(e.aggregate_id, e.incarnation) for e, _ in events}
        forgotten += len(lives) - len(locks)
    assert granted > SEEDS * 5
    assert waited > SEEDS
    assert crashes > SEEDS
    assert forgotten > 0, "no lock was forgotten and taken again"
