"""Seeds through workflows that send each other messages, on a log that crashes and repeats."""

import os

import pytest

from schemas import commands as c
from schemas.channel_events import MessageCorrelated, MessagePublished
from schemas.events import EventTriggered, WorkflowCompleted
from schemas.json_text import canonical
from streams.testing.committed import proved_events, proved_states
from streams.testing.world import World

SEEDS = int(os.environ.get("TIDEMILL_SEEDS", "60"))
SENDS = """
id: sends
version: 1.0.0
nodes:
  start: {type: start, next: tell}
  tell: {type: throw, message: order, key: "${key}", payload: {n: "${n}"}, ttl: PT10H, next: reply}
  reply: {type: catch, message: reply, key: "${key}", result_path: reply, next: end}
  end: {type: end}
"""
WAITS = """
id: waits
version: 1.0.0
nodes:
  start: {type: start, next: part}
  part:
    type: scope
    nodes:
      in: {type: start, next: got}
      got: {type: catch, message: order, key: "${key}", result_path: order, next: tell}
      tell: {type: throw, message: reply, key: "${key}", payload: "${order.n}", next: out}
      out: {type: end}
    next: end
  stop: {type: boundary, on: part, signal: stop, next: end}
  end: {type: end}
"""


class Play(World):
    """One seed: pairs of a sender and a waiter, in any order, disturbed."""

    def __init__(self, seed):
        super().__init__(seed, [SENDS, WAITS], partitions=1 + seed % 3)
        self.pairs = self.random.randint(2, 6)
        starts = [("sends", n) for n in range(self.pairs)] + [
            ("waits", n) for n in range(self.pairs)
        ]
        self.random.shuffle(starts)
        self.starts = starts

    def disturbed(self):
        for _ in range(30):
            if self.starts and self.random.random() < 0.6:
                kind, n = self.starts.pop()
                variables = canonical({"key": f"k{n}", "n": n})
                self.command(f"{kind}-{n}", c.RunInstance(kind, "", variables))
            elif self.random.random() < 0.4:
                name = (
                    f"{self.random.choice(['sends', 'waits'])}-{self.random.randrange(self.pairs)}"
                )
                body = self.random.choice([c.SuspendInstance(), c.ResumeInstance()])
                self.command(name, body)
            self.go_on([0, 1, 900])

    def rest(self):
        self.calm()
        for kind, n in self.starts:
            variables = canonical({"key": f"k{n}", "n": n})
            self.command(f"{kind}-{n}", c.RunInstance(kind, "", variables))
        self.settle()
        for n in range(self.pairs):
            for kind in ("sends", "waits"):
                self.command(f"{kind}-{n}", c.ResumeInstance())
        for _ in range(3):
            self.settle()
            self.sleep(61_000)
        self.settle()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_message_is_taken_once_and_every_workflow_ends(seed):
    play = Play(seed)
    play.disturbed()
    play.rest()
    events = proved_events(play)
    of = {
        kind: []
        for kind in (MessagePublished, MessageCorrelated, EventTriggered, WorkflowCompleted)
    }
    for envelope, body in events:
        if type(body) in of:
            of[type(body)].append((envelope.aggregate_id, body))
    assert len(of[WorkflowCompleted]) == 2 * play.pairs
    assert len(of[MessagePublished]) == len(of[MessageCorrelated]) == 2 * play.pairs
    caught = [(name, body.node) for name, body in of[EventTriggered] if body.kind == "message"]
    assert len(caught) == len(set(caught)) == 2 * play.pairs
    replies = [body.payload for name, body in of[EventTriggered] if body.node == "reply"]
    assert sorted(replies) == [str(n).encode() for n in range(play.pairs)]
    # What ended has closed what it waited for: no subscription is left at the signal's channel.
    left = {
        key: state.subscriptions for key, state in proved_states(play).items() if b"stop" in key
    }
    assert left == {b"channel/default/signal:stop": {}}
