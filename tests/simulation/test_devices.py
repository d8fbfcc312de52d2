"""Seeds through workflows that wait for devices, on a log that crashes and repeats."""

import os
from collections import Counter

import pytest

from schemas import commands as c
from schemas.codec import encode
from schemas.envelope import Envelope
from schemas.events import EventAwaited, EventTriggered
from schemas.json_text import canonical, parse
from schemas.telemetry import Reading
from schemas.wait_events import WaitProgressed
from schemas.watch_events import WatchMatched, WatchOpened
from streams.domain.watch.aggregate import WATCH
from streams.runtime.ports import Out
from streams.testing.committed import proved_events, stored_of
from streams.testing.world import World

SEEDS = int(os.environ.get("TIDEMILL_SEEDS", "40"))
MINUTE = 60_000
ONCE = """
id: once
version: 1.0.0
nodes:
  start: {type: start, next: hot}
  hot: {type: catch, device: "${d}", metric: t, above: 30, next: end}
  end: {type: end}
"""
HELD = ONCE.replace("id: once", "id: held").replace("above: 30", "above: 30, for: PT20S")
SILENT = ONCE.replace("id: once", "id: silent").replace("metric: t, above: 30", "silent: PT1M")
RACE = """
id: race
version: 1.0.0
nodes:
  start: {type: start, next: first}
  first: {type: event_gateway, next: [hot, late]}
  hot: {type: catch, device: "${d}", metric: t, condition: "${value > 30.0}", next: end}
  late: {type: timer, duration: PT5S, next: end}
  end: {type: end}
"""
MANY = """
id: many
version: 1.0.0
nodes:
  start: {type: start, next: part}
  part:
    type: scope
    nodes:
      in: {type: start, next: long}
      long: {type: timer, duration: P9D, next: out}
      out: {type: end}
    next: end
  hot:
    type: boundary
    on: part
    interrupting: false
    device: "${d}"
    metric: t
    above: 30
    next: told
  told: {type: end}
  end: {type: end}
"""
TOGETHER = """
id: together
version: 1.0.0
nodes:
  start: {type: start, next: wait}
  wait:
    type: wait
    all:
      - {device: "${d}", metric: t, above: 30, name: hot}
      - {device: "${d}", metric: t, below: 25, name: cold}
      - sequence: [{device: d1, metric: t, above: 30, for: PT20S}, {device: d2, silent: PT1M}]
      - any: [{device: d2, metric: t, above: 34, name: top}, {duration: PT3S}]
      - not: {device: d1, metric: t, equals: 35, within: PT2S, name: never}
    next: end
  end: {type: end}
"""
ASIDE = """
id: aside
version: 1.0.0
nodes:
  start: {type: start, next: long}
  long: {type: timer, duration: P9D, next: end}
  part:
    type: scope
    event: true
    nodes:
      hot: {type: start, device: "${d}", metric: t, above: 30, interrupting: false, next: told}
      told: {type: end}
  end: {type: end}
"""
SOURCES = [ONCE, HELD, SILENT, RACE, MANY, TOGETHER, ASIDE]
KINDS = ["once", "held", "silent", "race", "many", "together", "aside"]
STAY = ("many", "aside")
"""Kinds that nothing here ends."""
DEVICES = ["d1", "d2"]


class Play(World):
    """One seed: workflows of every kind, devices that talk, an operator."""

    def __init__(self, seed):
        super().__init__(seed, SOURCES, partitions=1 + seed % 3)
        self.instances = {}
        self.said = []

    def say(self, device, value):
        reading = Reading(f"{device}:{len(self.said)}", canonical({"t": value}), 0, self.now)
        self.said.append((device, reading))
        self._append(device, reading)

    def _append(self, device, reading):
        envelope = Envelope(reading.reading_id, "Reading", self.now, "device", device)
        key = device.encode()
        self.kafka.append(Out(self.names.telemetry, -1, key, encode(envelope, reading)))

    def act(self):
        chance = self.random.random()
        if chance < 0.25 or not self.instances:
            kind, name = self.random.choice(KINDS), f"i{len(self.instances)}"
            self.instances[name] = kind
            self.run_instance(name, kind, canonical({"d": self.random.choice(DEVICES)}))
        elif chance < 0.75:
            self.say(self.random.choice(DEVICES), self.random.choice([20, 29, 31, 35]))
        elif chance < 0.85 and self.said:
            self._append(*self.random.choice(self.said[-20:]))  # The bridge is not sure.
        else:
            body = self.random.choice([c.SuspendInstance(), c.ResumeInstance(), c.ResumeInstance()])
            if self.random.random() < 0.1:
                body = self.random.choice([c.CancelInstance(), c.TerminateInstance()])
            self.command(self.random.choice(list(self.instances)), body)

    def disturbed(self):
        for _ in range(self.random.randint(10, 40)):
            for _ in range(self.random.randint(0, 4)):
                self.act()
            self.go_on([0, 1, 900, 4_000, 30_000], share=0.6, restarts=0.06)

    def rest(self):
        self.calm()
        self.settle()
        for name in self.instances:
            self.command(name, c.ResumeInstance())
        for value in (20, 31):
            for device in DEVICES:
                self.say(device, value)
            self.settle()
        for _ in range(4):  # What holds, holds; what was deferred is asked again; then silence.
            self.sleep(61_000)
            self.settle()


