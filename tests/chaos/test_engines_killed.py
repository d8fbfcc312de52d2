"""Engines and brokers that end at random moments under load: one effect for each command."""

import os
import time

import pytest
from confluent_kafka.admin import AdminClient
from sqlalchemy import select

from projections.settings import ProjectionSettings
from projections.store import open_engine
from projections.tables import instances
from schemas.ids import store_key
from streams.testing.processes import until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]
KILLS = int(os.environ.get("TIDEMILL_CHAOS_KILLS", "20"))
KILLING_SECONDS = 600


def named(place, name):
    return next(one for one in place.processes if one._log.stem == name)


def test_an_engine_killed_twenty_times_loses_nothing_and_repeats_nothing(storm, place, chance):
    projector = place.process("projector", "-m", "connectors.cli", "project")
    engine = named(place, "engine")
    storm.begin(per_second=15)
    end = time.monotonic() + KILLING_SECONDS
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.5, 6.0))
        engine.kill()
        engine.start()
        if time.monotonic() > end:
            break
    found = storm.calm().audited()
    assert engine.stop() == 0
    assert storm.audited().events == found.events, "an idle engine writes no event"
    until(lambda: rows_of(place) == expected(found), 60, projector.tail)


def rows_of(place):
    """The read model's instances: store key → state, sequence, definition."""
    settings = ProjectionSettings(data_dir=place.folder / "projector")
    with open_engine(settings).connect() as connection:
        rows = connection.execute(select(instances)).mappings().all()
    return {
        store_key("instance", row["tenant"], row["id"]): (
            row["state"],
            row["sequence"],
            row["definition_id"],
        )
        for row in rows
    }


def expected(found):
    """The same of the fold of the events."""
    return {
        key: (state.status, state.sequence, state.definition_id)
        for oracle in found.oracles
        for key, state in oracle.states().items()
        if key.startswith(b"instance/")
    }


def test_two_engines_hand_partitions_over_under_load(storm, place, chance):
    second = place.engine("second")
    storm.begin(per_second=15)
    first = named(place, "engine")
    for _ in range(3):
        time.sleep(chance.uniform(2, 6))
        second.kill()
        time.sleep(chance.uniform(1, 8))
        second.start()
        time.sleep(chance.uniform(2, 6))
        assert first.stop() == 0
        time.sleep(chance.uniform(1, 6))
        first.start()
    storm.calm().audited()
    until(lambda: owners(place) == [2, 2], 60, second.tail)


def owners(place):
    """How many partitions each engine owns."""
    admin = AdminClient({"bootstrap.servers": place.settings.kafka_bootstrap_servers})
    group = f"{place.settings.topic_prefix}tidemill"
    members = admin.describe_consumer_groups([group])[group].result().members
    return sorted(
        len({tp.partition for tp in member.assignment.topic_partitions}) for member in members
    )


def test_a_broker_killed_under_load_loses_nothing(storm, place, own_kafka, chance):
    storm.begin(per_second=15)
    for _ in range(3):
        time.sleep(chance.uniform(3, 6))
        own_kafka.kill()
        time.sleep(chance.uniform(0.5, 8))
        own_kafka.restart()
    time.sleep(3)
    storm.calm().audited(300)
    assert all(one.running() for one in place.processes), "no process ends for want of a broker"


def test_workers_killed_under_load_lose_nothing(storm, place, chance):
    place.worker("other")
    storm.begin(per_second=15)
    for _ in range(5):
        time.sleep(chance.uniform(1, 4))
        victim = named(place, chance.choice(["worker", "other"]))
        victim.kill()
        victim.start()
    storm.calm().audited(300)
