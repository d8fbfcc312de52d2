"""Seeds through starts by devices while versions come and go, on a log that crashes and repeats."""

import os
from collections import Counter
from itertools import pairwise

import pytest

from schemas import commands as c
from schemas import watch_events as w
from schemas.codec import encode
from schemas.definition_commands import DeleteDefinition
from schemas.envelope import Envelope
from schemas.events import EventTriggered, WorkflowStarted
from schemas.json_text import canonical, parse
from schemas.telemetry import Reading
from streams.domain.definition.ids import started_id
from streams.domain.net.device_starts import is_meant
from streams.domain.net.starts import triggered_starts
from streams.domain.watch.aggregate import WATCH
from streams.runtime.ports import Out
from streams.testing.committed import proved_events, stored_of
from streams.testing.world import World

SEEDS = int(os.environ.get("TIDEMILL_SEEDS", "30"))
LISTENS = """
id: {name}
version: {version}
nodes:
  by-hand: {{type: start, next: end}}
  hot: {{type: start, device: "{device}", metric: t, above: {bound}, result_path: seen, next: end}}
  held: {{type: start, device: d1, metric: t, condition: "value > 30.0", for: PT20S, next: end}}
  gone: {{type: start, device: "{device}", silent: PT1M, next: end}}
  alarm: {{type: start, device: "*", event_type: alarm, next: end}}
  end: {{type: end}}
"""
DEAF = """
id: {name}
version: {version}
nodes: {{by-hand: {{type: start, next: end}}, end: {{type: end}}}}
"""
NAMES, DEVICES = ("one", "two"), ("d1", "d2", "e3")


class Play(World):
    """One seed: versions come and go while devices talk; then they stay, and devices talk on."""

    def __init__(self, seed):
        super().__init__(seed, [], partitions=1 + seed % 3)
        self.versions = Counter()
        self.said = []

    def publish_version(self):
        name, chance = self.random.choice(NAMES), self.random
        self.versions[name] += 1
        text = chance.choice([LISTENS, LISTENS, LISTENS, DEAF]).format(
            name=name,
            version=f"1.{self.versions[name]}.0",
            device=chance.choice(["d*", "d1", "e3", "*"]),
            bound=chance.choice([25, 30]),
        )
        self.command(name, c.PublishDefinition(text), kind="definition")

    def delete_version(self):
        name = self.random.choice(NAMES)
        version = f"1.{self.random.randint(1, self.versions[name] + 1)}.0"
        self.command(name, DeleteDefinition(version, "why"), kind="definition")

    def say(self, device, value, kind="telemetry"):
        self.sleep(1)
        reading = Reading(f"r{len(self.said)}", canonical({"t": value}), 0, self.now, kind)
        self.said.append((device, reading))
        self._append(device, reading)

    def _append(self, device, reading):
        envelope = Envelope(reading.reading_id, "Reading", self.now, "device", device)
        self.kafka.append(Out(self.names.telemetry, -1, device.encode(), encode(envelope, reading)))

    def talk(self):
        if self.random.random() < 0.2 and self.said:
            self._append(*self.random.choice(self.said[-20:]))  # The bridge is not sure.
            return
        kind = self.random.choice(["telemetry"] * 4 + ["alarm"])
        self.say(self.random.choice(DEVICES), self.random.choice([20, 27, 31, 35]), kind)

    def disturbed(self, *, changes):
        for _ in range(self.random.randint(8, 25)):
            for _ in range(self.random.randint(0, 4)):
                self.talk()
            if changes and self.random.random() < 0.4:
                self.random.choice(
                    [self.publish_version, self.publish_version, self.delete_version]
                )()
            if self.random.random() < 0.5:
                self.verify()
            self.go_on([0, 1, 900, 9_000, 40_000], share=0.7)

    def level(self):
        """Let every device be cool, and everybody know it."""
        self.settle()
        for device in DEVICES:
            self.say(device, 20)
        self.settle()

    def rest(self):
        self.calm()
        self.settle()
        for _ in range(3):  # What holds, holds; and then they are silent.
            self.sleep(61_000)
            self.settle()

    def standing(self):
        """Return the starts that are there now: definition, node and trigger."""
        for name in NAMES:
            definition = self.book.find("default", name, "")
            for node, start in triggered_starts(definition) if definition is not None else ():
                yield name, node, start.trigger


