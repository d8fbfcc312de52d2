"""The simulated device, asked over a real broker."""

import asyncio
from contextlib import asynccontextmanager

import aiomqtt
import pytest

from connectors.demo.file_device import FileDevice, Range
from connectors.demo.fleet import Fleet
from connectors.demo.sensor_file import Sample, Slice
from connectors.mqtt.clients import passing_client, subscribe
from connectors.mqtt.devices import Devices
from schemas.json_text import parse_object

PART = Slice(
    "sensor-1",
    (
        Sample("2026-01-01T00:00:00Z", 10.0),
        Sample("2026-01-01T01:00:00Z", 20.0),
        Sample("2026-01-01T02:00:00Z", 30.0),
    ),
)


@asynccontextmanager
async def playing(settings, part=PART):
    device = FileDevice(settings, part, Range(10.0, 30.0))
    await device.connect()
    try:
        async with Devices(settings) as devices:
            yield device, devices
    finally:
        await device.close()


@asynccontextmanager
async def listening(settings, *filters):
    messages = []
    client = passing_client(settings, settings.client_id + "-ear", messages.append)
    await client.open()
    await subscribe(client, settings, tuple(f"{settings.prefix}/{name}" for name in filters))
    yield messages
    await client.close()


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


def test_the_nth_query_is_answered_with_the_nth_reading(mqtt_settings):
    async def main():
        async with playing(mqtt_settings) as (_, devices):
            answers = [await devices.query_state("sensor-1") for _ in range(3)]
            assert [answer.metrics["temperature"] for answer in answers] == [10.0, 20.0, 30.0]
            assert [answer.last_updated for answer in answers] == [s.time for s in PART.samples]
            assert answers[0].metrics == {"temperature": 10.0, "humidity": 90.0, "battery": 100.0}
            assert answers[2].metrics["humidity"] == 40.0

    asyncio.run(main())


def test_a_repeated_request_id_gets_the_same_reading(mqtt_settings):
    async def main():
        async with playing(mqtt_settings) as (device, devices):
            first = await devices.query_state("sensor-1", request_id="a")
            other = await devices.query_state("sensor-1", request_id="b")
            again = await devices.query_state("sensor-1", request_id="a")
            assert (first, other.metrics["temperature"]) == (again, 20.0)
            assert device.published == ["sensor-1:0", "sensor-1:1"]
            assert device.repeated_queries == 1

    asyncio.run(main())


def test_only_the_wanted_metrics_are_answered(mqtt_settings):
    async def main():
        async with playing(mqtt_settings) as (_, devices):
            answer = await devices.query_state("sensor-1", ["battery", "unknown"])
            assert answer.metrics == {"battery": 100.0}

    asyncio.run(main())


def test_each_reading_goes_out_once_as_telemetry_with_its_own_sequence(mqtt_settings):
    async def main():
        async with (
            listening(mqtt_settings, "devices/+/telemetry") as heard,
            playing(mqtt_settings) as (device, devices),
        ):
            for _ in range(5):
                await devices.query_state("sensor-1")
            await until(lambda: len(heard) == 3)
            payloads = [parse_object(message.payload) for message in heard]
            assert [payload["seq"] for payload in payloads] == [0, 1, 2]
            assert [payload["timestamp"] for payload in payloads] == [s.time for s in PART.samples]
            assert payloads[1]["metrics"]["temperature"] == 20.0
            assert len(device.published) == 3

    asyncio.run(main())


def test_initialize_sets_mode_interval_and_thresholds(mqtt_settings):
    parameters = {"mode": "monitoring", "interval": 60, "thresholds": {"temperature": 30.0}}

    async def main():
        async with playing(mqtt_settings) as (device, devices):
            assert device.mode == "idle"
            await devices.send_command("sensor-1", "initialize", parameters)
            await until(lambda: device.mode == "monitoring")
            assert device.commands["initialize"] == parameters

    asyncio.run(main())


def test_a_device_says_that_it_comes_and_goes_and_its_last_will_says_when_it_is_gone(
    mqtt_settings,
):
    async def main():
        async with listening(mqtt_settings, "devices/+/status") as heard:
            async with playing(mqtt_settings):
                await until(lambda: len(heard) == 1)
            await until(lambda: len(heard) == 2)
            device = FileDevice(mqtt_settings, PART, Range(0, 1))
            await device.connect()
            await until(lambda: len(heard) == 3)
            device._task.cancel()
            device._client._client._sock_close()
            await until(lambda: len(heard) == 4)
            said = [message.payload for message in heard]
            assert said == [b"online", b"offline", b"online", b"offline"]

    asyncio.run(main())


@pytest.mark.parametrize("payload", [b"junk", b"[]", b"{}"])
def test_a_query_that_cannot_be_read_harms_no_other(mqtt_settings, payload):
    async def main():
        async with playing(mqtt_settings) as (device, devices):
            client = passing_client(mqtt_settings, "bad")
            await client.open()
            with_topic = device._names.status_get("sensor-1")
            await client.publish(with_topic, payload, 1)
            await client.close()
            answer = await devices.query_state("sensor-1")
            assert answer.metrics["temperature"] in {10.0, 20.0}

    asyncio.run(main())


def test_a_fleet_connects_every_device_and_counts_what_it_sent(mqtt_settings):
    parts = [Slice(f"sensor-{n}", PART.samples) for n in range(40)]

    async def main():
        async with Fleet(mqtt_settings, parts) as fleet, Devices(mqtt_settings) as devices:
            queries = (devices.query_state(part.device_id) for part in parts for _ in range(3))
            answers = await asyncio.gather(*queries)
            assert len(answers) == 120
            assert fleet.readings_sent == 120
            assert sorted(a.metrics["temperature"] for a in answers) == sorted(
                [10.0, 20.0, 30.0] * 40
            )

    asyncio.run(main())


def test_a_fleet_without_a_broker_fails_with_the_reason(mqtt_settings):
    nowhere = mqtt_settings.model_copy(update={"url": "mqtt://127.0.0.1:1"})

    async def main():
        async with Fleet(nowhere, [PART]):
            pass

    with pytest.raises(aiomqtt.MqttError):
        asyncio.run(main())
