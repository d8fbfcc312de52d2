"""Definitions are deleted through Kafka: nothing new starts from them, what runs goes on."""

import json

import pytest

from connectors.cli.failures import guarded
from connectors.cli.main import app_of
from connectors.client.errors import CommandRejectedError
from connectors.client.events import EventStream
from streams.testing.processes import until

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]

FLOW = """
id: flow
version: {version}
nodes:
  start: {{type: start, next: wait}}
  ordered: {{type: start, message: placed, next: wait}}
  wait: {{type: catch, message: go-on, key: "${{who}}", next: end}}
  end: {{type: end}}
variables: {{who: {{type: string, default: nobody}}}}
"""


@pytest.fixture
def tidemill(environment, monkeypatch, capfd):
    """Run a command in this process; return exit code, standard output and error output."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def run(*words):
        capfd.readouterr()
        code = guarded(lambda: app_of(words)(list(words), standalone_mode=False))
        return code, *capfd.readouterr()

    return run


@pytest.fixture
def history(settings_of):
    """Return the events of an instance until it ends, or so many of them."""

    def read(name, seconds=30):
        stream = EventStream(settings_of(), beginning=True, instance_id=name)
        found = [event.message for event in stream.watch(seconds)]
        stream.close()
        return found

    return read


@pytest.mark.slow
def test_a_deleted_version_starts_nothing_more_and_what_runs_goes_on(
    client, engine, tidemill, history
):
    for version in ("1.0.0", "2.0.0"):
        client.publish("flow", FLOW.format(version=version))
    client.run("flow", {"who": "ann"}, instance_id="i-1")
    answer = client.delete_definition("flow", "2.0.0", "wrong")
    assert json.loads(answer.reply.result)["deleted"] == ["2.0.0"]
    client.run("flow", {"who": "bob"}, instance_id="i-2")
    with pytest.raises(CommandRejectedError, match=r"2\.0\.0"):
        client.run("flow", version="2.0.0", instance_id="i-3")
    for who in ("ann", "bob"):
        client.publish_message("go-on", who)
    ended = {name: history(name) for name in ("i-1", "i-2")}
    assert [one[-1].envelope.type for one in ended.values()] == ["workflow.completed"] * 2
    versions = [one[0].body.definition_version for one in ended.values()]
    assert versions == ["2.0.0", "1.0.0"]

    _, out, _ = tidemill("definition", "list", "--json")
    assert [row["version"] for row in json.loads(out)] == ["1.0.0"]
    _, out, _ = tidemill("definition", "list", "--all", "--json")
    assert [row["status"] for row in json.loads(out)] == ["published", "deleted"]
    assert "wrong" in tidemill("definition", "show", "flow", "--version", "2.0.0")[2]
    code, out, errors = tidemill("definition", "delete", "flow", "--yes")
    assert (code, "flow 1.0.0 is deleted" in out) == (0, True), errors
    assert tidemill("definition", "list")[1].strip() == "nothing is published yet"
    until(lambda: is_refused(client), 30)


def is_refused(client):
    """Tell whether nothing starts any more: another client's deletion is heard a moment later."""
    try:
        client.run("flow")
    except CommandRejectedError as error:
        return "flow" in str(error)
    return False
