"""Workflows that wait for messages and signals, through Kafka."""

import pytest

from connectors.client.events import EventStream
from streams.testing.audit import audit

WAITS = """
id: waits
version: 1.0.0
nodes:
  start: {type: start, next: first}
  first: {type: event_gateway, next: [paid, closing]}
  paid: {type: catch, message: paid, key: "${order}", result_path: payment, next: end}
  closing: {type: catch, signal: closing, next: end}
  end: {type: end}
"""


@pytest.fixture
def ended(settings_of):
    """Return the events of an instance, up to the one that ended it."""

    def read(name):
        stream = EventStream(settings_of(), beginning=True, instance_id=name)
        events = [event.message for event in stream.watch(60)]
        stream.close()
        return events

    return read


@pytest.mark.kafka
def test_a_message_finds_its_workflow_whether_it_comes_first_or_last(
    client, engine, ended, settings_of, names
):
    client.publish("waits", WAITS)
    client.publish_message("paid", "early", {"amount": 1}, message_id="m-1")
    client.publish_message("paid", "early", {"amount": 1}, message_id="m-1")
    for order in ("early", "late", "never"):
        client.run("waits", {"order": order}, instance_id=order)
    client.publish_message("paid", "late", {"amount": 2}, ttl=60)
    for order, amount in (("early", 1), ("late", 2)):
        events = ended(order)
        types = [event.envelope.type for event in events]
        assert types == [
            "workflow.started",
            "event.awaited",
            "event.awaited",
            "event.triggered",
            "workflow.completed",
        ]
        assert f'"amount":{amount}'.encode() in events[-1].body.result
    client.broadcast_signal("closing")
    triggered = [e.body for e in ended("never") if e.envelope.type == "event.triggered"]
    assert [(body.node, body.kind) for body in triggered] == [("closing", "signal")]
    said = audit(settings_of().kafka_bootstrap_servers, names, 4)
    assert said.faults == []
