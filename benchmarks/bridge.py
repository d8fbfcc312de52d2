"""Readings a second from MQTT to Kafka, end to end, beside what each side does alone.

    python benchmarks/bridge.py [--count 50000] [--broker mosquitto|artemis] [--version 5]

Broker, publisher, bridge and Kafka share the machine. The publisher is a process of its own and
publishes as fast as the MQTT broker acknowledges. The clock runs from the first publication
until Kafka has acknowledged the last record; then the topic is read and compared, so that a
figure stands for readings that arrived.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from confluent_kafka import Producer

from connectors.mqtt.bridge import Bridge
from connectors.mqtt.broker import BrokerOptions, MqttBroker
from connectors.mqtt.load import ReadingSource
from connectors.mqtt.settings import BridgeSettings
from connectors.mqtt.sink import producer_config
from connectors.mqtt.testing import environment, read_topic, settings_for
from schemas.codec import decode
from topics.apply import admin_of, apply
from topics.bootstrap import connected
from topics.catalogue import Catalogue
from topics.names import Names

_PUBLISHER = """
import asyncio, sys
from connectors.mqtt.load import ReadingSource
from connectors.mqtt.settings import MqttSettings
asyncio.run(ReadingSource(MqttSettings()).publish(int(sys.argv[1])))
"""


async def measure(settings: BridgeSettings, count: int) -> dict[str, float]:
    """Publish and wait until Kafka has everything."""
    bridge, stop = Bridge(settings), asyncio.Event()
    running = asyncio.create_task(bridge.run_async(stop))
    await bridge.ready()
    forwarded = bridge.metrics.forwarded._value.get  # noqa: SLF001
    begun, cpu = time.perf_counter(), time.process_time()
    publisher = subprocess.Popen(
        [sys.executable, "-c", _PUBLISHER, str(count)], env=os.environ | environment(settings)
    )
    while forwarded() < count:
        await asyncio.sleep(0.01)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    publisher.wait()
    stop.set()
    await running
    return {
        "readings_per_s": round(count / seconds),
        "bridge_cpu_us_per_reading": round(cpu / count * 1e6, 1),
    }


def reference(settings: BridgeSettings, count: int) -> int:
    """Produce the same number of records of the same size with librdkafka alone."""
    topic = Names(settings.topic_prefix).device_events
    producer = Producer(producer_config(settings.kafka_bootstrap_servers, 5.0, 100_000))
    value = bytes(150)
    begun = time.perf_counter()
    for number in range(count):
        producer.produce(topic, value, b"d%d" % (number % 100))
        producer.poll(0)
    producer.flush()
    return round(count / (time.perf_counter() - begun))


def publish_alone(settings: BridgeSettings, count: int) -> int:
    """Publish over MQTT with nobody listening."""

    async def main() -> float:
        begun = time.perf_counter()
        await ReadingSource(settings.mqtt.model_copy(update={"prefix": "nobody"})).publish(count)
        return time.perf_counter() - begun

    return round(count / asyncio.run(main()))


def main() -> None:
    """Run everything; print one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=50_000)
    parser.add_argument("--broker", default="auto")
    parser.add_argument("--version", default="5")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        broker = MqttBroker(BrokerOptions(Path(folder), options.broker))
        broker.start()
        prefix = f"bench{time.time_ns()}."
        base = BridgeSettings(
            topic_prefix=prefix, mqtt=settings_for(broker, version=options.version)
        )
        try:
            with connected(base, print) as settings:
                admin = admin_of(settings.kafka_bootstrap_servers)
                apply(admin, Catalogue(prefix))
                result = run(settings, options.count)
                admin.delete_topics([topic.name for topic in Catalogue(prefix).topics()])
        finally:
            broker.stop()
    print(json.dumps({"mqtt_broker": broker.kind, "mqtt_version": options.version} | result))


def run(settings: BridgeSettings, count: int) -> dict[str, float]:
    """Measure, and compare what arrived with what was sent."""
    result: dict[str, float] = {
        "reference_produce_per_s": reference(settings, count),
        "reference_publish_per_s": publish_alone(settings, min(count, 20_000)),
    }
    result |= asyncio.run(measure(settings, count))
    names, source = Names(settings.topic_prefix), ReadingSource(settings.mqtt)
    records = read_topic(settings.kafka_bootstrap_servers, names.telemetry)
    arrived = [decode(record.value() or b"").envelope.id for record in records]
    missing = {source.reading_id(number) for number in range(count)} - set(arrived)
    if missing:
        raise SystemExit(f"{len(missing)} readings were lost")
    return result | {"duplicates": len(arrived) - count}


if __name__ == "__main__":
    main()
