"""Lists that are worked through while everything strikes: each item once, in its place."""

import json
import os

import pytest

from schemas.commands import ResumeInstance, RetryIncident, SuspendInstance
from schemas.events import WorkflowCompleted
from schemas.iteration_events import ItemCompleted, ItemStarted
from streams.testing.committed import events_of, oracles_of
from streams.testing.world import World

SOURCE = """
id: lists
version: 1.0.0
on_failure: manual_intervention
nodes:
  start: {type: start, next: ship}
  ship:
    type: scope
    each: {items: "${orders}", max_parallel: 20, collect: {into: places, value: "${index}"}}
    nodes:
      in: {type: start, next: pack}
      pack: {type: activity, activity_type: a, next: out}
      out: {type: end}
    next: again
  again: {type: activity, activity_type: a, loop: {max: 3}, next: end}
  end: {type: end}
"""
COUNT = 140
SEEDS = max(2, int(os.environ.get("TIDEMILL_SEEDS", "150")) // 50)


def proved(world):
    for oracle in oracles_of(world):
        assert oracle.faults == []
        yield from oracle.unfinished()


def play(world):
    variables = json.dumps({"orders": ["x" * 40] * COUNT}).encode()
    world.run_instance("one", "lists", variables)
    for _ in range(40):
        for partition in range(world.partitions):
            world.feed(partition)
            world.step(partition)
        world.work()
        world.sleep(10)
        if world.random.random() < 0.2:
            world.command("one", world.random.choice([SuspendInstance(), ResumeInstance()]))
        if world.random.random() < 0.2:
            world.restart(world.random.randrange(world.partitions))


def finish(world):
    world.calm()
    for _ in range(200):
        world.settle()
        world.work(failures=0.0)
        world.sleep(1_000)
        if any(isinstance(body, WorkflowCompleted) for _, body in events_of(world)):
            return
        world.command("one", ResumeInstance())
        world.command("one", RetryIncident(0))
    raise AssertionError("the list is never done")


@pytest.mark.parametrize("seed", range(SEEDS))
def test_each_item_is_done_once_whatever_strikes(seed):
    world = World(seed, [SOURCE], partitions=1)
    play(world)
    list(proved(world))
    finish(world)
    assert list(proved(world)) == []
    bodies = [body for _, body in events_of(world)]
    runs = COUNT + 3
    assert sum(isinstance(body, ItemStarted) for body in bodies) == runs
    assert sum(isinstance(body, ItemCompleted) for body in bodies) == runs
    (done,) = [body for body in bodies if isinstance(body, WorkflowCompleted)]
    assert json.loads(done.result)["places"] == list(range(COUNT))
