"""Workflows that messages, signals and timers start, through Kafka."""

import time

import pytest

from connectors.client.events import EventStream
from streams.testing.audit import audit

STARTED = """
id: started
version: {version}
nodes:
  ordered:
    type: start
    message: placed
    result_path: order
    output: {{version: "{version}"}}
    next: end
  counting: {{type: start, signal: stocktaking, next: end}}
  end: {{type: end}}
"""
LATER = "  soon: {type: start, duration: PT1S, next: end}\n"


def ended(found):
    return sum(history[-1].envelope.type == "workflow.completed" for history in found.values())


@pytest.fixture
def begun(settings_of):
    """Return the events of so many instances of the definition, once each has ended."""

    def read(count):
        stream = EventStream(settings_of(), beginning=True)
        found, deadline = {}, time.monotonic() + 60
        while ended(found) < count and time.monotonic() < deadline:
            for event in stream.read(0.2):
                name = event.message.envelope.aggregate_id
                if name.startswith("started."):
                    found.setdefault(name, []).append(event.message)
        stream.close()
        return list(found.values())

    return read


@pytest.mark.kafka
def test_messages_a_signal_and_a_timer_start_the_newest_version_once_each(
    client, engine, begun, settings_of, names
):
    client.publish("started", STARTED.format(version="1.0.0"))
    client.publish_message("placed", "o-1", {"n": 1}, message_id="m-1")
    client.publish_message("placed", "o-1", {"n": 1}, message_id="m-1")
    assert len(begun(1)) == 1
    client.publish("started", STARTED.format(version="2.0.0") + LATER)
    client.publish_message("placed", "o-1", {"n": 2}, message_id="m-2")
    client.publish_message("placed", "", {"n": 3}, message_id="m-3")
    client.broadcast_signal("stocktaking")
    histories = begun(5)
    assert {tuple(one.envelope.type for one in history) for history in histories} == {
        ("workflow.started", "event.triggered", "workflow.completed")
    }
    (timed,) = [h[1].body for h in histories if h[1].body.kind == "timer"]
    assert (timed.node, timed.payload) == ("soon", b'{"due":%d,"missed":0}' % timed.due)
    histories = [h for h in histories if h[1].body.kind != "timer"]
    began = {(h[1].body.node, h[1].body.payload, h[0].body.definition_version) for h in histories}
    assert began == {
        ("ordered", b'{"n":1}', "1.0.0"),
        ("ordered", b'{"n":2}', "2.0.0"),
        ("ordered", b'{"n":3}', "2.0.0"),
        ("counting", b"null", "2.0.0"),
    }
    said = audit(settings_of().kafka_bootstrap_servers, names, 4)
    assert said.faults == []
