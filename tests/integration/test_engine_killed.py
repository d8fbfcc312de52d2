"""kill -9 of the engine under load: every command has exactly one effect."""

import random
import time

import pytest

from connectors.workers.declare import activity_of
from connectors.workers.settings import WorkerSettings
from connectors.workers.worker import Worker
from schemas.commands import RunInstance
from schemas.json_text import canonical
from streams.testing.audit import audit

HELLO = """
id: hello
version: 1.0.0
variables: {who: {type: string, default: world}}
nodes:
  start: {type: start, next: greet}
  greet: {type: activity, activity_type: greet, input: {who: "${who}"}, next: end}
  end: {type: end}
"""


@pytest.fixture
def worker(settings_of):
    """A worker of this process."""
    made = Worker(
        settings_of(WorkerSettings, worker_drain=3.0), [activity_of(lambda data: data, "greet")]
    )
    made.start()
    yield made
    made.stop()


def under_load(client, engine, *, kills, instances, seed):
    """Start instances while the engine is killed and restarted; return the replies."""
    chance = random.Random(seed)
    print(f"seed {seed}")
    futures = []
    per_kill = instances // (kills + 1)
    for round_number in range(kills + 1):
        for number in range(per_kill):
            name = f"k-{round_number}-{number}"
            body = RunInstance("hello", "", canonical({"who": name}))
            futures.append(client.send("instance", name, body))
            if number % 20 == 0:
                time.sleep(0.01)
        if round_number < kills:
            time.sleep(chance.uniform(0.0, 0.6))
            engine.kill()
            engine.start()
    return [future.result(90) for future in futures]


def test_an_engine_killed_under_load_loses_nothing_and_repeats_nothing(
    engine, client, worker, kafka, names
):
    client.publish("hello", HELLO)
    replies = under_load(client, engine, kills=3, instances=1_200, seed=20)
    assert all(reply.accepted for reply in replies)
    deadline = time.monotonic() + 60
    found = audit(kafka, names, 4)
    while found.unfinished and time.monotonic() < deadline:
        time.sleep(1)
        found = audit(kafka, names, 4)
    assert engine.stop() == 0
    found = audit(kafka, names, 4)
    assert (found.faults, found.unfinished) == ([], [])
    # Four events for each instance, two of the definition, one of the activity type.
    assert found.events == 4 * len(replies) + 3