def check_delivery(events, seed):
    """What came about for a wait is taken once by an owner that is still there."""
    owners, came, taken = {}, Counter(), Counter()
    for envelope, body in events:
        if isinstance(body, WatchOpened):
            owners[envelope.aggregate_id, envelope.sequence] = (body.owner_id, body.subscription)
    for envelope, body in events:
        if isinstance(body, WatchMatched):
            for match in body.matches:
                owner = owners[envelope.aggregate_id, match.wait]
                came[*owner, f"{envelope.aggregate_id}:{envelope.sequence}"] += 1
        elif isinstance(body, EventTriggered | WaitProgressed) and body.kind == "device":
            taken[envelope.aggregate_id, body.subscription, body.message_id] += 1
    assert set(taken.values()) <= {1}, f"seed {seed}: taken twice"
    assert taken.keys() <= came.keys(), f"seed {seed}: taken, but never came about"
    over = {
        e.aggregate_id
        for e, _ in events
        if e.type in {"workflow.cancelled", "workflow.terminated", "workflow.completed"}
    }
    lost = [one for one in came.keys() - taken.keys() if one[0] not in over]
    assert lost == [], f"seed {seed}: came about and was never taken"


def check_silences(play, events, seed):
    """A silence is one: no reading arrived in it, though many were unread when it was over."""
    opened = {}
    for envelope, body in events:
        if isinstance(body, WatchOpened):
            opened[envelope.aggregate_id, envelope.sequence] = envelope.time
    for envelope, body in events:
        for match in body.matches if isinstance(body, WatchMatched) else ():
            payload = parse(match.payload)
            if payload["how"] != "silent":
                continue
            device = envelope.aggregate_id
            begin = max(payload["time"], opened[device, match.wait])
            inside = [
                r.arrival_time
                for d, r in play.said
                if d == device and begin < r.arrival_time < begin + MINUTE
            ]
            assert inside == [], f"seed {seed}: {device} was not silent after {begin}"


def played(seed):
    play = Play(seed)
    play.disturbed()
    play.rest()
    events = proved_events(play)
    check_delivery(events, seed)
    check_silences(play, events, seed)
    return play, events


def check_ends(play, events, seed):
    """Who waits is met in the end, and no watch keeps who no longer waits."""
    ends = Counter(e.aggregate_id for e, _ in events if e.type == "workflow.completed")
    gone = {e.aggregate_id for e, _ in events if e.type == "workflow.cancelled"} | {
        e.aggregate_id for e, _ in events if e.type == "workflow.terminated"
    }
    started = {e.aggregate_id for e, _ in events if e.type == "workflow.started"}
    for name, kind in play.instances.items():
        if name in started - gone:
            assert ends[name] == (0 if kind in STAY else 1), f"seed {seed}: {name} {kind}"
    awaited = {
        (e.aggregate_id, e.sequence)
        for e, b in events
        if isinstance(b, EventAwaited) and b.kind == "device" and e.aggregate_id not in gone
        if not ends[e.aggregate_id]
    }
    waiting = set()
    for state in stored_of(play, WATCH.type):
        waiting |= {(w.owner_id, w.subscription) for w in state.waits.values()}
        assert state.pending == {}, f"seed {seed}: an answer is still to come"
    assert waiting == awaited, f"seed {seed}"


@pytest.mark.parametrize("seed", range(SEEDS))
def test_what_a_device_does_finds_its_workflows_once_whatever_crashes(seed):
    play, events = played(seed)
    check_ends(play, events, seed)
    assert WATCH.type in {e.aggregate_type for e, _ in events} or not play.said


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1_000, 1_300))
def test_more_seeds(seed):
    play, events = played(seed)
    check_ends(play, events, seed)
