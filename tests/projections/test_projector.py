"""The projector as a process, on a real Kafka: killed, fed poison, on the wrong log, twice."""

import json
import os
import random
import threading
import time

import pytest
from confluent_kafka import Producer, TopicPartition
from sqlalchemy import select

from projections import tables
from projections.errors import ViewsNotReadyError
from projections.reader import Reader
from projections.store import reading
from streams.testing.audit import read_partition
from streams.testing.event_writer import EventWriter
from streams.testing.processes import Process, until
from topics.apply import admin_of, apply
from topics.catalogue import Catalogue

PARTITIONS = 4
pytestmark = pytest.mark.kafka


@pytest.fixture
def writer(kafka, names):
    """A writer of events on this test's topics."""
    with EventWriter(kafka, names, PARTITIONS) as made:
        yield made


@pytest.fixture
def log_values(kafka, names):
    """Read every committed event's bytes, by partition."""

    def values():
        return {
            partition: [r.value for r in read_partition(kafka, names.events, partition)]
            for partition in range(PARTITIONS)
        }

    return values


@pytest.fixture
def caught_up(database, writer, projector):
    """Wait until the views have everything that was written."""

    def wait():
        wanted = ",".join(f"{p}:{number}" for p, number in writer.numbers.items())
        deadline = time.monotonic() + 60
        until(lambda: reached(database), hint=projector.tail)
        with Reader(database) as reader:
            reader.wait(wanted, deadline - time.monotonic())

    return wait


def reached(database):
    """Tell whether there are views to ask."""
    try:
        with Reader(database) as reader:
            return bool(reader.status())
    except ViewsNotReadyError:
        return False


def written(writer, count, activities=1):
    """Write whole instances, in transactions of a few dozen events."""
    for number in range(count):
        writer.begin(f"i{number}", activities)
    while names := writer.open():
        for start in range(0, len(names), 40):
            writer.write(names[start : start + 40])


def dump(sql):
    """Return every row of every view and the positions."""
    rows = {}
    with reading(sql) as connection:
        for table in (tables.instances, tables.history, tables.definitions, tables.positions):
            order = table.primary_key.columns
            rows[table.name] = connection.execute(select(table).order_by(*order)).all()
    return rows


def test_the_views_follow_a_topic_to_its_end(
    projector, writer, caught_up, log_values, held, tidemill
):
    projector.start()
    written(writer, 60)
    caught_up()
    held(log_values())

    def idle():
        code, out, _ = tidemill("projection", "lag", "--json")
        assert code == 0
        found = json.loads(out)
        assert [one["behind"] for one in found] == [0] * PARTITIONS
        assert {one["partition"]: one["log_position"] for one in found} == writer.numbers
        return all(one["offset"] == one["log_end"] for one in found)

    until(idle)
    assert projector.stop() == 0
    writer.begin("late", 3)
    writer.write(["late"] * 5, abort=True)
    writer.write(["late"] * 5)
    code, out, _ = tidemill("projection", "lag", "--json")
    assert (code, sum(one["behind"] for one in json.loads(out))) == (0, 5)


@pytest.mark.chaos
def test_a_projector_killed_under_load_is_exact(projector, writer, caught_up, log_values, held):
    chance = random.Random(11)
    load_ends = threading.Event()

    def load():
        fresh = 0
        while not load_ends.is_set() or writer.open():
            if not load_ends.is_set():
                for _ in range(10):
                    writer.begin(f"i{fresh}", chance.choice([1, 1, 1, 5]))
                    fresh += 1
            names = chance.choices(writer.open(), k=min(60, 3 * len(writer.open())))
            writer.write(names, abort=chance.random() < 0.1)

    thread = threading.Thread(target=load)
    thread.start()
    for _ in range(6):
        projector.start()
        time.sleep(chance.uniform(0.8, 3.0))
        projector.kill()
    load_ends.set()
    thread.join()
    projector.start()
    caught_up()
    held(log_values())
    assert projector.stop() == 0


@pytest.mark.chaos
def test_a_rebuild_gives_the_same_rows_also_after_it_was_killed(
    projector, writer, caught_up, sql, tidemill, project_environment, tmp_path
):
    projector.start()
    written(writer, 150, activities=2)
    caught_up()
    assert projector.stop() == 0
    before = dump(sql)
    assert len(before["instances"]) == 150
    command = ["-m", "connectors.cli", "projection", "rebuild"]
    rebuild = Process(command, project_environment | {"TIDEMILL_CHUNK_EVENTS": "1"}, tmp_path / "r")
    rebuild.start()
    until(lambda: 0 < len(dump(sql)["history"]) < len(before["history"]), hint=rebuild.tail)
    rebuild.kill()
    projector.start()
    caught_up()
    assert projector.stop() == 0
    code, out, _ = tidemill("projection", "rebuild", "--json")
    assert (code, json.loads(out)["projection"]) == (0, "workflow")
    after = dump(sql)
    for name in ("instances", "history", "definitions"):
        assert after[name] == before[name], name
    code, out, _ = tidemill("projection", "list", "--json")
    (one,) = json.loads(out)
    assert (code, one["position"]) == (0, token_of(writer))


