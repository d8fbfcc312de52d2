"""Seeds through the whole engine on a simulated log: crash, abort, fence, duplicate."""

import os
from pathlib import Path

import pytest

from schemas.commands import ResumeInstance, RetryIncident, RunInstance
from streams.testing.committed import oracles_of
from streams.testing.world import World

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SOURCES = [(EXAMPLES / f"{name}.yaml").read_text() for name in ("hello", "order")]
SPREAD = (
    SOURCES[1]
    .replace("id: order", "id: spread", 1)
    .replace("definition: hello", "definition: hello\n    placement: spread")
)
SEEDS = int(os.environ.get("TIDEMILL_SEEDS", "150"))


def play(world, *, disturb):
    started = []
    for number in range(world.random.randint(1, 12)):
        name = f"i{number}"
        definition = world.random.choice(["hello", "order", "spread"])
        command = world.run_instance(name, definition, b'{"amount":3,"who":"x"}')
        started.append((name, command, definition))
    for _ in range(world.random.randint(5, 40)):
        for partition in range(world.partitions):
            if world.random.random() < 0.8:
                world.feed(partition)
                world.step(partition)
        world.work()
        world.sleep(world.random.choice([1, 10, 2_000, 70_000]))
        if disturb and world.random.random() < 0.3:
            world.disturb(world.random.choice(started)[0])
        if world.random.random() < 0.3:
            name, command, definition = world.random.choice(started)
            world.resend(command, name, RunInstance(definition, "", b'{"amount":3,"who":"x"}'))
        if world.random.random() < 0.05:
            world.restart(world.random.randrange(world.partitions))
    return started


def finish(world, started):
    world.calm()
    for _ in range(60):
        world.settle()
        world.work(failures=0.0)
        world.sleep(61_000)
        world.settle()
        oracles = oracles_of(world)
        if not any(oracle.unfinished() for oracle in oracles) and not world.tasks:
            return oracles
        for name, _, _ in started:
            world.command(name, ResumeInstance())
            world.command(name, RetryIncident(0))
    return oracles_of(world)


@pytest.mark.parametrize("disturb", [False, True])
@pytest.mark.parametrize("block", range(5))
def test_every_command_has_one_effect_whatever_strikes(block, disturb):
    for seed in range(block * SEEDS // 5, (block + 1) * SEEDS // 5):
        world = World(seed, [*SOURCES, SPREAD], partitions=1 + seed % 3)
        started = play(world, disturb=disturb)
        oracles = finish(world, started)
        faults = [fault for oracle in oracles for fault in oracle.faults]
        assert faults == [], f"seed {seed}"
        left = [key for oracle in oracles for key in oracle.unfinished()]
        assert left == [], f"seed {seed}"
        folded = {key for oracle in oracles for key in oracle.states()}
        assert world.replies() == world.sent, f"seed {seed}: one reply for each record"
        for name, _, _ in started:
            assert f"instance/default/{name}".encode() in folded, f"seed {seed}: {name} was lost"
