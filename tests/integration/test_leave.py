"""An engine that is stopped leaves its partitions to others; one that is killed keeps them."""

import uuid

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from schemas.commands import RunInstance
from schemas.partition import partition_of
from streams.members import NOBODY, members
from streams.testing.processes import Process, until

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
SESSION = {
    "TIDEMILL_HEARTBEAT_INTERVAL": "0.5",
    "TIDEMILL_FAILURE_DETECTION_THRESHOLD": "240",
    "TIDEMILL_COMMUNICATION_TIMEOUT": "120",
}
"""Two minutes: whatever comes within one did not wait for the end of a session."""
WITHIN_SECONDS = 60
HELLO = """
id: hello
version: 1.0.0
nodes: {start: {type: start, next: end}, end: {type: end}}
"""


@pytest.fixture
def engines(environment, tmp_path):
    """Two engines, each with a data directory of its own."""

    def made(name):
        own = {"TIDEMILL_ENGINE_ID": name, "TIDEMILL_DATA_DIR": str(tmp_path / name)}
        return Process(["-m", "streams"], environment | own | SESSION, tmp_path / f"{name}.log")

    with made("ann") as ann, made("bob") as bob:
        yield ann, bob


@pytest.fixture
def owned(kafka, topic_prefix):
    """Return how many partitions each engine owns, by its id."""
    admin = AdminClient({"bootstrap.servers": kafka})

    def ask():
        try:
            found = members(admin, topic_prefix, "tidemill")
        except KafkaException:
            return {}  # A new Kafka makes the groups' coordinator with the first member.
        counts = {m.engine.split("-")[0]: len(m.partitions.split(", ")) for m in found}
        return counts if NOBODY not in counts else {}

    return ask


def answers(client):
    """Send a command to each of the partitions now; return those that answered."""
    futures = {}
    while len(futures) < 4:
        name = uuid.uuid4().hex
        place = partition_of(name.encode(), 4)
        if place not in futures:
            futures[place] = client.send("instance", name, RunInstance("hello"))
    return sorted(place for place, one in futures.items() if one.result(WITHIN_SECONDS).accepted)


def test_a_stopped_engine_gives_its_partitions_away_and_a_killed_one_keeps_its_place(
    engines, owned, client
):
    ann, bob = engines
    until(lambda: owned() == {"ann": 2, "bob": 2}, 60, ann.tail)
    client.publish("hello", HELLO)
    assert answers(client) == [0, 1, 2, 3]

    assert ann.stop() == 0
    assert answers(client) == [0, 1, 2, 3]
    assert owned() == {"bob": 4}

    bob.kill()
    assert owned() == {"bob": 4}
    bob.start()
    assert answers(client) == [0, 1, 2, 3]

    assert bob.stop() == 0
    assert owned() == {"bob": 4}, "nobody is there to take them: the place is kept"
    bob.start()
    assert answers(client) == [0, 1, 2, 3]
