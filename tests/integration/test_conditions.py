"""A condition and an escalation of a called workflow, through Kafka."""

import pytest

from connectors.client.events import EventStream
from streams.testing.audit import audit

CHILD = """
id: trip
version: 1.0.0
nodes:
  start: {type: start, next: shout}
  shout: {type: throw, escalation: Costly, payload: {price: 900}, next: pause}
  pause: {type: timer, duration: PT1S, next: end}
  end: {type: end}
"""
PARENT = """
id: planner
version: 1.0.0
variables: {stock: {type: integer, default: 20}}
nodes:
  start: {type: start, next: trip}
  trip: {type: call, definition: trip, next: low}
  costly:
    type: boundary
    on: trip
    escalation: "*"
    interrupting: false
    output: {price: "${escalation.payload.price}"}
    next: told
  low: {type: catch, condition: "${stock < 10}", next: end}
  told: {type: end}
  end: {type: end}
"""


@pytest.mark.kafka
def test_an_escalation_reaches_the_caller_and_a_condition_waits_for_its_variable(
    client, engine, settings_of, names
):
    client.publish("trip", CHILD)
    client.publish("planner", PARENT)
    client.run("planner", {}, instance_id="plan")
    stream = EventStream(settings_of(), beginning=True, instance_id="plan")
    events = []
    for event in stream.watch(60):
        events.append(event.message)
        if event.message.envelope.type == "event.awaited":
            client.set_variables("plan", {"stock": 3})
    stream.close()
    raised = [e.body for e in events if e.envelope.type == "escalation.raised"]
    assert [(body.node, body.code, body.caught_by) for body in raised] == [
        ("trip", "Costly", "costly")
    ]
    acted = [e.body.node for e in events if e.envelope.type == "event.triggered"]
    assert acted == ["costly", "low"]
    assert b'"price":900' in events[-1].body.result
    said = audit(settings_of().kafka_bootstrap_servers, names, 4)
    assert said.faults == []
