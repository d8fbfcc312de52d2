"""The bridge between a real MQTT broker and a real Kafka."""

import asyncio
from collections import Counter

import aiomqtt
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from connectors.demo.file_device import FileDevice, Range
from connectors.demo.sensor_file import Sample, Slice
from connectors.mqtt.clients import passing_client, session_client
from connectors.mqtt.devices import DeviceError
from connectors.mqtt.load import ReadingSource
from connectors.mqtt.names import MqttNames
from connectors.mqtt.outbox import CommandOutbox
from connectors.mqtt.settings import BridgeSettings
from connectors.mqtt.testing import (
    mqtt_broker,
    mqtt_settings,
    own_mqtt_broker,
    read_topic,
    running,
    settings_for,
    unacknowledged,
    until,
)
from schemas.codec import decode, encode
from schemas.envelope import Envelope
from schemas.json_text import canonical
from schemas.partition import partition_of
from schemas.telemetry import DeviceCommand, DeviceEvent, Reading
from topics.settings import KafkaSettings

__all__ = ["mqtt_broker", "mqtt_settings", "own_mqtt_broker"]


@pytest.fixture
def settings(kafka, topic_prefix, mqtt_settings):
    return BridgeSettings(
        kafka_bootstrap_servers=kafka, topic_prefix=topic_prefix, mqtt=mqtt_settings
    )


async def publish(settings, *messages):
    """Publish (topic below the prefix, payload) at QoS 1."""
    client = passing_client(settings.mqtt, f"{settings.mqtt.client_id}-p")
    await client.open()
    for topic, payload in messages:
        await client.publish(f"{settings.mqtt.prefix}/{topic}", payload, 1)
    await client.close()


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_readings_reach_the_device_s_partition_and_are_acknowledged(
    settings, names, kafka, version
):
    settings.mqtt.version = version

    async def main():
        source = ReadingSource(settings.mqtt, devices=7)
        async with running(settings) as bridge:
            await source.publish(500)
            await until(lambda: bridge.metrics.values()["forwarded"] == 500)
        records = read_topic(kafka, names.telemetry)
        decoded = [decode(record.value()) for record in records]
        assert Counter(m.body.reading_id for m in decoded) == Counter(
            source.reading_id(number) for number in range(500)
        )
        for record, message in zip(records, decoded, strict=True):
            assert record.key().decode() == message.envelope.aggregate_id
            assert record.partition() == partition_of(record.key(), 4)
        assert await unacknowledged(settings.mqtt) == []

    asyncio.run(main())


def test_each_device_s_readings_keep_their_order(settings, names, kafka):
    async def main():
        source = ReadingSource(settings.mqtt, devices=3)
        async with running(settings) as bridge:
            await source.publish(600)
            await until(lambda: bridge.metrics.values()["forwarded"] == 600)
        last = {}
        for record in read_topic(kafka, names.telemetry):
            body = decode(record.value()).body
            number = int(body.reading_id.partition(":")[2])
            assert last.get(record.key(), -1) < number
            last[record.key()] = number

    asyncio.run(main())


def test_readings_sent_while_the_bridge_is_away_are_waiting_for_it(settings, names, kafka):
    async def main():
        source = ReadingSource(settings.mqtt)
        async with running(settings):
            await source.publish(50)
        await source.publish(300)
        async with running(settings) as bridge:
            await until(lambda: bridge.metrics.values()["in_flight"] == 0)
            await until(lambda: len(read_topic(kafka, names.telemetry)) >= 350, aside=True)
        ids = {decode(r.value()).body.reading_id for r in read_topic(kafka, names.telemetry)}
        assert len(ids) == 350

    asyncio.run(main())


def test_what_cannot_be_read_becomes_a_dead_letter_and_the_rest_goes_on(settings, names, kafka):
    async def main():
        async with running(settings) as bridge:
            await publish(
                settings,
                ("devices/d1/telemetry", b"\xff\xfe"),
                ("devices/d~1/telemetry", b'{"t":1}'),
                ("devices/d1/telemetry", b'{"seq":1,"t":1}'),
                ("devices/d1/status", b"asleep"),
                ("devices/d1/telemetry", b"x" * 300_000),
            )
            await until(lambda: bridge.metrics.values()["dead_lettered"] == 4)
            await until(lambda: bridge.metrics.values()["forwarded"] == 1)
        letters = read_topic(kafka, names.dead_letters)
        reasons = {dict(r.headers())["reason"].decode().split(" ")[0] for r in letters}
        assert len(letters) == 4
        assert reasons == {"not", "device", "payload"}
        assert {dict(r.headers())["source"] for r in letters} == {b"mqtt"}
        assert b"\xff\xfe" in {record.value() for record in letters}
        assert await unacknowledged(settings.mqtt) == []

    asyncio.run(main())


