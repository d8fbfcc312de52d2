"""Seeds through starts by message and signal while versions come, on a log that crashes."""

import os
from collections import Counter, defaultdict

import pytest

from schemas import channel_events as e
from schemas import commands as c
from schemas.definition_commands import DeleteDefinition
from schemas.definition_events import DefinitionDeleted, ScheduleFired
from schemas.events import EventTriggered, WorkflowStarted
from schemas.ids import channel_id
from streams.domain.definition.ids import started_id
from streams.testing.committed import proved_events, proved_states
from streams.testing.world import World

SEEDS = int(os.environ.get("TIDEMILL_SEEDS", "40"))
HOUR = 3_600_000
LISTENS = """
id: {name}
version: {version}
nodes:
  by-hand: {{type: start, next: end}}
  heard: {{type: start, message: order, result_path: order, next: end}}
  opened: {{type: start, signal: opened, next: end}}
  ticks: {{type: start, cycle: R/PT20S, missed: each, next: end}}
  end: {{type: end}}
"""
DEAF = """
id: {name}
version: {version}
nodes: {{by-hand: {{type: start, next: end}}, end: {{type: end}}}}
"""
WAITS = """
id: waits
version: 1.0.0
nodes:
  start: {type: start, next: got}
  got: {type: catch, message: order, key: "${key}", next: end}
  end: {type: end}
"""
NAMES = ("one", "two")
KEYS = ("", "7", "8")


class Play(World):
    """Messages and signals, some of them twice, while definitions come, listen and stop."""

    def __init__(self, seed):
        super().__init__(seed, [WAITS], partitions=1 + seed % 3)
        self.versions = Counter()
        self.published, self.broadcast, self.waiting = {}, {}, []

    def publish_version(self):
        name = self.random.choice(NAMES)
        self.versions[name] += 1
        source = self.random.choice([LISTENS, LISTENS, DEAF])
        text = source.format(name=name, version=f"1.{self.versions[name]}.0")
        self.command(name, c.PublishDefinition(text), kind="definition")

    def delete_version(self):
        name = self.random.choice(NAMES)
        version = f"1.{self.random.randint(1, self.versions[name] + 1)}.0"
        body = DeleteDefinition(self.random.choice([version, version, ""]), "why")
        self.command(name, body, kind="definition")

    def publish_message(self):
        number, key = len(self.published), self.random.choice(KEYS)
        ttl = self.random.choice([0, 100, HOUR])
        body = c.PublishMessage("order", key, f"m{number}", b'{"n":%d}' % number, ttl)
        self.published[f"m{number}"] = channel_id("message", "order", key), body

    def publish_signal(self):
        number = len(self.broadcast)
        self.broadcast[f"s{number}"] = "signal:opened", c.BroadcastSignal("opened", f"s{number}")

    def wait(self):
        name = f"w{len(self.waiting)}"
        key = self.random.choice(KEYS[1:])
        self.command(name, c.RunInstance("waits", "", b'{"key":"%s"}' % key.encode()))
        self.waiting.append(name)

    def act(self):
        before = {**self.published, **self.broadcast}
        kind = self.random.random()
        if kind < 0.15:
            self.publish_version()
        elif kind < 0.18:
            self.delete_version()
        elif kind < 0.25:
            self.wait()
        elif kind < 0.3 and self.waiting:
            self.command(self.random.choice(self.waiting), c.CancelInstance())
        elif kind < 0.6:
            self.publish_message()
        elif kind < 0.75:
            self.publish_signal()
        elif before:
            self.command(*self.random.choice(list(before.values())), kind="channel")
        for name in {**self.published, **self.broadcast}.keys() - before.keys():
            self.command(*{**self.published, **self.broadcast}[name], kind="channel")

    def disturbed(self):
        for _ in range(self.random.randint(15, 40)):
            for _ in range(self.random.randint(0, 3)):
                self.act()
            if self.random.random() < 0.5:
                self.verify()
            self.go_on([0, 1, 200])

    def rest(self):
        self.calm()
        self.settle()
        self.sleep(61_000)
        self.settle()

    def committed(self):
        found = defaultdict(list)
        for envelope, body in proved_events(self):
            found[type(body)].append((envelope, body))
        return found


def check(play, found):
    """Whoever took a message or a signal has it, once, and nobody else began anything."""
    triggered = {
        envelope.aggregate_id: (envelope, body)
        for envelope, body in found[EventTriggered]
        if body.subscription == 0
    }
    versions = {
        envelope.aggregate_id: body
        for envelope, body in found[WorkflowStarted]
        if envelope.aggregate_id in triggered
    }
    wanted = {}
    for envelope, body in found[e.MessageCorrelated]:
        if body.owner_type == "definition":
            name = started_id(body.owner_id, envelope.aggregate_id, body.message_id)
            assert name not in wanted, "taken twice"
            wanted[name] = body
    fired = {body.instance_id: body for _, body in found[ScheduleFired]}
    assert len(fired) == len(found[ScheduleFired]), "fired twice"
    assert wanted.keys() | fired.keys() == triggered.keys()
    for name, body in fired.items():
        assert (triggered[name][1].kind, triggered[name][1].due) == ("timer", body.due)
        assert versions[name].definition_version == body.version
    for name, body in wanted.items():
        assert versions[name].definition_id == body.owner_id
        assert triggered[name][1].message_id == body.message_id
    takers = Counter(
        body.message_id
        for _, body in found[e.MessageCorrelated]
        if body.message_id in play.published
    )
    assert set(takers.values()) <= {1}, "a message was taken twice"
    expired = {body.message_id for _, body in found[e.MessageExpired]}
    kept = {
        one.id
        for key, state in proved_states(play).items()
        if key.startswith(b"channel/default/message:")
        for one in state.messages.values()
    }
    assert kept | expired | takers.keys() == play.published.keys()
    assert len(kept) + len(expired) + len(takers) == len(play.published)


def check_deletion(found):
    """Nothing starts by itself from what is deleted, and no version is deleted twice."""
    deleted = {}
    for envelope, body in found[DefinitionDeleted]:
        key = body.definition_id, body.version
        assert key not in deleted, "deleted twice"
        deleted[key] = envelope.sequence
        assert body.newest != body.version
    for envelope, body in found[ScheduleFired]:
        after = deleted.get((body.definition_id, body.version), envelope.sequence)
        assert envelope.sequence <= after, "fired by a deleted version"


@pytest.mark.parametrize("block", range(2))
def test_each_message_and_signal_starts_what_took_it_once_whatever_strikes(block):
    seen = Counter()
    for seed in range(block * SEEDS // 2, (block + 1) * SEEDS // 2):
        play = Play(seed)
        play.disturbed()
        play.rest()
        found = play.committed()
        try:
            check(play, found)
            check_deletion(found)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        for _, body in found[e.MessageCorrelated]:
            seen[body.owner_type, body.message_id[0]] += 1
        seen["refused"] += sum(b.owner_type == "definition" for _, b in found[e.MessageRejected])
        left = [
            one
            for key, s in proved_states(play).items()
            if key.startswith(b"channel/")
            for one in s.subscriptions.values()
        ]
        assert [one for one in left if one.owner_type == "definition"] == []
        seen["deleted"] += sum(b.was_published for _, b in found[DefinitionDeleted])
        seen["timer"] += len(found[ScheduleFired])
    wanted = {
        "timer",
        "deleted",
        ("definition", "m"),
        ("definition", "s"),
        ("instance", "m"),
        "refused",
    }
    assert wanted <= {name for name, count in seen.items() if count}, seen
