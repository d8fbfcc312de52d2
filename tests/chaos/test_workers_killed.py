"""Worker processes that are stopped and killed: what is finished stays so, the rest is done."""

from collections import Counter

import pytest
from confluent_kafka import Consumer, TopicPartition

from connectors.client.events import EventStream
from connectors.workers.marks import Marks
from schemas.json_text import parse
from streams.testing.audit import audit, read_partition
from streams.testing.processes import Process, until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300), pytest.mark.usefixtures("engine")]
PARTITIONS = 4
JOB = """
id: job
version: 1.0.0
variables: {{gate: {{type: string, default: ""}}}}
nodes:
  start: {{type: start, next: work}}
  work: {{type: activity, activity_type: work, input: {{gate: "${{gate}}"}}, {node} next: end}}
  end: {{type: end}}
"""
ACTIVITIES = """
import os
import time
from pathlib import Path

from connectors.workers import ActivityContext, activity

HOME = Path(os.environ["JOURNAL"])


def note(what, ctx):
    line = f"{what} {ctx.instance_id} {ctx.attempt} {ctx.idempotency_key}\\n"
    with (HOME / "journal").open("a") as out:
        out.write(line)


@activity("work")
def work(data: dict, ctx: ActivityContext) -> str:
    note("begin", ctx)
    gate = data["gate"]
    while gate and not (HOME / gate).exists():
        time.sleep(0.02)
    note("end", ctx)
    return ctx.idempotency_key
"""


class Shop:
    """Worker processes, what they wrote down, and the gate that their activities wait at."""

    def __init__(self, home, environment, client, settings, names):
        self.home, self._client, self._settings, self._names = home, client, settings, names
        self._environment = environment | {"PYTHONPATH": str(home), "JOURNAL": str(home)}
        (home / "jobs_of_test.py").write_text(ACTIVITIES)

    def worker(self, name, **settings):
        more = {f"TIDEMILL_{key.upper()}": str(value) for key, value in settings.items()}
        environment = self._environment | {"TIDEMILL_WORKER_ID": name} | more
        arguments = ["-m", "connectors.cli", "worker", "jobs_of_test"]
        return Process(arguments, environment, self.home / f"{name}.log")

    def publish(self, node=""):
        assert self._client.publish("job", JOB.format(node=node)).reply.accepted

    def start(self, *instances, gate=""):
        for name in instances:
            assert self._client.run("job", {"gate": gate}, instance_id=name).reply.accepted

    def open(self, gate):
        (self.home / gate).touch()

    def journal(self, what):
        """Return (instance, attempt, key) of every line of this kind."""
        path = self.home / "journal"
        lines = path.read_text().splitlines() if path.exists() else []
        return [tuple(line.split()[1:]) for line in lines if line.startswith(f"{what} ")]

    def completed(self):
        """Return the completed instances, each with its output."""
        stream = EventStream(self._settings, beginning=True, types=["activity.completed"])
        found = {}
        while read := list(stream.read(1.0)):
            for event in read:
                found[event.message.envelope.aggregate_id] = parse(event.message.body.output)
        stream.close()
        return found

    def uncommitted(self):
        """Return how many tasks a worker that takes over would run, by what is committed."""
        servers = self._settings.kafka_bootstrap_servers
        group = f"{self._settings.topic_prefix}workers.default"
        consumer = Consumer({"bootstrap.servers": servers, "group.id": group})
        topic, count = self._names.queue("default"), 0
        places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        for place in consumer.committed(places, timeout=30):
            marks = Marks(max(place.offset, 0), place.metadata or "")
            tasks = read_partition(servers, topic, place.partition)
            count += sum(marks.begin(task.offset) for task in tasks)
        consumer.close()
        return count


@pytest.fixture
def shop(tmp_path, environment, client, settings_of, names):
    """Workers of this test's own."""
    return Shop(tmp_path, environment, client, settings_of(), names)


def named(prefix, count):
    return [f"{prefix}-{number}" for number in range(count)]


