"""Workflows that hold one lock for a part of them, whatever strikes: one at a time, and returned.

What is checked is read off committed events only, as any client sees them.
"""

import os

import pytest

from schemas import commands as c
from schemas.events import (
    ActivityScheduled,
    NodeExecuted,
    ScopeStarted,
    WorkflowCancelled,
    WorkflowCompleted,
    WorkflowFailed,
    WorkflowTerminated,
)
from schemas.lock_events import LockAcquired, LockReleased, LockRequested, LockRequestRefused
from schemas.section_events import SectionAwaited, SectionEnded, SectionLocked
from streams.testing.committed import proved_events
from streams.testing.world import World

SEEDS = int(os.environ.get("TIDEMILL_SEEDS", "60")) // 3
SECTION = """
id: ID
version: 1.0.0
nodes:
  start: {type: start, next: section}
  section:
    type: scope
    lock: LOCK
    nodes:
      begin: {type: start, next: change}
      change: {type: activity, activity_type: a, input: {token: "${lock_token}"}, next: done}
      done: {type: end}
    next: end
  lost: {type: boundary, on: section, error: LockLost, next: end}
  end: {type: end}
"""
HELD = SECTION.replace("ID", "held").replace("LOCK", "red")
TIMED = SECTION.replace("ID", "timed").replace("LOCK", "{name: red, ttl: PT10S, wait: PT5M}")
WORK = """
id: work
version: 1.0.0
nodes:
  start: {type: start, next: change}
  change:
    type: activity
    activity_type: a
    lock: {name: red, ttl: PT10S, wait: PT5M}
    input: {token: "${lock_token}"}
    retry: {fixed: {attempts: 1, delay: PT2S}}
    next: end
  lost: {type: boundary, on: change, error: LockLost, next: end}
  end: {type: end}
"""
ENDS = (WorkflowCompleted, WorkflowFailed, WorkflowCancelled, WorkflowTerminated)


class Play(World):
    """One seed: instances that want one lock, operators that disturb them, workers that fail."""

    def __init__(self, seed, sources):
        super().__init__(seed, sources, partitions=1 + seed % 2)
        kinds = [source.split()[1] for source in sources]
        self.fresh = [f"{self.random.choice(kinds)}-{n}" for n in range(self.random.randint(2, 6))]
        self.begun = []

    def begin(self):
        name = self.fresh.pop()
        self.begun.append(name)
        self.run_instance(name, name.partition("-")[0], b"{}")

    def disturbed(self):
        for _ in range(40):
            if self.fresh and self.random.random() < 0.4:
                self.begin()
            elif self.begun and self.random.random() < 0.15:
                self.disturb(self.random.choice(self.begun))
            if self.random.random() < 0.3:
                self.work(failures=0.1)
            self.go_on([0, 1, 900, 4_000], restarts=0.06)

    def rest(self):
        self.calm()
        while self.fresh:
            self.begin()
        for _ in range(4 * len(self.begun) + 4):
            self.settle()
            for name in self.begun:
                self.command(name, c.ResumeInstance())
                self.command(name, c.RetryIncident(0))
            self.settle()
            self.work(failures=0)
            self.settle()
            self.sleep(1_000)


def check(events, play):
    """One holder at a time, each of whom asked; at the end nobody has the lock or waits for it."""
    holder, tokens, waiting = None, {}, set()
    for _, body in events:
        if isinstance(body, LockAcquired):
            assert holder is None
            holder = body.owner.name
            tokens[body.owner.aggregate_id, body.owner.section] = body.token
            waiting.discard(holder)
        elif isinstance(body, LockReleased):
            assert holder == body.owner.name
            holder = None
        elif isinstance(body, LockRequested):
            waiting.add(body.owner.name)
        elif isinstance(body, LockRequestRefused):
            waiting.discard(body.owner.name)
    assert (holder, waiting) == (None, set())
    for envelope, body in events:
        if isinstance(body, SectionLocked):
            assert tokens[envelope.aggregate_id, body.section] == body.fence
        if isinstance(body, ActivityScheduled):
            fences = {t for (name, _), t in tokens.items() if name == envelope.aggregate_id}
            assert int(body.input.removeprefix(b'{"token":').removesuffix(b"}")) in fences
    ended = [envelope.aggregate_id for envelope, body in events if isinstance(body, ENDS)]
    assert sorted(ended) == sorted(play.begun)


def played(seed, sources):
    play = Play(seed, sources)
    play.disturbed()
    play.rest()
    events = proved_events(play)
    check(events, play)
    return play, events


@pytest.mark.parametrize("seed", range(SEEDS))
def test_one_section_runs_at_a_time_and_each_returns_its_lock(seed):
    play, events = played(seed, [HELD])
    if play.partitions > 1:
        return  # The order of events is told of one partition only.
    running = set()
    for envelope, body in events:
        name = envelope.aggregate_id
        if isinstance(body, ScopeStarted):
            running.add(name)
            assert running == {name}
        elif isinstance(body, ENDS) or (isinstance(body, NodeExecuted) and body.node == "section"):
            running.discard(name)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_lock_that_is_lost_is_had_by_one_all_the_same(seed):
    played(seed, [HELD, TIMED, WORK])


def test_these_runs_meet_every_case():
    seen = set()
    for seed in range(min(SEEDS, 10)):
        _, events = played(seed, [HELD, TIMED, WORK])
        seen |= {type(body) for _, body in events}
        seen |= {body.how for _, body in events if isinstance(body, SectionEnded)}
    assert {SectionAwaited, SectionLocked, "expired", WorkflowCancelled, WorkflowTerminated} <= seen
