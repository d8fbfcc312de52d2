"""A saga over a called workflow, undone through Kafka; and a workflow that failed, restarted."""

import pytest
from typer.testing import CliRunner

from connectors.cli.main import app_of
from connectors.client.errors import CommandRejectedError
from connectors.client.events import EventStream
from connectors.workers.errors import NonRetryableError

TRIP = """
id: saga-trip
version: 1.4.2
nodes:
  start: {type: start, next: hotel}
  hotel: {type: activity, activity_type: b, input: hotel, compensate_with: no_hotel, next: flight}
  no_hotel: {type: activity, activity_type: unbook, input: "${result}"}
  flight: {type: activity, activity_type: b, input: flight, compensate_with: no_flight, next: end}
  no_flight: {type: activity, activity_type: unbook, input: "${result}"}
  end: {type: end}
"""
SAGA = """
id: saga
version: 1.0.0
nodes:
  start: {type: start, next: visa}
  visa: {type: activity, activity_type: b, input: visa, compensate_with: no_visa, next: trip}
  no_visa: {type: activity, activity_type: unbook, input: "${result}"}
  trip: {type: call, definition: saga-trip, version: ^1.2, placement: spread, next: pay}
  pay: {type: activity, activity_type: pay, next: end}
  unpaid: {type: boundary, on: pay, error: "*", next: give_up}
  give_up: {type: end, compensate: "*"}
  end: {type: end}
"""
LONE = """
id: lone
version: 1.0.0
nodes:
  start: {type: start, next: pay}
  pay: {type: activity, activity_type: pay, next: end}
  end: {type: end}
"""


def ended(settings, name):
    stream = EventStream(settings, beginning=True, instance_id=name)
    kinds = [event.message.envelope.type for event in stream.watch(60)]
    stream.close()
    return kinds


@pytest.mark.kafka
def test_a_saga_is_undone_newest_first_and_what_failed_is_restarted(
    engine, client, environment, settings_of, start_worker
):
    undone, purse = [], []

    def unbook(what):
        undone.append(what)

    def pay():
        if not purse:
            raise NonRetryableError("no money", "Broke")

    start_worker({"b": lambda what: what, "unbook": unbook, "pay": pay})
    for name, source in (("saga-trip", TRIP), ("saga", SAGA), ("lone", LONE)):
        client.publish(name, source)
    client.run("saga", {}, "saga-1")
    client.run("lone", {}, "lone-1")
    kinds = ended(settings_of(), "saga-1")
    assert (undone, kinds[-1]) == (["flight", "hotel", "visa"], "workflow.completed")
    assert kinds.count("handler.completed") == 2
    assert ended(settings_of(), "lone-1")[-1] == "workflow.failed"
    purse.append(100)
    words = ["instance", "restart", "lone-1", "--reason", "it has money"]
    done = CliRunner().invoke(app_of(), words, env=environment)
    assert (done.exit_code, done.stdout.strip()) == (0, "lone-1 goes on"), done.output
    stream = EventStream(settings_of(), beginning=True, instance_id="lone-1")
    found = []
    for _ in range(200):
        found += [event.message.envelope.type for event in stream.read(0.3)]
        if "workflow.completed" in found:
            break
    stream.close()
    assert {"workflow.restarted", "workflow.completed"} <= set(found)
    with pytest.raises(CommandRejectedError, match="InvalidState"):
        client.restart("lone-1")
