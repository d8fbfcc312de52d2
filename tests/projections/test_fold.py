"""The view's rows are the engine's own fold: of every golden history, and of simulated runs."""

import json
import os
from pathlib import Path
from random import Random

import msgspec
import pytest
from sqlalchemy import event as sql_event
from sqlalchemy import func, select

from projections.events import event_of
from projections.instances import find
from projections.positions import Source, places_of
from projections.projection import FORM, NAME, Projection
from projections.store import reading
from projections.tables import history
from schemas.commands import ResumeInstance, RetryIncident
from schemas.registry import BODIES, EVENT_TYPES, VERSIONS
from streams.app import AGGREGATES
from streams.domain.protocol import EventPlace
from streams.testing.oracle import Oracle
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


def shown(row):
    """Return what a row and the engine's state have in common, of a row."""
    return {
        "status": row.state,
        "sequence": row.sequence,
        "incarnation": row.incarnation,
        "definition_id": row.definition_id,
        "definition_version": row.definition_version,
        "variables": {name: bytes(value) for name, value in row.variables.items()},
        "tokens": row.tokens,
        "incidents": {k: (i.code, i.message, i.node, i.token) for k, i in row.incidents.items()},
        "path": row.execution_path,
        "errors": row.error_stack,
        "created_at": row.created_at,
        "created_by": row.created_by,
        "ended_at": row.ended_at or 0,
        "parent": (row.parent_id, row.parent_incarnation, row.parent_call),
        "reason": row.reason,
        "metadata": bytes(row.metadata),
    }


def folded(state):
    """Return the same of the engine's state."""
    return {
        "status": state.status,
        "sequence": state.sequence,
        "incarnation": state.incarnation,
        "definition_id": state.definition_id,
        "definition_version": state.definition_version,
        "variables": state.variables,
        "tokens": state.tokens,
        "incidents": {k: (i.code, i.message, i.node, i.token) for k, i in state.incidents.items()},
        "path": state.path,
        "errors": state.errors,
        "created_at": state.created_at,
        "created_by": state.created_by,
        "ended_at": state.ended_at,
        "parent": (state.parent.id, state.parent.incarnation, state.parent.call),
        "reason": state.reason,
        "metadata": state.metadata,
    }


INSTANCE_TYPES = [name for name in EVENT_TYPES if not name.startswith("definition.")]


@pytest.mark.parametrize("name", INSTANCE_TYPES)
def test_a_golden_history_gives_the_row_that_the_engine_folds(name, projection, written, sql):
    version = VERSIONS.get(BODIES[name].__name__, 1)
    golden = json.loads((GOLDEN / f"{name}.v{version}.json").read_text())
    state = None
    for number, one in enumerate(golden["events"], 1):
        body = msgspec.convert(one["body"], BODIES[one["type"]])
        added = written.add(body, "root~1", "life", time=one["time"], actor="me")
        place = EventPlace("root~1", "default", "life", number, one["time"], "me")
        state = AGGREGATES["instance"].evolve(state, body, place)
        projection.apply([added], {})
    with reading(sql) as connection:
        assert shown(find(connection, "root~1")) == folded(state)


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


def test_simulated_runs_give_the_rows_that_the_oracle_folds(sql, projection, database):
    seeds = SEEDS // 5 if database.url().get_backend_name() == "sqlite" else SEEDS // 15
    crashes, struck = Crashes(sql, chance := Random(5)), 0
    for seed in range(seeds):
        world = played(seed)
        source = Source("cluster", f"events-{seed}", "id", FORM)
        struck += feed(sql, crashes, chance, source, world)
        compare(sql, world, seed)
    assert struck > seeds / 2


def compare(sql, world, seed):
    """Hold every row, every position and the history against the log."""
    with reading(sql) as connection:
        seen = 0
        for partition, place in places_of(connection, NAME).items():
            oracle = Oracle(partition, AGGREGATES)
            for entry in world.kafka.committed(world.names.events, partition):
                oracle.see(entry.value)
            assert place.number == oracle.events, f"seed {seed}"
            seen += oracle.events
            for key, state in oracle.states().items():
                kind, tenant, name = key.decode().split("/", 2)
                if kind == "instance":
                    row = find(connection, name, tenant)
                    assert row is not None, f"seed {seed}: {name}"
                    assert shown(row) == folded(state), f"seed {seed}: {name}"
        assert connection.execute(select(func.count()).select_from(history)).scalar() == seen
