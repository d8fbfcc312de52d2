"""Workflows that wait for a device, through Kafka, with readings on the telemetry topic."""

import time
from collections import Counter

import pytest
from confluent_kafka import Producer

from connectors.client.events import EventStream
from schemas.codec import encode
from schemas.envelope import Envelope
from schemas.json_text import canonical, parse
from schemas.telemetry import Reading
from streams.testing.audit import audit

WAITS = """
id: waits
version: 1.0.0
nodes:
  start: {type: start, next: hot}
  hot: {type: catch, device: "${d}", metric: t, above: 30, next: gone}
  gone: {type: catch, device: "${d}", silent: PT1S, result_path: seen, next: end}
  end: {type: end}
"""


STARTS = """
id: starts
version: 1.0.0
nodes:
  hot: {type: start, device: "d-*", metric: t, above: 30, result_path: seen, next: end}
  gone: {type: start, device: quiet, silent: PT1S, result_path: seen, next: end}
  end: {type: end}
"""


def say(servers, names, *readings):
    """Put readings on the telemetry topic: device, number, value."""
    producer = Producer({"bootstrap.servers": servers, "partitioner": "murmur2_random"})
    for device, number, value in readings:
        now = int(time.time() * 1000)
        reading = Reading(f"{device}:{number}", canonical({"t": value}), now, now)
        envelope = Envelope(reading.reading_id, "Reading", now, "device", device)
        producer.produce(names.telemetry, key=device.encode(), value=encode(envelope, reading))
    producer.flush(30)


@pytest.mark.kafka
def test_a_reading_and_then_silence_lead_a_workflow_to_its_end(client, engine, settings_of, names):
    client.publish("waits", WAITS)
    client.run("waits", {"d": "d-1"}, instance_id="one")
    servers = settings_of().kafka_bootstrap_servers
    say(servers, names, ("d-1", 0, 20), ("d-1", 1, 31), ("d-1", 1, 31))
    stream = EventStream(settings_of(), beginning=True, instance_id="one")
    events = [event.message for event in stream.watch(60)]
    stream.close()
    assert [event.envelope.type for event in events] == [
        "workflow.started",
        "event.awaited",
        "event.triggered",
        "event.awaited",
        "event.triggered",
        "workflow.completed",
    ]
    assert b'"value":31' in events[2].body.payload
    assert b'"how":"silent"' in events[4].body.payload
    assert audit(servers, names, 4).faults == []


def triggered(stream, count):
    """Read until so many events have come about; return what is told of them."""
    found = []
    deadline = time.monotonic() + 60
    while len(found) < count and time.monotonic() < deadline:
        messages = [event.message for event in stream.read(0.2)]
        found += [m.body for m in messages if m.envelope.type == "event.triggered"]
    return [parse(body.payload) for body in found]


@pytest.mark.kafka
@pytest.mark.slow
def test_each_crossing_starts_an_instance_and_so_does_silence(client, engine, settings_of, names):
    servers = settings_of().kafka_bootstrap_servers
    stream = EventStream(settings_of(), beginning=True)
    client.publish("starts", STARTS)
    assert [one["how"] for one in triggered(stream, 1)] == ["silent"]
    values = (31, 33, 20, 31)
    said = [(f"d-{n}", place, value) for n in range(5) for place, value in enumerate(values)]
    say(servers, names, *said, *said)
    seen = triggered(stream, 10)
    stream.close()
    assert Counter((one["device"], one["reading"]) for one in seen) == {
        (f"d-{n}", place): 1 for n in range(5) for place in (1, 4)
    }
    assert audit(servers, names, 4).faults == []
