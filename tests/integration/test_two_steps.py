"""Create, start, delete: an instance in steps, by the command line and the client."""

import pytest
from typer.testing import CliRunner

from connectors.cli.main import app_of
from connectors.client.client import Options
from connectors.client.errors import CommandRejectedError
from connectors.client.events import EventStream
from schemas.json_text import parse

SOURCE = """
id: two
version: 1.0.0
nodes:
  start: {type: start, next: pause}
  pause: {type: timer, duration: 0, next: end}
  end: {type: end}
"""


def events_of(settings, name, last):
    stream = EventStream(settings, beginning=True, instance_id=name)
    found = []
    for _ in range(100):
        found += [event.message for event in stream.read(0.3)]
        if last in [message.envelope.type for message in found]:
            break
    stream.close()
    return found


@pytest.mark.kafka
def test_an_instance_is_created_started_and_deleted(engine, client, environment, settings_of):
    client.publish("two", SOURCE)

    def run(*arguments):
        return CliRunner().invoke(app_of(), ["instance", *arguments], env=environment)

    made = run("create", "two", "--id", "t-1", "--vars", '{"n": 1}', "--metadata", '{"who": "Ü"}')
    assert (made.exit_code, made.stdout.strip()) == (0, "t-1 created"), made.output
    assert run("begin", "t-1").exit_code == 0
    assert run("begin", "t-1").exit_code != 0
    kinds = [e.envelope.type for e in events_of(settings_of(), "t-1", "workflow.completed")]
    assert kinds[:2] == ["workflow.created", "workflow.started"]
    gone = run("delete", "t-1", "--reason", "tidy")
    assert gone.exit_code == 0, gone.output
    events = events_of(settings_of(), "t-1", "workflow.deleted")
    assert parse(events[0].body.metadata) == {"who": "Ü"}
    assert events[-1].body.reason == "tidy"
    assert [event.envelope.sequence for event in events] == list(range(1, len(events) + 1))


@pytest.mark.kafka
def test_a_sequence_that_has_passed_is_a_conflict(engine, client):
    client.publish("two", SOURCE)
    created = client.create("two", instance_id="s-1", metadata={"a": 1})
    assert created.reply.sequence == 1
    with pytest.raises(CommandRejectedError, match="at sequence 1, the command expects 7"):
        client.start("s-1", Options(expected_sequence=7))
    client.start("s-1", Options(expected_sequence=1))
