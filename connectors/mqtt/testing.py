"""A real MQTT broker and a running bridge for tests: ours and users' own.

`pytest_plugins = ["connectors.mqtt.testing"]` in a conftest makes them known. The broker is
Mosquitto where it is installed, else Artemis; `TIDEMILL_TEST_MQTT=artemis` chooses.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final, cast

import pytest
from confluent_kafka import Consumer, Message, TopicPartition

from connectors.mqtt.bridge import Bridge
from connectors.mqtt.broker import BrokerOptions, Kind, MqttBroker
from connectors.mqtt.clients import session_client
from connectors.mqtt.manual_ack import Received
from connectors.mqtt.names import MqttNames
from connectors.mqtt.settings import BridgeSettings, MqttSettings

_READY_SECONDS: Final = 90.0
_BRIDGE: Final = """
import asyncio
from connectors.mqtt.bridge import Bridge
from connectors.mqtt.settings import BridgeSettings
asyncio.run(Bridge(BridgeSettings()).run_async(asyncio.Event()))
"""


def broker_kind() -> Kind:
    """Return the broker that the environment chooses for tests."""
    return cast("Kind", os.environ.get("TIDEMILL_TEST_MQTT", "auto"))


def settings_for(broker: MqttBroker, **changes: object) -> MqttSettings:
    """Return settings for this broker with topics and sessions that nobody else uses."""
    unique = secrets.token_hex(4)
    values: dict[str, object] = {
        "url": broker.url,
        "prefix": f"test-{unique}",
        "client_id": f"bridge-{unique}",
        "backoff_max": 0.5,
    }
    return MqttSettings.model_validate(values | changes)


@pytest.fixture(scope="session")
def mqtt_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MqttBroker]:
    """Return a broker that all tests share; it must be left running."""
    broker = MqttBroker(
        BrokerOptions(tmp_path_factory.mktemp("mqtt"), broker_kind(), die_with_parent=True)
    )
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def own_mqtt_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MqttBroker]:
    """Return a broker of the test's own, to kill and restart."""
    broker = MqttBroker(
        BrokerOptions(tmp_path_factory.mktemp("mqtt-own"), broker_kind(), die_with_parent=True)
    )
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def mqtt_settings(mqtt_broker: MqttBroker) -> MqttSettings:
    """Return settings for the shared broker."""
    return settings_for(mqtt_broker)


@asynccontextmanager
async def running(settings: BridgeSettings, *, wait: bool = True) -> AsyncIterator[Bridge]:
    """Run a bridge in this process; yield it once both its ways are connected (`wait`)."""
    bridge, stop = Bridge(settings), asyncio.Event()
    task = asyncio.create_task(bridge.run_async(stop))
    try:
        if wait:
            async with asyncio.timeout(_READY_SECONDS):
                await bridge.ready()
        yield bridge
    finally:
        stop.set()
        await task


@contextmanager
def bridge_process(settings: BridgeSettings) -> Iterator[subprocess.Popen[bytes]]:
    """Run a bridge in a process of its own, to be killed; killed at the end in any case."""
    process = subprocess.Popen(  # noqa: S603 - our own words
        [sys.executable, "-c", _BRIDGE], env=os.environ | environment(settings)
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def environment(settings: BridgeSettings) -> dict[str, str]:
    """Return the environment variables that make these settings."""
    bridge = settings.model_dump(mode="json", exclude={"mqtt", "kafka_bootstrap_servers"})
    mqtt = settings.mqtt.model_dump(mode="json", exclude_none=True, exclude={"password"})
    return (
        {f"TIDEMILL_{name.upper()}": str(value) for name, value in bridge.items()}
        | {f"TIDEMILL_MQTT_{name.upper()}": str(value) for name, value in mqtt.items()}
        | {"KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers}
    )


async def until(
    condition: Callable[[], object], seconds: float = 90.0, *, aside: bool = False
) -> None:
    """Wait until a condition holds; `TimeoutError` where it never does.

    One that asks a server is looked at `aside`, in a thread: a bridge in this process has the loop.
    """
    async with asyncio.timeout(seconds):
        while not (  # noqa: ASYNC110 - a test may look until it sees
            await asyncio.to_thread(condition) if aside else condition()
        ):
            await asyncio.sleep(0.02)


async def unacknowledged(settings: MqttSettings) -> list[bytes]:
    """Take over the bridge's session (it must be away): the payloads it has not acknowledged.

    A message of our own on each topic comes after everything that waits.
    """
    names, ends = MqttNames(settings.prefix), (b"end of telemetry", b"end of status")
    taken: list[Received] = []
    # The broker must be able to send them all, and ours after them.
    wide = settings.model_copy(update={"receive_maximum": 65_535})
    client = session_client(wide, taken.append)
    await client.open()
    await client.publish(names.telemetry("end"), ends[0], 1)
    await client.publish(names.status("end"), ends[1], 1)
    await until(lambda: {message.payload for message in taken}.issuperset(ends))
    for message in taken:
        if message.payload in ends:
            client.acknowledge(message.mid)
    await client.flush()
    await client.close()
    return [message.payload for message in taken if message.payload not in ends]


def read_topic(bootstrap: str, topic: str) -> list[Message]:
    """Return every committed record of a topic, partition by partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"reader-{secrets.token_hex(6)}",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 20,
            "auto.offset.reset": "earliest",
        }
    )
    partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
    consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
    records: list[Message] = []
    ended = 0
    while ended < len(partitions):
        for message in consumer.consume(10_000, 0.2):
            if message.error() is None:
                records.append(message)
            else:
                ended += 1
    consumer.close()
    return records
