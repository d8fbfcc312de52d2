"""The bridge while Kafka is killed under it, and killed itself."""

import asyncio
import random

import pytest

from connectors.mqtt.load import ReadingSource
from connectors.mqtt.settings import BridgeSettings
from connectors.mqtt.testing import (
    bridge_process,
    mqtt_broker,
    mqtt_settings,
    own_mqtt_broker,
    read_topic,
    running,
    unacknowledged,
    until,
)
from schemas.codec import decode
from topics.apply import admin_of, apply
from topics.catalogue import Catalogue
from topics.embedded import EmbeddedKafka
from topics.names import Names

__all__ = ["mqtt_broker", "mqtt_settings", "own_mqtt_broker"]
pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def own_kafka(tmp_path_factory):
    """A Kafka of this module's own, to kill."""
    kafka = EmbeddedKafka(tmp_path_factory.mktemp("own-kafka"), die_with_parent=True)
    kafka.start()
    yield kafka
    kafka.kill()


@pytest.fixture
def settings(own_kafka, topic_prefix, mqtt_settings):
    own_kafka.start()  # A test that failed may have left it killed.
    apply(admin_of(own_kafka.bootstrap), Catalogue(topic_prefix))
    return BridgeSettings(
        kafka_bootstrap_servers=own_kafka.bootstrap,
        topic_prefix=topic_prefix,
        mqtt=mqtt_settings,
        bridge_stop_timeout=0.5,
    )


def reading_ids(settings):
    topic = Names(settings.topic_prefix).telemetry
    records = read_topic(settings.kafka_bootstrap_servers, topic)
    return [decode(record.value()).body.reading_id for record in records]


def all_ids(source):
    return {source.reading_id(number) for number in range(source.sent)}


def test_no_reading_is_acknowledged_before_kafka_has_it(settings, own_kafka):
    async def main():
        source = ReadingSource(settings.mqtt)
        async with running(settings) as bridge:
            await source.publish(200)
            await until(lambda: bridge.metrics.values()["forwarded"] == 200)
            await asyncio.to_thread(own_kafka.kill)
            await source.publish(500)
            await until(lambda: bridge.metrics.values()["in_flight"] == 500)
            await asyncio.sleep(0.5)
            assert bridge.metrics.values()["forwarded"] == 200
        assert len(await unacknowledged(settings.mqtt)) == 500
        await asyncio.to_thread(own_kafka.restart)
        async with running(settings) as bridge:
            await until(lambda: bridge.metrics.values()["forwarded"] >= 500)
        assert set(reading_ids(settings)) == all_ids(source)
        assert await unacknowledged(settings.mqtt) == []

    asyncio.run(main())


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_kafka_away_under_load_loses_nothing_and_the_window_holds(settings, own_kafka, version):
    settings.mqtt.version = version
    settings.mqtt.receive_maximum = 400

    async def main():
        source = ReadingSource(settings.mqtt)
        async with running(settings) as bridge:
            publishing = asyncio.create_task(source.publish(4_000, rate=1_000))
            await until(lambda: bridge.metrics.values()["forwarded"] >= 500)
            await asyncio.to_thread(own_kafka.kill)
            await until(lambda: len(bridge.inbound._window) >= 400)
            sent = source.sent
            await until(lambda: source.sent > sent + 400)
            most = len(bridge.inbound._window)
            await asyncio.to_thread(own_kafka.restart)
            await publishing
            await until(lambda: bridge.metrics.values()["forwarded"] >= 4_000)
            await until(lambda: bridge.metrics.values()["in_flight"] == 0)
        # One packet more than the window may have been read when reading paused.
        assert 400 <= most <= 401
        assert set(reading_ids(settings)) == all_ids(source)

    asyncio.run(main())


def test_a_bridge_stops_while_both_sides_are_away(settings, own_kafka, own_mqtt_broker):
    settings.mqtt.url = own_mqtt_broker.url

    async def main():
        source = ReadingSource(settings.mqtt)
        async with running(settings) as bridge:
            await asyncio.to_thread(own_kafka.kill)
            await source.publish(50)
            await until(lambda: bridge.metrics.values()["in_flight"] == 50)
            await asyncio.to_thread(own_mqtt_broker.kill)
            await until(lambda: not bridge.inbound.connected.is_set())
            assert bridge.metrics.values()["in_flight"] == 50

    asyncio.run(main())


def test_a_killed_bridge_loses_nothing(settings):
    pause = random.Random(7).uniform(0.8, 1.6)

    async def main():
        source = ReadingSource(settings.mqtt)
        async with running(settings):
            pass  # The session exists from here on.
        with bridge_process(settings) as process:
            publishing = asyncio.create_task(source.publish(3_000, rate=1_000))
            await asyncio.sleep(pause)
            process.kill()
        with bridge_process(settings):
            await publishing
            await until(lambda: set(reading_ids(settings)) == all_ids(source))
            await asyncio.sleep(0.5)
        assert await unacknowledged(settings.mqtt) == []

    asyncio.run(main())