def test_a_worker_told_to_stop_ends_what_runs_and_leaves_the_rest(shop, kafka, names, engine):
    shop.publish()
    instances = named("d", 12)
    with shop.worker("first", worker_concurrency=4) as first:
        shop.start(*instances, gate="gate")
        until(lambda: len(shop.journal("begin")) == 4, hint=first.tail)
        first._child.terminate()
        with shop.worker("second", worker_concurrency=20) as second:
            until(lambda: "work on queue" in second.tail(), hint=second.tail)
            assert first.running()
            shop.open("gate")
            assert first.wait() == 0, first.tail()
            until(lambda: len(shop.completed()) == 12, hint=second.tail)
            assert second.stop() == 0
    assert sorted(instance for instance, _, _ in shop.journal("begin")) == sorted(instances)
    assert shop.uncommitted() == 0
    assert engine.stop() == 0
    assert audit(kafka, names, PARTITIONS).faults == []


def test_after_a_kill_others_run_exactly_what_was_not_finished(shop, kafka, names, engine):
    shop.publish()
    held, quick = named("held", 4), named("quick", 60)
    with shop.worker("first", worker_concurrency=8) as first:
        shop.start(*held, gate="gate")
        until(lambda: len(shop.journal("begin")) == 4, hint=first.tail)
        shop.start(*quick)
        until(lambda: len(shop.completed()) == 60, hint=first.tail)
        # The held ones hold every watermark back: the bitmaps say what is done above.
        until(lambda: shop.uncommitted() == 4)
        first.kill()
    shop.open("gate")
    with shop.worker("second") as second:
        until(lambda: len(shop.completed()) == 64, hint=second.tail)
        assert second.stop() == 0
    begun = Counter(instance for instance, _, _ in shop.journal("begin"))
    assert begun == Counter(dict.fromkeys(quick, 1) | dict.fromkeys(held, 2))
    keys = {
        instance: {k for i, _, k in shop.journal("begin") if i == instance} for instance in held
    }
    assert all(len(found) == 1 for found in keys.values()), "a key is constant over attempts"
    assert all(shop.completed()[instance] in found for instance, found in keys.items())
    assert engine.stop() == 0
    assert audit(kafka, names, PARTITIONS).faults == []


def test_a_killed_worker_s_activity_times_out_and_is_given_out_under_the_same_key(shop):
    """Start-to-close counts from dispatch, and the engine does not wait for a rebalance."""
    shop.publish("start_to_close: 2, retry: {max_attempts: 60},")
    with shop.worker("first") as first:
        shop.start("t-1", gate="gate")
        until(lambda: shop.journal("begin"), hint=first.tail)
        first.kill()
    begun = max(int(attempt) for _, attempt, _ in shop.journal("begin"))
    with shop.worker("second") as second:
        until(lambda: any(int(number) > begun for _, number, _ in shop.journal("begin")))
        shop.open("gate")
        until(lambda: shop.completed().keys() == {"t-1"}, hint=second.tail)
    assert len({key for _, _, key in shop.journal("begin")}) == 1


@pytest.mark.parametrize("retry", ["", "retry: {max_attempts: 5},"])
def test_a_detached_activity_of_a_killed_worker_is_given_out_by_its_heartbeats_alone(shop, retry):
    shop.publish(retry)
    long = {"detach_after": 0.5, "detached_heartbeat": 3.0}
    with shop.worker("first", **long) as first:
        shop.start("l-1", gate="gate")
        until(lambda: shop.uncommitted() == 0 and shop.journal("begin"), hint=first.tail)
        first.kill()
    with shop.worker("second", **long) as second:
        until(lambda: len(shop.journal("begin")) == 2, hint=second.tail)
        shop.open("gate")
        until(lambda: shop.completed().keys() == {"l-1"}, hint=second.tail)
    attempts = [attempt for _, attempt, _ in shop.journal("begin")]
    assert attempts == ["1", "2"]
