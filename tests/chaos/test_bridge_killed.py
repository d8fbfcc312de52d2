"""The bridge at 1,000 readings/s while what it joins is killed: no acknowledged reading is lost."""

import asyncio

import pytest

from connectors.mqtt.load import ReadingSource
from connectors.mqtt.settings import BridgeSettings
from connectors.mqtt.testing import (
    bridge_process,
    own_mqtt_broker,
    read_topic,
    running,
    settings_for,
    unacknowledged,
    until,
)
from schemas.codec import decode
from streams.runtime.records import POSITION_KEY, decode_position
from streams.testing.audit import read_partition
from streams.testing.processes import Process
from topics.apply import admin_of, apply
from topics.catalogue import Catalogue
from topics.names import Names

__all__ = ["own_mqtt_broker"]
pytestmark = [pytest.mark.chaos, pytest.mark.timeout(420)]
PARTITIONS = 4
RATE = 1_000


@pytest.fixture
def settings(own_kafka, own_mqtt_broker, topic_prefix):
    """A bridge of this test's own, with its topics."""
    apply(admin_of(own_kafka.bootstrap), Catalogue(topic_prefix, partitions=PARTITIONS))
    return BridgeSettings(
        kafka_bootstrap_servers=own_kafka.bootstrap,
        topic_prefix=topic_prefix,
        mqtt=settings_for(own_mqtt_broker),
    )


@pytest.fixture
def shards(settings, tmp_path):
    """An engine process, whose device shards take each reading once."""
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
        "TIDEMILL_TOPIC_PREFIX": settings.topic_prefix,
        "TIDEMILL_DATA_DIR": str(tmp_path),
    }
    with Process(["-m", "streams"], environment, tmp_path / "engine.log") as process:
        yield process


def test_kafka_away_for_a_minute_loses_no_reading(settings, own_kafka, shards):
    async def main():
        source = ReadingSource(settings.mqtt)
        async with running(settings) as bridge:
            publishing = asyncio.create_task(source.publish(75 * RATE, rate=RATE))
            await until(lambda: bridge.metrics.values()["forwarded"] > 3 * RATE)
            await asyncio.to_thread(wait_until_taken, settings, shards, 0)
            await asyncio.to_thread(own_kafka.kill)
            await asyncio.sleep(60)
            assert source.sent > 30 * RATE, "the MQTT broker takes readings while Kafka is away"
            await asyncio.to_thread(own_kafka.restart)
            await publishing
            await until(lambda: bridge.metrics.values()["forwarded"] >= source.sent, 90)
        assert await unacknowledged(settings.mqtt) == []
        await asyncio.to_thread(assert_whole, settings, source, shards)

    asyncio.run(main())


def test_a_bridge_killed_at_random_moments_loses_no_reading(settings, shards, chance):
    async def main():
        source = await with_session(settings)
        publishing = asyncio.create_task(source.publish(15 * RATE, rate=RATE))
        while not publishing.done():
            with bridge_process(settings):
                await asyncio.sleep(chance.uniform(0.5, 3.0))
        await publishing
        async with running(settings) as bridge:
            await asyncio.to_thread(assert_whole, settings, source, shards)
            await until(lambda: bridge.metrics.values()["in_flight"] == 0)
        assert await unacknowledged(settings.mqtt) == []

    asyncio.run(main())


def test_one_device_s_redelivered_readings_are_absorbed_too(settings, shards, chance):
    """All that can be under way at a kill belongs to one device: its window holds it."""

    async def main():
        source = await with_session(settings, devices=1)
        publishing = asyncio.create_task(source.publish(10 * RATE))
        while not publishing.done():
            with bridge_process(settings):
                await asyncio.sleep(chance.uniform(0.8, 2.0))
        await publishing
        async with running(settings):
            await asyncio.to_thread(assert_whole, settings, source, shards)

    asyncio.run(main())


def test_an_mqtt_broker_killed_under_load_loses_no_reading(
    settings, own_mqtt_broker, shards, chance
):
    """Mosquitto is ended by SIGTERM: it writes its store at intervals, and a kill costs those."""
    away = own_mqtt_broker.kill if own_mqtt_broker.kind == "artemis" else own_mqtt_broker.stop

    async def main():
        source = ReadingSource(settings.mqtt)
        async with running(settings) as bridge:
            publishing = asyncio.create_task(source.publish(15 * RATE, rate=RATE))
            for _ in range(3):
                await asyncio.sleep(chance.uniform(0.5, 3.0))
                await asyncio.to_thread(away)
                await asyncio.sleep(chance.uniform(0.0, 1.0))
                await asyncio.to_thread(own_mqtt_broker.start)
            await publishing
            await asyncio.to_thread(assert_whole, settings, source, shards)
            assert bridge.metrics.values()["reconnects"] >= 3
        assert await unacknowledged(settings.mqtt) == []

    asyncio.run(main())


async def with_session(settings, devices=100):
    """Make the bridge's session, which keeps readings from here on; return their source."""
    async with running(settings):
        return ReadingSource(settings.mqtt, devices)


def assert_whole(settings, source, shards):
    """Every reading is in Kafka, each device's in order; the shards count each once."""
    names = Names(settings.topic_prefix)
    asyncio.run(until(lambda: len(numbers_by_device(settings, names)[1]) >= source.sent, 120))
    by_device, numbers = numbers_by_device(settings, names)
    assert numbers == set(range(source.sent))
    for device, seen in by_device.items():
        assert list(seen) == sorted(seen), f"the readings of {device} are out of order"
    wait_until_taken(settings, shards)
    assert counts(settings, names) == {device: len(seen) for device, seen in by_device.items()}


def numbers_by_device(settings, names):
    """Return the numbers of the readings in Kafka, by device in order of their first coming."""
    by_device, numbers = {}, set()
    for record in read_topic(settings.kafka_bootstrap_servers, names.telemetry):
        device, _, number = decode(record.value()).body.reading_id.partition(":")
        by_device.setdefault(device, {}).setdefault(int(number))
        numbers.add(int(number))
    return by_device, numbers


def wait_until_taken(settings, shards, number=None):
    """Wait until the shards have taken this many readings of each partition; all by default."""
    names = Names(settings.topic_prefix)
    try:
        asyncio.run(until(lambda: taken(settings, names, number), 120))
    except TimeoutError:
        pytest.fail(f"the shards do not take readings; the engine's log ends:\n{shards.tail()}")


def taken(settings, names, number):
    """Tell whether the shards stand behind this offset, or at the end of the readings."""
    servers = settings.kafka_bootstrap_servers
    for partition in range(PARTITIONS):
        readings = read_partition(servers, names.telemetry, partition)
        states = read_partition(servers, names.state, partition)
        places = [record.value for record in states if record.key == POSITION_KEY]
        at = decode_position(places[-1]).inputs.get("iot.telemetry", 0) if places else 0
        if readings and at <= (readings[-1].offset if number is None else number):
            return False
    return True


def counts(settings, names):
    """Return how many distinct readings the shards have counted, by device."""
    records = read_topic(settings.kafka_bootstrap_servers, names.device_state)
    return {record.key().decode(): decode(record.value()).body.readings for record in records}
