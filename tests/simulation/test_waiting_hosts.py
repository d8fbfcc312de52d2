"""Catches with boundary events, on a log that crashes and repeats: one way out of each wait.

A message that is offered to a wait that has just ended goes to the next who waits, never lost and
never taken twice.
"""

import os
from collections import Counter

import pytest

from schemas import commands as c
from schemas.channel_events import MessageCorrelated, MessagePublished
from schemas.events import EventTriggered, WorkflowCompleted
from schemas.json_text import canonical
from streams.testing.committed import proved_events, proved_states
from streams.testing.world import World

SEEDS = int(os.environ.get("TIDEMILL_SEEDS", "60")) // 2
WAITS = """
id: waits
version: 1.0.0
nodes:
  start: {type: start, next: got}
  got: {type: catch, message: order, key: "${key}", next: end}
  soon: {type: boundary, on: got, cycle: R/PT1S, interrupting: false, next: told}
  late: {type: boundary, on: got, duration: PT20S, next: end}
  off: {type: boundary, on: got, message: called-off, key: "${key}", next: end}
  shut: {type: boundary, on: got, signal: shut, next: end}
  told: {type: end}
  end: {type: end}
"""
OUT = {"got", "late", "off", "shut"}


class Play(World):
    """One seed: several that wait for the same messages, and some that come."""

    def __init__(self, seed):
        super().__init__(seed, [WAITS], partitions=1 + seed % 3)
        self.begun, self.told = [], 0

    def wait(self):
        self.begun.append(f"w{len(self.begun)}")
        variables = canonical({"key": f"k{self.random.randrange(2)}"})
        self.command(self.begun[-1], c.RunInstance("waits", "", variables))

    def send(self):
        self.told += 1
        name = self.random.choice(["order", "order", "called-off"])
        key = f"k{self.random.randrange(2)}"
        message = c.PublishMessage(name, key, f"m{self.told}", b"1", 36_000_000)
        self.command(f"message:{name}:{key}", message, kind="channel")

    def disturbed(self):
        for _ in range(30):
            what = self.random.random()
            if what < 0.35 and len(self.begun) < 8:
                self.wait()
            elif what < 0.6:
                self.send()
            elif what < 0.65:
                shut = c.BroadcastSignal("shut", f"s{self.now}", b"1")
                self.command("signal:shut", shut, kind="channel")
            elif self.begun and what < 0.85:
                body = self.random.choice([c.SuspendInstance(), c.ResumeInstance()])
                self.command(self.random.choice(self.begun), body)
            self.go_on([0, 1, 900, 5_000])

    def rest(self):
        self.calm()
        self.settle()
        for name in self.begun:
            self.command(name, c.ResumeInstance())
        for _ in range(4):
            self.settle()
            self.sleep(20_000)
        self.settle()


def played(seed):
    play = Play(seed)
    play.disturbed()
    play.rest()
    return play, proved_events(play)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_each_wait_has_one_way_out_and_each_message_one_taker(seed):
    play, events = played(seed)
    ways = Counter()
    sent = Counter()
    for envelope, body in events:
        if isinstance(body, EventTriggered) and body.node in OUT:
            ways[envelope.aggregate_id] += 1
        elif envelope.aggregate_id.startswith("message:"):
            sent[type(body)] += 1
    assert ways == Counter(play.begun)
    ended = [e.aggregate_id for e, body in events if isinstance(body, WorkflowCompleted)]
    assert sorted(ended) == sorted(play.begun)
    taken = [e.aggregate_id for e, body in events if _is_message(body)]
    assert len(taken) == sent[MessageCorrelated]
    assert sent[MessagePublished] == play.told
    _nothing_is_left(play, sent)


def _is_message(body):
    return isinstance(body, EventTriggered) and body.kind == "message"


def _nothing_is_left(play, sent):
    """What nobody took is still there for the next who waits; and nobody waits any more."""
    buffered = 0
    for key, state in proved_states(play).items():
        if key.startswith(b"channel/"):
            buffered += len(state.messages)
            assert state.subscriptions == {}
    assert buffered == sent[MessagePublished] - sent[MessageCorrelated]


def test_these_runs_meet_every_way_out():
    seen = Counter()
    for seed in range(min(SEEDS, 12)):
        _, events = played(seed)
        seen.update(body.node for _, body in events if isinstance(body, EventTriggered))
    assert {*seen} == OUT | {"soon"}
