"""An engine with a defect on a real Kafka: what it stops is seen, retried, and shown as done."""

import json

import pytest

from connectors.cli.failures import guarded
from connectors.cli.main import app_of
from schemas.ids import channel_id
from streams.testing.audit import audit
from streams.testing.processes import Process, until

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
DEFECT = """
import sys
from pathlib import Path
from streams.app import run_engine
from streams.domain.channel.aggregate import CHANNEL
from streams.loop import run
from streams.settings import EngineSettings

original = CHANNEL.decide

def decide(command, state, ctx):
    if type(command).__name__ == "AcceptMessage" and Path(sys.argv[1]).exists():
        raise ZeroDivisionError("a planted defect")
    return original(command, state, ctx)

type(CHANNEL).decide = staticmethod(decide)
run(run_engine(EngineSettings()))
"""
WAITS = """
id: waits
version: 1.0.0
nodes:
  start: {type: start, next: got}
  got: {type: catch, message: paid, key: "${key}", next: end}
  end: {type: end}
"""


@pytest.fixture
def defect(tmp_path):
    """The engine has its defect as long as this file is there."""
    path = tmp_path / "defect"
    path.touch()
    return path


@pytest.fixture
def engine(environment, tmp_path, defect):
    """An engine with a defect."""
    words = ["-c", DEFECT, str(defect)]
    with Process(words, environment, tmp_path / "engine.log") as process:
        yield process


@pytest.fixture
def tidemill(environment, engine, tmp_path, monkeypatch, capfd):
    """Run a command in this process, beside a projector; its exit code and its output."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    words = ["-m", "connectors.cli", "project"]
    with Process(words, environment, tmp_path / "project.log"):

        def run(*words):
            capfd.readouterr()
            code = guarded(lambda: app_of(words)(list(words), standalone_mode=False))
            return code, capfd.readouterr().out

        yield run


def test_what_a_defect_stops_is_listed_and_goes_on_when_it_is_retried(
    tidemill, client, defect, settings_of, names
):
    client.publish("waits", WAITS)
    client.run("waits", {"key": "o-7"}, "i-1")
    channel = channel_id("message", "paid", "o-7")
    shown = ("channel", "show", "paid", "--key", "o-7", "--json")

    def channel_row():
        code, out = tidemill(*shown)
        return json.loads(out)["channel"] if code == 0 else None

    until(lambda: channel_row() is not None)
    assert [one["owner_id"] for one in channel_row()["subscribers"]] == ["i-1"]
    client.publish_message("paid", "o-7", {"n": 1}, message_id="m-1")

    def stalled():
        return json.loads(tidemill("stalled", "list", "--type", "channel", "--json")[1])["stalled"]

    until(lambda: len(stalled()) == 1)
    (one,) = stalled()
    assert (one["aggregate_id"], one["command"]) == (channel, "AcceptMessage")
    assert "a planted defect" in one["message"]
    assert [kept["id"] for kept in channel_row()["messages"]] == ["m-1"]
    assert "offered" in tidemill("channel", "show", "paid", "--key", "o-7")[1]
    assert "message" in tidemill("channel", "list")[1]
    # Retried too early, it is stopped again.
    assert tidemill("stalled", "retry", "channel", channel)[0] == 0
    until(lambda: [again["incident"] for again in stalled()] == [one["incident"] + 2])
    defect.unlink()
    retried = tidemill("stalled", "retry", "--all", "--actor", "ann")
    assert retried == (0, f"channel {channel} goes on\n")
    until(lambda: "nothing is stopped" in tidemill("stalled", "list")[1])
    until(lambda: channel_row()["taken"] == 1)
    assert "nothing waits" in tidemill("channel", "list")[1]
    assert "1 taken" in tidemill("channel", "show", "paid", "--key", "o-7")[1]
    assert "paid" in tidemill("channel", "list", "--all")[1]
    found = audit(settings_of().kafka_bootstrap_servers, names, 4)
    assert (found.faults, found.unfinished) == ([], [])


def test_a_broadcast_is_seen_at_its_channel_and_what_is_wrong_is_said(tidemill, client):
    client.broadcast_signal("closed", {"at": 5}, signal_id="s-1")
    until(lambda: "s-1" in tidemill("channel", "show", "closed", "--signal")[1])
    until(lambda: tidemill("channel", "show", "other")[0] == 5)
    assert tidemill("channel", "show", "closed", "--signal", "--key", "k")[0] == 2
    assert tidemill("stalled", "list", "--type", "batch")[0] == 2
    assert tidemill("stalled", "retry", "channel")[0] == 2
    assert tidemill("stalled", "retry", "channel", "signal:closed", "--all")[0] == 2
    assert tidemill("stalled", "retry", "channel", "signal:closed")[0] == 4
