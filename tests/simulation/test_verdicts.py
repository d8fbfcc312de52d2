"""Submission and verdict through the whole engine, with crashes, aborts and fencing."""

import pytest

from schemas.codec import decode, encode
from schemas.commands import PublishDefinition
from schemas.ids import routing_key
from streams.domain.aggregates import AGGREGATES
from streams.runtime.ports import Out
from streams.testing.oracle import Oracle
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


class Killed:
    """A verifier that is killed: it begins anew each time, knowing nothing."""

    def __init__(self, world):
        self._world = world

    def judge(self, most):
        """Send the verdict on what waits, at most so many, and be killed."""
        world, court = self._world, Court(answer, 1_000)
        for partition in range(world.partitions):
            for entry in world.kafka.committed(world.names.definitions, partition):
                court.add(partition, entry.value)
        for _ in range(most):
            task = court.next()
            if task is None:
                return
            verdict = court.judge(task)
            court.answered(task, verdict)
            envelope = verdict_envelope(task, world.now)
            value = encode(envelope, verdict)
            key = routing_key("default", envelope.aggregate_id).encode()
            world.kafka.append(Out(world.names.results, -1, key, value))


def decisions(world):
    """The decisions of each version, in their order."""
    found = {}
    for partition in range(world.partitions):
        for entry in world.kafka.committed(world.names.events, partition):
            envelope, body = decode(entry.value)
            if envelope.type in {"definition.published", "definition.refused"}:
                found.setdefault(body.version, []).append((envelope.type, body.verdict))
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
    for partition in range(world.partitions):
        oracle = Oracle(partition, AGGREGATES)
        for entry in world.kafka.committed(world.names.events, partition):
            oracle.see(entry.value)
        oracle.compare(world.stores[partition].states())
        assert oracle.faults == [], f"seed {seed}"


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
