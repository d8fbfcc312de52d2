"""Fixtures for everything that needs the real thing."""

import os
import uuid
from pathlib import Path

import pytest

from connectors.client.client import Client
from streams.testing.processes import Process
from streams.testing.verifying import verifying
from topics.apply import admin_of, apply
from topics.catalogue import Catalogue
from topics.embedded import EmbeddedKafka
from topics.names import Names
from topics.settings import KafkaSettings


@pytest.fixture(scope="session")
def kafka(tmp_path_factory):
    """Address of a real Kafka: the environment's, testcontainers', or the embedded one."""
    given = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    if given:
        yield given
        return
    if os.environ.get("TIDEMILL_TEST_BROKER") == "docker":
        from testcontainers.kafka import KafkaContainer

        with KafkaContainer("apache/kafka:4.1.0").with_kraft() as container:
            yield container.get_bootstrap_server()
        return
    broker = EmbeddedKafka(tmp_path_factory.mktemp("kafka"), die_with_parent=True)
    yield broker.start()
    broker.kill()


@pytest.fixture
def topic_prefix():
    """A prefix of this test's own."""
    return f"t{uuid.uuid4().hex[:10]}."


@pytest.fixture
def names(kafka, topic_prefix):
    """The topics of this test, created."""
    apply(admin_of(kafka), Catalogue(topic_prefix, partitions=4, activity_partitions=4))
    return Names(topic_prefix, lambda _queue: 4)


@pytest.fixture(scope="session")
def shared_dir():
    """The folder of test data that is not part of the project."""
    root = Path(__file__).resolve().parent.parent
    folder = Path(os.environ.get("TIDEMILL_SHARED", root.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}: set TIDEMILL_SHARED")
    return folder


@pytest.fixture
def settings_of(kafka, topic_prefix, names, tmp_path):
    """Settings of any kind for this test's topics, with short time-outs."""

    def make(kind=KafkaSettings, **more):
        return kind(
            kafka_bootstrap_servers=kafka, topic_prefix=topic_prefix, data_dir=tmp_path, **more
        )

    return make


@pytest.fixture
def environment(kafka, topic_prefix, names, tmp_path):
    """The same for processes."""
    return {
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "TIDEMILL_TOPIC_PREFIX": topic_prefix,
        "TIDEMILL_DATA_DIR": str(tmp_path),
        "TIDEMILL_HEARTBEAT_INTERVAL": "1.2",
        "TIDEMILL_WORKER_SESSION_TIMEOUT": "6",
    }


@pytest.fixture
def engine(environment, tmp_path):
    """An engine process."""
    with Process(["-m", "streams"], environment, tmp_path / "engine.log") as process:
        yield process


@pytest.fixture
def client(settings_of):
    """A client of this test's engine, and a verifier, without which it could publish nothing."""
    with verifying(settings_of()), Client(settings_of(), window=5_000) as made:
        yield made
