"""A load of whole workflows, and what must hold of the log when it is over."""

import os
import random
import secrets
import threading
import time

import pytest

from connectors.client.client import Client
from schemas.commands import RunInstance
from schemas.json_text import canonical
from streams.testing.audit import audit
from streams.testing.processes import Process, until
from streams.testing.verifying import verifying
from topics.apply import admin_of, apply
from topics.catalogue import Catalogue
from topics.embedded import EmbeddedKafka
from topics.names import Names
from topics.settings import KafkaSettings

PARTITIONS = 4
CHILD = """
id: child
version: 1.0.0
nodes:
  start: {type: start, next: a}
  a: {type: activity, activity_type: echo, next: end}
  end: {type: end}
"""
STORM = """
id: storm
version: 1.0.0
variables: {n: {type: integer, default: 0}, round: {type: integer, default: 0}}
nodes:
  start: {type: start, next: fork}
  fork: {type: parallel, next: [left, right]}
  left: {type: activity, activity_type: echo, input: {n: "${n}"}, result_path: left, next: join}
  right:
    type: activity
    activity_type: fails_once
    input: {n: "${n}"}
    retry: {immediate: 5}
    result_path: right
    next: join
  join: {type: parallel, next: pause}
  pause: {type: timer, duration: PT0.1S, next: near}
  near: {type: call, definition: child, next: far}
  far:
    type: call
    definition: child
    placement: spread
    output: {round: "${workflow.round + 1}"}
    next: again
  again:
    type: exclusive
    next:
      - {to: pause, when: "${workflow.round < 2}"}
      - {to: end, default: true}
  end: {type: end}
"""
ACTIVITIES = """
from connectors.workers import ActivityContext, activity


@activity("echo")
async def echo(data):
    return data


@activity("fails_once")
def fails_once(data, ctx: ActivityContext):
    if ctx.attempt == 1:
        raise RuntimeError("the first attempt fails")
    return data
"""
INSTANCES_OF_STORM = 5
"""The instance itself, and in each of two rounds a child near by and one on its own key."""


class Storm:
    """Workflows that split, fail, wait, loop and call each other, started at a rate."""

    def __init__(self, settings, names):
        self.settings = settings
        self.names = names
        self.client = Client(settings, window=20_000)
        self.futures = {}
        self._number = 0
        self._stop = threading.Event()
        self._thread = None
        with verifying(settings):
            for source in ("child", CHILD), ("storm", STORM):
                assert self.client.publish(*source).reply.accepted

    def begin(self, per_second):
        """Start instances in the background until `calm`."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, args=(per_second,), daemon=True)
        self._thread.start()

    def _run(self, per_second):
        due = time.monotonic()
        while not self._stop.is_set():
            self._number += 1
            name = f"storm-{self._number}"
            body = RunInstance("storm", "", canonical({"n": self._number}))
            self.futures[name] = self.client.send("instance", name, body)
            due += 1 / per_second
            self._stop.wait(max(0.0, due - time.monotonic()))

    def calm(self):
        """Start no more; every command has an answer, and every instance comes to its end."""
        self._stop.set()
        self._thread.join()
        replies = [future.result(120) for future in self.futures.values()]
        assert all(reply.accepted for reply in replies)
        return self

    def audited(self, seconds=180):
        """Wait until everything has ended; return the audit, and hold what must be true."""
        servers = self.settings.kafka_bootstrap_servers
        until(
            lambda: not audit(servers, self.names, PARTITIONS).unfinished,
            seconds,
            lambda: str(audit(servers, self.names, PARTITIONS).unfinished[:20]),
        )
        found = audit(servers, self.names, PARTITIONS)
        assert found.faults == []
        states = [
            (key, state)
            for oracle in found.oracles
            for key, state in oracle.states().items()
            if key.startswith(b"instance/")
        ]
        assert len(states) == INSTANCES_OF_STORM * len(self.futures)
        assert {state.status for _, state in states} == {"Completed"}
        for key, state in states:
            number = key.rpartition(b"/storm-")[2]
            if number.isdigit():
                assert state.variables["round"] == b"2"
                assert state.variables["right"] == canonical({"n": int(number)})
        return found

    def close(self):
        self._stop.set()
        self.client.close()


@pytest.fixture
def chance():
    """Where the moments come from; the seed of a failure is in its output."""
    seed = int(os.environ.get("TIDEMILL_CHAOS_SEED") or secrets.randbelow(1_000_000))
    print(f"TIDEMILL_CHAOS_SEED={seed}")
    return random.Random(seed)


@pytest.fixture(scope="module")
def own_kafka(tmp_path_factory):
    """A Kafka of this module's own, to kill."""
    kafka = EmbeddedKafka(tmp_path_factory.mktemp("own-kafka"), die_with_parent=True)
    kafka.start()
    yield kafka
    kafka.kill()


class Place:
    """One set of topics and the processes on it; all killed at the end."""

    def __init__(self, bootstrap, prefix, folder):
        apply(admin_of(bootstrap), Catalogue(prefix, partitions=PARTITIONS, activity_partitions=4))
        self.names = Names(prefix, lambda _queue: 4)
        self.settings = KafkaSettings(
            kafka_bootstrap_servers=bootstrap, topic_prefix=prefix, data_dir=folder
        )
        self.folder = folder
        self.processes = []
        (folder / "storm_activities.py").write_text(ACTIVITIES)

    def process(self, name, *words, **more):
        """Start a process with a data directory and an engine id of its own."""
        environment = {
            "KAFKA_BOOTSTRAP_SERVERS": self.settings.kafka_bootstrap_servers,
            "TIDEMILL_TOPIC_PREFIX": self.settings.topic_prefix,
            "TIDEMILL_DATA_DIR": str(self.folder / name),
            "TIDEMILL_ENGINE_ID": name,
            "TIDEMILL_HEARTBEAT_INTERVAL": "1.2",
            "TIDEMILL_WORKER_SESSION_TIMEOUT": "6",
            "PYTHONPATH": str(self.folder),
        } | more
        made = Process(list(words), environment, self.folder / f"{name}.log")
        made.start()
        self.processes.append(made)
        return made

    def engine(self, name="engine", **more):
        """Start an engine."""
        return self.process(name, "-m", "streams", **more)

    def worker(self, name="worker"):
        """Start a worker with the storm's activities."""
        return self.process(name, "-m", "connectors.cli", "worker", "storm_activities")

    def close(self):
        for one in self.processes:
            if one.running():
                one.kill()


@pytest.fixture
def place(own_kafka, topic_prefix, tmp_path):
    """Topics of this test's own on the Kafka that may be killed."""
    if own_kafka.running() is None:
        own_kafka.restart()
    made = Place(own_kafka.bootstrap, topic_prefix, tmp_path)
    yield made
    made.close()


@pytest.fixture
def storm(place):
    """The load; needs an engine and a worker."""
    place.engine()
    place.worker()
    made = Storm(place.settings, place.names)
    yield made
    made.close()