def test_comings_goings_and_device_events_reach_the_events_topic(settings, names, kafka):
    part = Slice("sensor-1", (Sample("2026-01-01T00:00:00Z", 1.0),))

    async def main():
        async with running(settings) as bridge:
            device = FileDevice(settings.mqtt, part, Range(0, 1))
            await device.connect()
            event = b'{"seq":9,"event_type":"door.opened","by":"badge 7"}'
            await publish(settings, ("devices/sensor-1/telemetry", event))
            device._task.cancel()
            device._client._client._sock_close()
            await until(lambda: bridge.metrics.values()["forwarded"] == 3)
        bodies = [decode(record.value()).body for record in read_topic(kafka, names.device_events)]
        assert all(isinstance(body, DeviceEvent) for body in bodies)
        assert [body.event_type for body in bodies] == ["online", "door.opened", "offline"]

    asyncio.run(main())


@pytest.mark.slow
def test_with_mqtt_away_for_a_while_both_ways_come_back(
    kafka, topic_prefix, names, own_mqtt_broker
):
    mqtt = settings_for(own_mqtt_broker)
    settings = BridgeSettings(kafka_bootstrap_servers=kafka, topic_prefix=topic_prefix, mqtt=mqtt)

    async def main():
        source = ReadingSource(mqtt)
        async with running(settings) as bridge, Ear(settings) as ear:
            publishing = asyncio.create_task(source.publish(2_000, rate=1_000))
            await asyncio.sleep(0.5)
            await asyncio.to_thread(own_mqtt_broker.stop)
            assert not await asyncio.to_thread(command, settings, "d1", "while-away")
            await asyncio.sleep(0.5)
            await asyncio.to_thread(own_mqtt_broker.start)
            await publishing
            await until(lambda: ear.heard("while-away"))
            await until(lambda: distinct_readings(kafka, names) == 2_000, aside=True)
            assert bridge.metrics.values()["reconnects"] >= 2

    asyncio.run(main())


def test_commands_reach_the_device_and_are_committed_only_then(settings, names, kafka):
    async def main():
        async with Ear(settings) as ear:
            async with running(settings):
                for number in range(50):
                    command(settings, f"d{number % 3}", f"go-{number}", {"n": number})
                await until(lambda: len(ear.messages) == 50)
            for number in range(3):
                heard = [m for m in ear.messages if f"/d{number}/" in m.topic]
                wanted = [n for n in range(50) if n % 3 == number]
                assert [int(m.topic.rpartition("-")[2]) for m in heard] == wanted
                assert heard[0].payload == b'{"n":%d}' % number
            await asyncio.to_thread(assert_committed, settings, names, 50)
            # A bridge that starts again repeats nothing.
            async with running(settings):
                await asyncio.sleep(1)
            assert len(ear.messages) == 50

    asyncio.run(main())


def test_commands_of_an_aborted_transaction_and_bad_ones_do_not_reach_devices(
    settings, names, kafka
):
    async def main():
        async with Ear(settings) as ear, running(settings) as bridge:
            await asyncio.to_thread(aborted_command, settings, names)
            producer = Producer({"bootstrap.servers": kafka})
            producer.produce(names.device_commands, b"junk", b"d1")
            producer.flush(10)
            command(settings, "d1", "a/b")
            command(settings, "d1", "good")
            await until(lambda: ear.heard("good"))
            await until(lambda: bridge.metrics.values()["dead_lettered"] == 2)
            assert len(ear.messages) == 1
        letters = read_topic(kafka, names.dead_letters)
        assert {dict(r.headers())["source"].decode() for r in letters} == {names.device_commands}
        assert sorted(dict(r.headers())["reason"].split(b" ")[0] for r in letters) == [
            b"command",
            b"not",
        ]

    asyncio.run(main())


