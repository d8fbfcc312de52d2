"""A combined wait beside a repeating timer, through Kafka."""

import pytest

from connectors.client.events import EventStream
from streams.testing.audit import audit

PARCEL = """
id: parcel
version: 1.0.0
nodes:
  start: {type: start, next: part}
  part:
    type: scope
    nodes:
      in: {type: start, next: arrived}
      arrived:
        type: wait
        sequence: [{message: paid, key: "${order}"}, {any: [{signal: landed}, {duration: P1D}]}]
        result_path: came
        next: out
      out: {type: end}
    next: end
  tick: {type: boundary, on: part, cycle: R2/PT1S, interrupting: false, next: ticked}
  ticked: {type: end}
  end: {type: end}
"""


@pytest.mark.kafka
def test_a_wait_takes_its_events_in_their_order_while_a_timer_comes_again(
    client, engine, settings_of, names
):
    client.publish("parcel", PARCEL)
    client.run("parcel", {"order": "7"}, instance_id="one")
    stream = EventStream(settings_of(), beginning=True, instance_id="one")
    events = []
    for event in stream.watch(60):
        events.append(event.message)
        kind, body = event.message.envelope.type, event.message.body
        if kind == "event.triggered" and not body.stays:
            client.publish_message("paid", "7", {"amount": 5})
        elif kind == "event.awaited" and body.channel == "signal:landed":
            client.broadcast_signal("landed", {"belt": 3})
    stream.close()
    ticks = [e.body for e in events if e.envelope.type == "event.triggered"]
    assert (sum(1 + body.missed for body in ticks), ticks[-1].stays) == (2, False)
    came = [(e.body.name, e.body.status) for e in events if e.envelope.type == "wait.progressed"]
    assert came == [("paid", "open"), ("landed", "met")]
    assert b'"came":{"landed":{"belt":3},"paid":{"amount":5}}' in events[-1].body.result
    said = audit(settings_of().kafka_bootstrap_servers, names, 4)
    assert said.faults == []
