"""A list worked through by a real engine, whose state is in parts on a real topic."""

import json

import pytest

from connectors.client.events import EventStream
from schemas.iteration_events import ItemCompleted
from streams.runtime.parts import is_part
from streams.testing.audit import audit, read_partition

SOURCE = """
id: pauses
version: 1.0.0
nodes:
  start: {type: start, next: each_order}
  each_order:
    type: scope
    each: {items: "${orders}", as: order, collect: {into: numbers, value: "${order.number}"}}
    nodes:
      in: {type: start, next: pause}
      pause: {type: timer, duration: "${order.wait}", next: out}
      out: {type: end}
    next: end
  end: {type: end}
"""


@pytest.mark.slow
@pytest.mark.kafka
def test_a_long_list_is_whole_and_leaves_no_part_behind(client, engine, settings_of, names):
    client.publish("pauses", SOURCE)
    orders = [{"number": n, "wait": n % 3, "note": "x" * 20} for n in range(240)]
    client.run("pauses", {"orders": orders}, instance_id="all")
    stream = EventStream(settings_of(), beginning=True, instance_id="all")
    bodies = [event.message.body for event in stream.watch(60)]
    stream.close()
    assert json.loads(bodies[-1].result)["numbers"] == list(range(240))
    assert sum(isinstance(body, ItemCompleted) for body in bodies) == 240
    bootstrap = settings_of().kafka_bootstrap_servers
    parts = {}
    for partition in range(4):
        for record in read_partition(bootstrap, names.state, partition):
            if is_part(record.key or b"") and b"/all" in record.key:
                parts[record.key] = record.value
    assert len(parts) > 5
    assert set(parts.values()) == {None}
    assert audit(bootstrap, names, 4).faults == []
