"""The view's rows are the engine's own fold: of every golden history, and of simulated runs."""

import json
import os
from pathlib import Path
from random import Random

import msgspec
import pytest
from sqlalchemy import event as sql_event

from projections.events import event_of
from projections.positions import Source
from projections.projection import FORM, Projection
from schemas.codec import encode
from schemas.commands import ResumeInstance, RetryIncident
from schemas.registry import BODIES, EVENT_TYPES, VERSIONS
from streams.testing.world import World
from topics.reading import Consumed

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
SEEDS = int(os.environ.get("TIDEMILL_SEEDS", "150"))
SOURCES = [(ROOT / "examples" / f"{name}.yaml").read_text() for name in ("hello", "order")]
SPREAD = (
    SOURCES[1]
    .replace("id: order", "id: spread", 1)
    .replace("definition: hello", "definition: hello\n    placement: spread")
)


OTHERS = (
    "watch.",
    "activity_type.",
    "definition.",
    "message.",
    "signal.",
    "subscription.",
    "single.",
)
FOLDED = [name for name in EVENT_TYPES if not name.startswith(OTHERS)]


@pytest.mark.parametrize("name", FOLDED)
def test_a_golden_history_gives_the_row_that_the_engine_folds(name, projection, written, held):
    version = VERSIONS.get(BODIES[name].__name__, 1)
    golden = json.loads((GOLDEN / f"{name}.v{version}.json").read_text())
    for one in golden["events"]:
        body = msgspec.convert(one["body"], BODIES[one["type"]])
        added = written.add(body, "root~1", "life", time=one["time"], actor="me")
        projection.apply([added], {})
    held({0: [encode(one.envelope, one.body) for one in written.events]})


def played(seed):
    """Return a simulated installation after a run with every kind of fault."""
    world = World(seed, [*SOURCES, SPREAD], partitions=1 + seed % 3)
    names = [f"i{number}" for number in range(world.random.randint(1, 8))]
    for name in names:
        definition = world.random.choice(["hello", "order", "spread"])
        world.run_instance(name, definition, b'{"amount":3,"who":"x"}')
    for _ in range(world.random.randint(5, 25)):
        for partition in range(world.partitions):
            world.feed(partition)
            world.step(partition)
        world.work()
        world.sleep(world.random.choice([1, 10, 2_000, 70_000]))
        if world.random.random() < 0.3:
            world.disturb(world.random.choice(names))
        for _ in range(world.random.choice([0, 0, 5])):
            world.contend(world.random.choice(["red", "blue"]), world.random.choice("abc"))
    world.calm()
    if seed % 2:  # Half of them stay in the middle of things.
        for name in names:
            world.command(name, ResumeInstance())
            world.command(name, RetryIncident(0))
    world.settle()
    return world


class CrashError(Exception):
    """The process ends here."""


class Crashes:
    """Ends a transaction at a statement that chance picks."""

    def __init__(self, engine, chance):
        self._chance, self._left = chance, -1
        sql_event.listen(engine, "before_cursor_execute", self._statement)
        sql_event.listen(engine, "commit", self._statement)

    def arm(self):
        self._left = self._chance.choice([-1, -1, 0, 1, 2, 4, 6])

    def disarm(self):
        self._left = -1

    def _statement(self, *_):
        self._left -= 1
        if self._left == -1:
            raise CrashError


def events_of(world):
    """Return the committed events by partition, as a consumer gets them."""
    return {
        partition: [
            event_of(Consumed(partition, e.offset, e.timestamp, e.key, e.value))
            for e in world.kafka.committed(world.names.events, partition)
        ]
        for partition in range(world.partitions)
    }


def feed(sql, crashes, chance, source, world):
    """Bring a world's events to the views in random chunks, through crashes."""
    log = events_of(world)
    ends = {p: world.kafka.end_offset(world.names.events, p) for p in log}
    projection, struck = Projection(sql), 0
    projection.restart(source, world.partitions)
    while any(place.next_offset < ends[p] for p, place in projection.places.items()):
        chunk = []
        for partition, place in projection.places.items():
            rest = [one for one in log[partition] if one.offset >= place.next_offset]
            chunk += rest[: chance.choice([0, 1, 3, 20, 500])]
        at_end = not any(
            one not in chunk
            for p, events in log.items()
            for one in events
            if one.offset >= projection.places[p].next_offset
        )
        crashes.arm()
        try:
            projection.apply(chunk, ends if at_end else {})
        except CrashError:
            crashes.disarm()
            struck += 1
            projection = Projection(sql)
            projection.resume(source, world.partitions)
        crashes.disarm()
    return struck


def test_simulated_runs_give_the_rows_that_the_oracle_folds(sql, projection, database, held):
    seeds = SEEDS // 5 if database.url().get_backend_name() == "sqlite" else SEEDS // 15
    crashes, struck = Crashes(sql, chance := Random(5)), 0
    for seed in range(seeds):
        world = played(seed)
        source = Source("cluster", f"events-{seed}", "id", FORM)
        struck += feed(sql, crashes, chance, source, world)
        print(f"seed {seed}")
        held(
            {
                p: [e.value for e in world.kafka.committed(world.names.events, p)]
                for p in range(world.partitions)
            }
        )
    assert struck > seeds / 2
