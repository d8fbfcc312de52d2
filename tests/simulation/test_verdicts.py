"""Submission and verdict through the whole engine, with crashes, aborts and fencing."""

import pytest

from schemas.codec import decode, encode
from schemas.commands import PublishDefinition
from schemas.ids import routing_key
from streams.runtime.ports import Out
from streams.testing.committed import faults_of
from streams.testing.world import World
from streams.verifier.court import Court
from streams.verifier.pending import verdict_envelope
from streams.verifier.request import answer

SOUND = """
id: flow
version: {version}
nodes: {{start: {{type: start, next: end}}, end: {{type: end}}}}
"""
STUCK = """
id: flow
version: {version}
nodes:
  start: {{type: start, next: check}}
  check:
    type: exclusive
    next: [{{to: a, when: "${{true}}"}}, {{to: b, default: true}}]
  a: {{type: timer, duration: PT1S, next: meet}}
  b: {{type: timer, duration: PT1S, next: meet}}
  meet: {{type: parallel, next: end}}
  end: {{type: end}}
"""


class Lasting:
    """A verifier that goes on, whatever strikes the engine."""

    def __init__(self, world):
        self._world = world
        self._court = Court(answer, 1_000, 15.0)
        self._read = {}

    def judge(self, most):
        """Send the verdict on what waits, at most so many."""
        world, court = self._world, self._court
        for partition in range(world.partitions):
            begin = self._read.get(partition, 0)
            for entry in world.kafka.committed(world.names.definitions, partition, begin):
                court.add(partition, entry.value)
                self._read[partition] = entry.offset + 1
        for _ in range(most):
            task = court.next(world.now / 1_000)
            if task is None:
                return
            verdict = court.judge(task, world.now / 1_000)
            if verdict is None:
                continue  # It waits for others.
            court.answered(task, verdict)
            envelope = verdict_envelope(task, world.now)
            value = encode(envelope, verdict)
            key = routing_key("default", envelope.aggregate_id).encode()
            world.kafka.append(Out(world.names.results, -1, key, value))


class Killed(Lasting):
    """A verifier that is killed: it begins anew each time, knowing nothing."""

    def judge(self, most):
        """Send the verdict on what waits, at most so many, and be killed."""
        self.__init__(self._world)
        super().judge(most)


def decisions(world):
    """The decisions of each version, in their order."""
    return {version: found for (_, version), found in decided(world).items()}


def decided(world):
    """The decisions of each definition's versions, in their order."""
    found = {}
    for partition in range(world.partitions):
        for entry in world.kafka.committed(world.names.events, partition):
            envelope, body = decode(entry.value)
            if envelope.type in {"definition.published", "definition.refused"}:
                key = body.definition_id, body.version
                found.setdefault(key, []).append((envelope.type, body.verdict))
    return found


@pytest.mark.parametrize("seed", range(10))
def test_each_submission_is_decided_once_whatever_strikes_engine_and_verifier(seed):
    world = World(seed, [], partitions=1 + seed % 2, fault_rate=0.1)
    world.has_verifier = False
    wanted, sent = {}, {}
    for minor in range(6):
        version = f"1.{minor}.0"
        unsound, allowed = world.random.random() < 0.5, world.random.random() < 0.5
        source = (STUCK if unsound else SOUND).format(version=version)
        sent[version] = PublishDefinition(source, allowed)
        name = world.command("flow", sent[version], kind="definition")
        kind = "refused" if unsound and not allowed else "published"
        wanted[version] = [(f"definition.{kind}", "unsound" if unsound else "sound")]
        while version not in decisions(world):
            for partition in range(world.partitions):
                world.feed(partition)
                world.step(partition)
            Killed(world).judge(world.random.choice([0, 1, 1]))
            Killed(world).judge(world.random.choice([0, 1]))
            if world.random.random() < 0.2:
                world.resend(name, "flow", sent[version], kind="definition")
    world.calm()
    world.settle()
    assert decisions(world) == wanted, f"seed {seed}"
    assert faults_of(world) == [], f"seed {seed}"