def token_of(writer):
    return ",".join(f"{p}:{writer.numbers.get(p, 0)}" for p in range(PARTITIONS))


@pytest.mark.slow
def test_another_topic_is_refused_until_a_rebuild(
    projector, writer, caught_up, kafka, names, topic_prefix, tidemill
):
    projector.start()
    written(writer, 5)
    caught_up()
    assert projector.stop() == 0
    admin = admin_of(kafka)
    admin.delete_topics([names.events])[names.events].result()
    until(lambda: names.events not in admin.list_topics(timeout=10).topics)
    apply(admin, Catalogue(topic_prefix, partitions=PARTITIONS, activity_partitions=4))
    code, _, errors = tidemill("project")
    assert code == 1
    assert "the views were built from topic" in errors
    assert "tidemill projection rebuild" in errors
    assert tidemill("instance", "show", "i0")[0] == 0
    assert tidemill("projection", "rebuild")[0] == 0
    assert tidemill("instance", "show", "i0")[0] == 5


@pytest.mark.slow
def test_events_that_are_gone_from_kafka_stop_the_view_and_are_not_thrown_away(
    projector, writer, caught_up, kafka, names, tidemill
):
    projector.start()
    written(writer, 20)
    caught_up()
    assert projector.stop() == 0
    written(writer, 40)
    gone = [TopicPartition(names.events, p, -1) for p in range(PARTITIONS)]
    admin = admin_of(kafka)  # Kept: its futures end with it.
    for future in admin.delete_records(gone).values():
        future.result(30)
    code, _, errors = tidemill("project")
    assert code == 1
    assert "the events between are gone from Kafka" in errors
    code, _, errors = tidemill("projection", "rebuild")
    assert code == 1
    assert "Nothing was changed" in errors
    code, out, _ = tidemill("instance", "list", "--json")
    assert (code, len(json.loads(out)["instances"])) == (0, 20)


@pytest.mark.slow
def test_a_poison_event_stops_the_view_with_its_place(
    projector, writer, caught_up, kafka, names, tidemill
):
    written(writer, 5)
    ends = {p: len(read_partition(kafka, names.events, p)) for p in range(PARTITIONS)}
    partition = max(ends, key=ends.get)
    producer = Producer({"bootstrap.servers": kafka})
    producer.produce(names.events, b"not an event", b"k", partition=partition)
    producer.flush()
    code, _, errors = tidemill("project")
    assert code == 1
    assert f"the views stop before partition {partition}, offset " in errors
    assert "not an Avro single-object encoded message" in errors
    with_all = ",".join(f"{p}:{number}" for p, number in writer.numbers.items())
    code, out, _ = tidemill("instance", "list", "--after", with_all, "--json")
    assert (code, len(json.loads(out)["instances"])) == (0, 5)
    code, out, _ = tidemill("projection", "lag", "--json")
    assert (code, sum(one["behind"] for one in json.loads(out))) == (0, 1)


@pytest.mark.slow
def test_of_two_projectors_of_one_database_one_goes_on(
    projector, writer, project_environment, tmp_path, caught_up, log_values, held
):
    command = ["-m", "connectors.cli", "project"]
    other = Process(command, project_environment, tmp_path / "other.log")
    projector.start()
    with other:
        for number in range(2_000):
            writer.begin(f"i{number}")
            writer.write([f"i{number}"] * 4)
            if not (projector.running() and other.running()):
                break
        loser, winner = (other, projector) if projector.running() else (projector, other)
        assert loser.wait() == 1
        assert "another projector writes to this database" in loser.tail()
        caught_up()
        assert winner.stop() == 0
    held(log_values())


@pytest.mark.slow
def test_a_projector_waits_for_kafka_and_stops_when_asked(projector, project_environment, tmp_path):
    nowhere = project_environment | {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    command = ["-m", "connectors.cli", "project"]
    waiting = Process(command, nowhere, tmp_path / "waiting.log")
    with waiting:
        until(lambda: "waiting to go on" in waiting.tail(), hint=waiting.tail)
        assert waiting.running()
        assert waiting.stop() == 0


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_projector_waits_for_its_database(
    projector, writer, caught_up, log_values, held, postgres
):
    if os.environ.get("TIDEMILL_TEST_DATABASE_URL"):
        pytest.skip("TIDEMILL_TEST_DATABASE_URL is a server that is not ours to stop")
    projector.start()
    written(writer, 10)
    caught_up()
    postgres.stop()
    written(writer, 20)
    until(lambda: "waiting to go on" in projector.tail(), hint=projector.tail)
    assert projector.running()
    postgres.start()
    caught_up()
    assert projector.stop() == 0
    held(log_values())
