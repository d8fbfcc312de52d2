"""Sagas over children, undone while everything strikes: each step once, newest first."""

import os

import pytest

from schemas.commands import CancelInstance, ResumeInstance, RetryIncident, SuspendInstance
from schemas.compensation_events import CompensationRecorded, HandlerCompleted
from streams.domain.aggregates import AGGREGATES
from streams.testing.committed import events_of, oracles_of
from streams.testing.world import World

TRIP = """
id: trip
version: 1.0.0
on_failure: manual_intervention
nodes:
  start: {type: start, next: hotel}
  hotel: {type: activity, activity_type: a, compensate_with: no_hotel, next: part}
  no_hotel: {type: activity, activity_type: a}
  part:
    type: scope
    nodes:
      in: {type: start, next: flight}
      flight: {type: activity, activity_type: a, compensate_with: no_flight, next: out}
      no_flight: {type: activity, activity_type: a}
      out: {type: end}
    next: end
  end: {type: end}
"""
SAGA = """
id: saga
version: 1.0.0
on_failure: manual_intervention
nodes:
  start: {type: start, next: sub}
  sub: {type: call, definition: trip, next: work}
  work: {type: activity, activity_type: a, compensate_with: no_work, next: pick}
  no_work: {type: activity, activity_type: a}
  pick: {type: exclusive, next: [{to: undo, when: "${bad}"}, {to: end, default: true}]}
  undo: {type: end, compensate: "*"}
  end: {type: end}
"""
SPREAD = SAGA.replace("id: saga", "id: wide").replace("trip,", "trip, placement: spread,")
SEEDS = int(os.environ.get("TIDEMILL_SEEDS", "150")) // 10


def play(world):
    names = []
    for number in range(world.random.randint(1, 5)):
        bad = b'{"bad":true}' if world.random.random() < 0.5 else b'{"bad":false}'
        names.append(f"s{number}")
        world.run_instance(names[-1], world.random.choice(["saga", "wide"]), bad)
    for _ in range(world.random.randint(5, 25)):
        for partition in range(world.partitions):
            if world.random.random() < 0.8:
                world.feed(partition)
                world.step(partition)
        world.work()
        world.sleep(world.random.choice([1, 10, 2_000]))
        if world.random.random() < 0.2:
            body = world.random.choice([SuspendInstance(), ResumeInstance(), CancelInstance()])
            world.command(world.random.choice(names), body)
        if world.random.random() < 0.05:
            world.restart(world.random.randrange(world.partitions))


def finish(world):
    world.calm()
    for _ in range(60):
        world.settle()
        world.work(failures=0.0)
        world.sleep(61_000)
        world.settle()
        oracles = oracles_of(world)
        left = [key for oracle in oracles for key in oracle.unfinished()]
        if not left:
            return oracles
        for key in left:
            name = key.partition("/")[2].partition("/")[2]
            world.command(name, ResumeInstance())
            world.command(name, RetryIncident(0))
    return oracles_of(world)


def holds(world, seed):
    recorded, undone = {}, {}
    for envelope, body in events_of(world):
        if isinstance(body, CompensationRecorded) and not body.inner:
            recorded.setdefault(envelope.aggregate_id, []).append(body.node)
        elif isinstance(body, HandlerCompleted):
            undone.setdefault(envelope.aggregate_id, []).append(body.node)
    for name, nodes in undone.items():
        newest = list(reversed(recorded[name]))[: len(nodes)]
        assert nodes == newest, f"seed {seed}: {name}"
    return len(undone)


@pytest.mark.parametrize("block", range(3))
def test_what_is_done_is_undone_once_and_newest_first(block):
    count = 0
    for seed in range(block * SEEDS // 3, (block + 1) * SEEDS // 3):
        world = World(seed, [TRIP, SAGA, SPREAD], partitions=1 + seed % 3)
        play(world)
        oracles = finish(world)
        assert [fault for oracle in oracles for fault in oracle.faults] == [], f"seed {seed}"
        assert [key for oracle in oracles for key in oracle.unfinished()] == [], f"seed {seed}"
        finished = AGGREGATES["instance"].is_finished
        states = [
            s
            for oracle in oracles
            for k, s in oracle.states().items()
            if k.startswith(b"instance/")
        ]
        assert all(map(finished, states)), f"seed {seed}: a child is kept that nobody can undo"
        count += holds(world, seed)
    assert count > 0
