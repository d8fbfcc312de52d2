"""Seeds through single starts: one instance lives for each key, on a log that crashes."""

import os
from collections import Counter, defaultdict

import pytest

from schemas import channel_events as e
from schemas import commands as c
from schemas.definition_commands import DeleteDefinition
from schemas.events import EventTriggered, WorkflowStarted
from schemas.ids import channel_id
from streams.testing.committed import events_of, proved_states
from streams.testing.world import World

SEEDS = int(os.environ.get("TIDEMILL_SEEDS", "30"))
HOUR = 3_600_000
SINGLE = """
id: flow
version: 1.{number}.0
nodes:
  ordered: {{type: start, message: order, single: true, next: wait}}
  wait: {{type: timer, duration: PT2S, next: end}}
  end: {{type: end}}
"""
DEAF = """
id: flow
version: 1.{number}.0
nodes: {{by-hand: {{type: start, next: end}}, end: {{type: end}}}}
"""
WAITS = """
id: waits
version: 1.0.0
nodes:
  start: {type: start, next: got}
  got: {type: catch, message: order, key: "7", next: end}
  end: {type: end}
"""
ENDS = {"workflow.completed", "workflow.cancelled", "workflow.terminated", "workflow.failed"}


class Play(World):
    """Messages of a few keys, some of them twice; with odd seeds versions come and go."""

    def __init__(self, seed):
        super().__init__(seed, [SINGLE.format(number=0), WAITS], partitions=1 + seed % 3)
        self.changes = bool(seed % 2)
        self.versions, self.published, self.started = 0, {}, []

    def change(self):
        if self.random.random() < 0.3:
            version = f"1.{self.random.randint(0, self.versions)}.0"
            self.command("flow", DeleteDefinition(version, "why"), kind="definition")
            return
        self.versions += 1
        text = self.random.choice([SINGLE, SINGLE, DEAF]).format(number=self.versions)
        self.command("flow", c.PublishDefinition(text), kind="definition")

    def act(self):
        chance = self.random.random()
        if chance < 0.1 and self.changes:
            self.change()
        elif chance < 0.2:
            name = f"w{self.versions}-{len(self.published)}"
            self.command(name, c.RunInstance("waits"))
        elif chance < 0.3 and self.instances():
            body = self.random.choice([c.CancelInstance(), c.TerminateInstance()])
            self.command(self.random.choice(self.instances()), body)
        elif chance < 0.8 or not self.published:
            number, key = len(self.published), self.random.choice(["", "7", "8"])
            body = c.PublishMessage("order", key, f"m{number}", b"1", 9 * HOUR)
            self.published[f"m{number}"] = channel_id("message", "order", key), body
            self.command(*self.published[f"m{number}"], kind="channel")
        else:
            known = self.random.choice(list(self.published.values()))
            self.command(*known, kind="channel")

    def instances(self):
        return [envelope.aggregate_id for envelope, body in events_of(self) if _starts(body)]

    def disturbed(self):
        for _ in range(self.random.randint(10, 30)):
            for _ in range(self.random.randint(0, 3)):
                self.act()
            if self.random.random() < 0.5:
                self.verify()
            self.go_on([0, 1, 500, 2_500], share=0.7)

    def rest(self):
        self.calm()
        self.settle()
        for _ in range(len(self.published) + 1):  # One after the other.
            self.sleep(61_000)
            self.settle()


def _starts(body):
    return isinstance(body, EventTriggered) and bool(body.single)


def check(play):
    """One lives for each key; each that the channel began was one; no message is lost."""
    begun, ended, turns, takers = {}, {}, defaultdict(list), Counter()
    for envelope, body in events_of(play):
        name = envelope.aggregate_id
        if isinstance(body, WorkflowStarted) and body.definition_id == "flow":
            begun[name] = envelope.time
        elif envelope.type in ENDS:
            ended[name] = envelope.time
        elif isinstance(body, e.MessageCorrelated):
            takers[body.message_id] += 1
            if body.single:
                turns[name].append(body.single)
        elif isinstance(body, e.SingleEnded):
            turns[name].append(body.instance_id)
    singles = [one for turn in turns.values() for one in turn[::2]]
    assert sorted(singles) == sorted(begun)
    for turn in turns.values():
        assert turn[::2] == turn[1::2], "two at once, or one that never gave its place back"
        for former, later in zip(turn[::2], turn[2::2], strict=False):
            assert ended[former] <= begun[later], "two lived at once"
    assert set(takers.values()) <= {1}
    states = proved_states(play)
    left = {
        message.id
        for key, state in states.items()
        if key.startswith(b"channel/")
        for message in state.messages.values()
    }
    assert left | takers.keys() == play.published.keys()
    if not play.changes:
        assert left == set(), "a message waits though nothing lives"
    return len(singles), len(left)


@pytest.mark.parametrize("block", range(2))
def test_one_instance_lives_for_each_key_whatever_strikes(block):
    seen = Counter()
    for seed in range(block * SEEDS // 2, (block + 1) * SEEDS // 2):
        play = Play(seed)
        play.disturbed()
        play.rest()
        try:
            started, left = check(play)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        seen["started"] += started
        seen["left"] += left
        seen["refused"] += sum(
            isinstance(body, e.MessageRejected) and body.owner_type == "definition"
            for _, body in events_of(play)
        )
    assert all(seen[one] for one in ("started", "left", "refused")), seen


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1_000, 1_200))
def test_more_seeds(seed):
    play = Play(seed)
    play.disturbed()
    play.rest()
    check(play)