def check_taken(events):
    """Each crossing that the definition took started one instance; it took or left each."""
    waits, matched, answered = {}, {}, {}
    for envelope, body in events:
        if isinstance(body, w.WatchOpened):
            waits[envelope.aggregate_id, envelope.sequence] = body
    for envelope, body in events:
        device, number = envelope.aggregate_id, envelope.sequence
        for match in body.matches if isinstance(body, w.WatchMatched) else ():
            assert not match.replaces, "a crossing was merged with another"
            wait = waits[device, match.wait]
            key = device, wait.owner_id, wait.subscription, f"{device}:{number}"
            assert key not in matched
            matched[key] = wait, parse(match.payload)
        if isinstance(body, w.WatchTaken | w.WatchRejected):
            key = device, body.owner_id, body.subscription, body.match_id
            assert key not in answered, "answered twice"
            answered[key] = isinstance(body, w.WatchTaken)
    assert answered.keys() <= matched.keys()
    wanted = {}
    for key, (wait, payload) in matched.items():
        if answered.get(key):
            channel, how = f"device:{key[0]}", payload["how"]
            cause = wait.node, wait.awaits.start, how, str(payload["reading"])
            name = started_id(key[1], channel, *cause)
            # One silence starts one instance, though its start went and came again in it.
            assert name not in wanted or how == "silent", "two crossings have one instance"
            wanted.setdefault(name, (wait, payload))
    begun = {e.aggregate_id: (e, b) for e, b in events if isinstance(b, WorkflowStarted)}
    caused = {
        e.aggregate_id: b for e, b in events if isinstance(b, EventTriggered) and b.kind == "device"
    }
    assert caused.keys() == wanted.keys() == begun.keys()
    for name, (wait, payload) in wanted.items():
        assert (caused[name].node, parse(caused[name].payload)) == (wait.node, payload)
        assert begun[name][1].definition_id == wait.owner_id
    return matched, answered, begun


def expected(play, begin):
    """Count what the readings from `begin` on must have started, seen one after the other."""
    counts = Counter()
    for name, node, trigger in play.standing():
        for device in DEVICES:
            if not is_meant(trigger.device.source, device):
                continue
            mine = [r for d, r in play.said[begin - len(DEVICES) :] if d == device]
            values = [(r.arrival_time, parse(r.metrics)["t"]) for r in mine]
            counts[name, node] += _crossings(node, trigger, mine, values)
    return +counts


def _crossings(node, trigger, readings, values):
    if node == "alarm":
        return sum(one.event_type == "alarm" for one in readings)
    if node == "gone":
        return 1 + sum(after - before >= 60_000 for (before, _), (after, _) in pairwise(values))
    bound = 30 if node == "held" else trigger.bound.source
    ups = [n for n in range(1, len(values)) if values[n][1] > bound >= values[n - 1][1]]
    if node == "hot":
        return len(ups)
    ends = [next((at for at, value in values[n:] if value <= bound), None) for n in ups]
    return sum(
        end is None or end - values[n][0] >= 20_000 for n, end in zip(ups, ends, strict=True)
    )


def played(seed):
    play = Play(seed)
    play.publish_version()
    play.disturbed(changes=True)
    play.calm()
    play.level()
    _, _, before = check_taken(proved_events(play))
    begin = len(play.said)
    play._faults_on = True
    play.disturbed(changes=False)
    play.rest()
    matched, answered, after = check_taken(proved_events(play))
    found = Counter()
    for name in after.keys() - before.keys():
        found[after[name][1].definition_id, after[name][0].aggregate_id] += 1
    nodes = {
        e.aggregate_id: b.node for e, b in proved_events(play) if isinstance(b, EventTriggered)
    }
    started = Counter((definition, nodes[name]) for definition, name in found)
    assert started == expected(play, begin)
    for state in stored_of(play, WATCH.type):
        assert state.pending == {}, "an answer is still to come"
    return play, matched, answered, after


def seen_in(seeds):
    seen = Counter()
    for seed in seeds:
        try:
            _, matched, answered, after = played(seed)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        seen["started"] += len(after)
        seen["refused"] += sum(not taken for taken in answered.values())
        for wait, payload in matched.values():
            seen[wait.node, payload["how"]] += 1
    return seen


@pytest.mark.parametrize("block", range(2))
def test_each_crossing_of_a_device_starts_one_instance_whatever_strikes(block):
    seen = seen_in(range(block * SEEDS // 2, (block + 1) * SEEDS // 2))
    wanted = {("hot", "reading"), ("held", "held"), ("gone", "silent"), ("alarm", "reading")}
    assert wanted <= {one for one, count in seen.items() if count}, seen


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10))
def test_more_seeds(block):
    seen = seen_in(range(1_000 + 30 * block, 1_030 + 30 * block))
    assert seen["refused"], "no definition had changed its mind"
