"""A person finds an approval in the list, claims it and decides it, by the command line."""

import json
import sys

import pytest

from connectors.cli.failures import guarded
from connectors.cli.main import app_of
from connectors.client.events import EventStream
from streams.testing.processes import Process

SOURCE = """
id: leave
version: 1.0.0
nodes:
  start: {type: start, next: decide}
  decide:
    type: approval
    title: Leave of ${days} days
    candidate_groups: [managers]
    form: {required: [until], properties: {until: {type: integer}}}
    output: {until: "${output.data.until}", who: "${output.completed_by}"}
    next: end
  end: {type: end}
result: {until: "${until}", who: "${who}"}
"""


@pytest.fixture
def tidemill(capsys, monkeypatch, environment):
    """Run a command in this process; return exit code, standard output and error output."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["tidemill", *words])
        capsys.readouterr()  # What the engine of this process has logged.
        code = guarded(lambda: app_of(words)(standalone_mode=False))
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture
def views(environment, tmp_path, engine):
    """A projector process."""
    made = Process(["-m", "connectors.cli", "project"], environment, tmp_path / "project.log")
    made.start()
    yield made
    made.kill()


@pytest.mark.kafka
def test_a_person_claims_and_decides(engine, client, settings_of, views, tidemill):
    client.publish("leave", SOURCE)
    position = client.run("leave", {"days": 9}, "l-1").reply.position
    words = ("--group", "managers", "--after", position, "--timeout", "60", "--json")
    code, out, err = tidemill("approval", "list", *words)
    assert code == 0, err
    (found,) = json.loads(out.splitlines()[-1])["approvals"]
    assert (found["title"], found["approval"], found["state"]) == ("Leave of 9 days", 2, "open")
    here = ("l-1", "2")
    code, _, err = tidemill("approval", "claim", *here, "--actor", "ann", "--group", "staff")
    assert (code, "for the groups managers" in " ".join(err.split())) == (4, True), err
    code, out, err = tidemill("approval", "claim", *here, "--actor", "ann", "--group", "managers")
    assert (code, out.splitlines()[-1]) == (0, "l-1 has approval 2 claimed by ann"), err
    code, _, err = tidemill("approval", "claim", *here, "--actor", "bob", "--group", "managers")
    assert (code, "claimed by ann" in err) == (4, True), err
    for words in (("comment", *here, "soon"), ("attach", *here, "plan", "file:plan")):
        assert tidemill("approval", *words, "--actor", "eve")[0] == 0
    decide = ("approval", "complete", *here, "approve", "--actor", "dee")
    assert tidemill("approval", "delegate", *here, "dee", "--actor", "ann")[0] == 0
    code, _, err = tidemill(*decide, "--data", '{"until": "May"}')
    assert (code, "$.until: integer is needed, this is string" in " ".join(err.split())) == (
        4,
        True,
    )
    code, out, err = tidemill(*decide, "--data", '{"until": 20260531}', "--json")
    assert code == 0, err
    words = ("--after", json.loads(out.splitlines()[-1])["position"], "--timeout", "60")
    code, out, err = tidemill("approval", "show", *here, *words)
    assert code == 0, err
    assert all(text in out for text in ("completed", "soon", "file:plan", "20260531", "dee"))
    code, out, _ = tidemill("approval", "list", "--for", "ann")
    assert (code, "no such approval" in out) == (0, True)
    stream = EventStream(settings_of(), beginning=True, instance_id="l-1")
    events = [event.message for event in stream.watch(60)]
    stream.close()
    assert json.loads(events[-1].body.result) == {"until": 20260531, "who": "dee"}


def test_a_wrong_use_is_told_before_anything_is_sent(tidemill):
    code, _, err = tidemill("approval", "complete", "i", "2", "approve")
    assert (code, "--actor" in err) == (2, True)
    code, _, err = tidemill("approval", "list", "--state", "done")
    assert (code, "open, claimed, completed, cancelled" in err) == (2, True)
    code, _, err = tidemill(
        "approval", "complete", "i", "2", "approve", "--actor", "a", "--data", "{"
    )
    assert (code, "--data" in err) == (2, True)
