"""A workflow that holds a lock for a part of it, through Kafka."""

import pytest

from connectors.client.errors import CommandRejectedError
from connectors.client.events import EventStream

SOURCE = """
id: careful
version: 1.0.0
nodes:
  start: {type: start, next: part}
  part:
    type: scope
    lock: stock
    nodes:
      in: {type: start, next: wait}
      wait: {type: catch, signal: go, next: out}
      out: {type: end}
    next: end
  end: {type: end}
"""


@pytest.mark.kafka
def test_a_section_waits_for_the_lock_of_a_client_and_keeps_it_from_another(
    client, engine, settings_of
):
    client.publish("careful", SOURCE)
    held = client.acquire_lock("stock", 60, "before")
    client.run("careful", {}, instance_id="c-1")
    assert client.release_lock("stock", "before", held.token)
    stream = EventStream(settings_of(), beginning=True, instance_id="c-1")
    types = []
    for _ in range(100):
        types += [event.message.envelope.type for event in stream.read(0.3)]
        if "event.awaited" in types:
            break
    assert types[:4] == ["workflow.started", "section.awaited", "section.locked", "scope.started"]
    with pytest.raises(CommandRejectedError, match="LockAcquisition"):
        client.acquire_lock("stock", 5, "after", retry_count=1)
    client.broadcast_signal("go")
    assert client.acquire_lock("stock", 5, "after", wait=30).token > held.token
    stream.close()