def test_what_waits_cannot_be_started_and_what_is_refused_neither():
    world = World(1, [], fault_rate=0.0)
    world.has_verifier = False
    world.command("flow", PublishDefinition(SOUND.format(version="1.0.0")), kind="definition")
    world.settle()
    assert world.book.find("default", "flow", "") is None
    world.verify()
    world.settle()
    world.command("flow", PublishDefinition(STUCK.format(version="1.1.0")), kind="definition")
    world.has_verifier = True
    world.settle()
    assert world.book.find("default", "flow", "1.1.0") is None
    assert str(world.book.find("default", "flow", "").version) == "1.0.0"


ASKS = """
id: asks
version: {version}
nodes:
  start: {{type: start, next: ask}}
  ask: {{type: throw, message: question, next: wait}}
  wait: {{type: catch, message: answer, next: end}}
  end: {{type: end}}
"""
ANSWERS = """
id: answers
version: {version}
variables: {{known: boolean}}
nodes:
  start: {{type: start, next: listen}}
  listen: {{type: catch, message: question, next: choose}}
  choose: {{type: exclusive, next: [{{to: tell, when: known}}, {{to: OTHER, default: true}}]}}
  tell: {{type: throw, message: answer, next: end}}
  end: {{type: end}}
"""


def group_of(version, *, fits):
    """The commands that publish two workflows that are to be sound together."""
    answers = ANSWERS.replace("OTHER", "tell" if fits else "end").format(version=version)
    asks = ASKS.format(version=version)
    return {
        "asks": PublishDefinition(asks, sound_with=[f"answers@{version}"]),
        "answers": PublishDefinition(answers, sound_with=[f"asks@{version}"]),
    }


@pytest.mark.parametrize("seed", range(10))
def test_a_group_is_decided_whole_whatever_its_order_and_whatever_strikes(seed):
    world = World(seed, [], partitions=1 + seed % 2, fault_rate=0.1)
    world.has_verifier = False
    wanted = {}
    lasting = Lasting(world)
    for minor in range(4):
        version, fits = f"1.{minor}.0", world.random.random() < 0.5
        group = group_of(version, fits=fits)
        outcome = ("definition.published", "sound") if fits else ("definition.refused", "unsound")
        left = world.random.sample(sorted(group), 2)
        sent = {}
        while any((name, version) not in decided(world) for name in group):
            if left and world.random.random() < 0.5:
                name = left.pop()
                wanted[name, version] = [outcome]
                sent[name] = world.command(name, group[name], kind="definition")
            for partition in range(world.partitions):
                world.feed(partition)
                world.step(partition)
            world.sleep(10)  # Which refusal is an old one is told by the clock.
            # One is killed after each verdict, another between the two, a third goes on.
            Killed(world).judge(world.random.choice([0, 1, 2]))
            lasting.judge(world.random.choice([0, 0, 1]))
            if sent and world.random.random() < 0.2:
                name = world.random.choice(sorted(sent))
                world.resend(sent[name], name, group[name], kind="definition")
    world.calm()
    world.settle()
    assert decided(world) == wanted, f"seed {seed}"


@pytest.mark.parametrize("seed", range(4))
def test_a_group_of_which_one_never_comes_is_refused_in_the_end_and_may_come_again(seed):
    world = World(seed, [], partitions=2, fault_rate=0.1)
    world.has_verifier = False
    group = group_of("1.0.0", fits=True)
    world.command("asks", group["asks"], kind="definition")
    court = Lasting(world)
    for _ in range(14):
        world.settle()
        court.judge(9)
        Killed(world).judge(9)
        world.sleep(1_000)
    assert decided(world) == {}
    while ("asks", "1.0.0") not in decided(world):
        world.sleep(1_000)
        court.judge(9)
        world.settle()
    world.command("answers", group["answers"], kind="definition")
    world.command("asks", group["asks"], kind="definition")
    world.settle()
    court.judge(9)
    world.settle()
    published = ("definition.published", "sound")
    assert decided(world) == {
        ("asks", "1.0.0"): [("definition.refused", "unknown"), published],
        ("answers", "1.0.0"): [published],
    }