def test_the_outbox_writes_commands_that_the_bridge_publishes(settings, names):
    async def main():
        shared = KafkaSettings(
            kafka_bootstrap_servers=settings.kafka_bootstrap_servers,
            topic_prefix=settings.topic_prefix,
        )
        async with Ear(settings) as ear, running(settings), CommandOutbox(shared) as outbox:
            await outbox.send("d1", "initialize", {"interval": 60}, "i@1:2")
            await until(lambda: ear.heard("initialize"))
            assert ear.messages[0].payload == b'{"interval":60}'
            with pytest.raises(DeviceError, match="not acceptable"):
                await outbox.send("d/1", "initialize", {}, "i@1:3")

    asyncio.run(main())


def test_without_its_topics_the_bridge_waits_and_starts_once_they_exist(
    settings, kafka, topic_prefix, request
):
    async def main():
        async with running(settings, wait=False) as bridge:
            await asyncio.sleep(1)
            assert not bridge.inbound.connected.is_set()
            request.getfixturevalue("names")
            async with asyncio.timeout(30):
                await bridge.ready()

    asyncio.run(main())


def test_redelivered_messages_are_the_same_reading(settings, names, kafka):
    async def main():
        reading = b'{"seq":5,"timestamp":"2026-01-01T00:00:00Z","t":1}'
        async with running(settings) as bridge:
            await publish(settings, *[("devices/d1/telemetry", reading)] * 3)
            await until(lambda: bridge.metrics.values()["forwarded"] == 3)
        messages = [decode(record.value()) for record in read_topic(kafka, names.telemetry)]
        assert {message.envelope.id for message in messages} == {"d1:5"}
        assert all(isinstance(message.body, Reading) for message in messages)

    asyncio.run(main())


class Ear:
    """Hears every command, as devices would."""

    def __init__(self, settings):
        self.messages = []
        self._settings = settings.mqtt.model_copy(
            update={"client_id": f"{settings.mqtt.client_id}-ear"}
        )

    async def __aenter__(self):
        self._task = asyncio.create_task(self._listen())
        await until(lambda: self._listening)
        return self

    _listening = False

    async def _listen(self):
        while True:
            client = session_client(self._settings, self._take)
            self._client = client
            try:
                await client.open()
                await client.subscribe(MqttNames(self._settings.prefix).command("+", "+"), 1)
                self._listening = True
                await client.disconnected()
            except (aiomqtt.MqttError, OSError):
                await asyncio.sleep(0.1)
            finally:
                await client.close()

    def _take(self, message):
        self.messages.append(message)
        self._client.acknowledge(message.mid)

    def heard(self, name):
        return any(message.topic.endswith(f"/{name}") for message in self.messages)

    async def __aexit__(self, *_):
        self._task.cancel()
        await asyncio.wait([self._task])


def command(settings, device_id, name, parameters=None):
    """Write one command; return how many records the producer could not deliver."""
    producer = Producer(
        {"bootstrap.servers": settings.kafka_bootstrap_servers, "partitioner": "murmur2_random"}
    )
    body = DeviceCommand(name, canonical(parameters or {}), f"{device_id}-{name}")
    envelope = Envelope(f"{device_id}-{name}", "DeviceCommand", 1, "device", device_id)
    topic = f"{settings.topic_prefix}iot.commands"
    producer.produce(topic, encode(envelope, body), device_id.encode())
    return producer.flush(20)


def aborted_command(settings, names):
    """Write a command in a transaction that is aborted."""
    producer = Producer(
        {
            "bootstrap.servers": settings.kafka_bootstrap_servers,
            "transactional.id": f"{settings.topic_prefix}aborter",
        }
    )
    producer.init_transactions(30)
    producer.begin_transaction()
    envelope = Envelope("x", "DeviceCommand", 1, "device", "d1")
    producer.produce(names.device_commands, encode(envelope, DeviceCommand("ghost")), b"d1")
    producer.flush(10)
    producer.abort_transaction(30)


def assert_committed(settings, names, count):
    """The bridge's group has committed so many commands."""
    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka_bootstrap_servers,
            "group.id": f"{settings.topic_prefix}{settings.bridge_group}",
        }
    )
    partitions = [TopicPartition(names.device_commands, number) for number in range(4)]
    committed = consumer.committed(partitions, timeout=20)
    consumer.close()
    assert sum(max(0, place.offset) for place in committed) == count


def distinct_readings(kafka, names):
    """Count the distinct readings in Kafka."""
    return len({decode(r.value()).body.reading_id for r in read_topic(kafka, names.telemetry)})
