"""The projector as a process, on a real Kafka: killed, fed poison, on the wrong log, twice."""

import json
import os
import random
import subprocess
import sys
import threading
import time

import pytest
from confluent_kafka import Producer, TopicPartition
from sqlalchemy import select

from projections import tables
from projections.errors import ViewsNotReadyError
from projections.positions import token
from projections.reader import Reader
from projections.settings import ProjectionSettings
from projections.store import reading
from streams.testing.audit import read_partition
from streams.testing.event_writer import EventWriter
from streams.testing.processes import Process, until
from topics.apply import admin_of, apply
from topics.catalogue import Catalogue

PARTITIONS = 4
pytestmark = pytest.mark.kafka


@pytest.fixture
def project_environment(environment, database_url):
    """What a projector of this test needs to know."""
    return {**environment, "TIDEMILL_DATABASE_URL": database_url}


@pytest.fixture
def projector(project_environment, tmp_path):
    """A projector process, not started."""
    made = Process(
        ["-m", "connectors.cli", "project"], project_environment, tmp_path / "project.log"
    )
    yield made
    if made.running():
        made.kill()


@pytest.fixture
def tidemill(project_environment):
    """Run a command; return exit code, standard output and error output."""

    def run(*words, **more):
        done = subprocess.run(
            [sys.executable, "-m", "connectors.cli", *words],
            env=os.environ | project_environment | more,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    return run


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


HELLO = """
id: hello
version: 1.0.0
variables: {who: {type: string, default: world}}
nodes:
  start: {type: start, next: nap}
  nap: {type: timer, duration: PT1H, next: end}
  end: {type: end}
"""


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_a_command_did_is_read_back_at_its_position(
    engine, client, projector, tidemill, tmp_path
):
    projector.start()
    client.publish("hello", HELLO)
    start = ("instance", "start", "hello", "--id", "mine", "--actor", "ann", "--json")
    code, out, errors = tidemill(*start)
    assert code == 0, errors
    position = json.loads(out)["position"]
    code, out, errors = tidemill("instance", "show", "mine", "--after", position, "--json")
    assert code == 0, errors
    shown = json.loads(out)
    assert shown["position"] == position
    one = shown["instance"]
    assert (one["state"], one["current_nodes"], one["created_by"]) == ("Running", ["nap"], "ann")
    assert one["variables"] == {"who": "world"}
    partition, number = position.split(":")
    later = f"{partition}:{int(number) + 1}"
    code, _, errors = tidemill("instance", "show", "mine", "--after", later, "--timeout", "0.3")
    assert code == 6
    assert f"it reflects {position}" in errors
    code, _, errors = tidemill("instance", "show", "other")
    assert (code, "no instance other at position" in errors) == (5, True)
    code, out, _ = tidemill("instance", "terminate", "mine", "--reason", "now", "--json")
    position = json.loads(out)["position"]
    wait = ("--after", position, "--json")
    code, out, _ = tidemill("instance", "history", "mine", *wait)
    events = json.loads(out)["events"]
    assert [one["type"] for one in events][::2] == ["workflow.started", "workflow.terminated"]
    assert events[0]["data"]["variables"] == {"who": "world"}
    code, out, _ = tidemill("instance", "list", "--state", "terminated", *wait)
    assert [one["id"] for one in json.loads(out)["instances"]] == ["mine"]
    code, out, _ = tidemill("definition", "versions", "hello", *wait)
    (one,) = json.loads(out)["versions"]
    assert (code, one["version"], one["state"]) == (0, "1.0.0", "published")
    assert "published" in tidemill("definition", "versions")[1]
    assert tidemill("definition", "versions", "other")[0] == 5
    for words, told in (
        (("show", "mine"), "now"),
        (("list",), "mine"),
        (("history", "mine"), "nap"),
    ):
        code, out, errors = tidemill("instance", *words)
        assert (code, told in out) == (0, True), out + errors
    assert tidemill("instance", "list", "--state", "odd")[0] == 2
    assert tidemill("instance", "show", "mine", "--after", "x")[0] == 2


def test_without_views_a_question_says_who_makes_them(tidemill, tmp_path):
    missing = {"TIDEMILL_DATABASE_URL": f"sqlite:///{tmp_path}/none.db"}
    code, _, errors = tidemill("instance", "list", **missing)
    assert (code, "run `tidemill project`" in errors) == (3, True)
    assert not (tmp_path / "none.db").exists()
    code, _, errors = tidemill("instance", "list", TIDEMILL_DATABASE_URL="oracle://x")
    assert (code, "postgresql://USER@HOST/DATABASE" in errors) == (2, True)


def test_a_plain_postgresql_address_is_taken_and_others_are_refused(tmp_path):
    url = ProjectionSettings(database_url="postgresql://u:p%40w@h/d").url()
    assert url.drivername == "postgresql+psycopg"
    assert url.password == "p@w"
    default = ProjectionSettings(data_dir=tmp_path, database_url="").url()
    assert (default.drivername, default.database) == ("sqlite", str(tmp_path / "tidemill.db"))
    for bad in ("sqlite://", "sqlite:///:memory:", "mysql://h/d", "nonsense"):
        with pytest.raises(ValueError, match="sqlite:///FILE"):
            ProjectionSettings(database_url=bad)
    assert token({}) == ""
