"""Workflows that wait for a device, through Kafka, with readings on the telemetry topic."""

import time

import pytest
from confluent_kafka import Producer

from connectors.client.events import EventStream
from schemas.codec import encode
from schemas.envelope import Envelope
from schemas.json_text import canonical
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


@pytest.mark.kafka
def test_a_reading_and_then_silence_lead_a_workflow_to_its_end(client, engine, settings_of, names):
    client.publish("waits", WAITS)
    client.run("waits", {"d": "d-1"}, instance_id="one")
    servers = settings_of().kafka_bootstrap_servers
    producer = Producer({"bootstrap.servers": servers, "partitioner": "murmur2_random"})
    for number, value in enumerate((20, 31, 31)):
        now = int(time.time() * 1000)
        reading = Reading(f"d-1:{min(number, 1)}", canonical({"t": value}), now, now)
        envelope = Envelope(reading.reading_id, "Reading", now, "device", "d-1")
        producer.produce(names.telemetry, key=b"d-1", value=encode(envelope, reading))
    producer.flush(30)
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
