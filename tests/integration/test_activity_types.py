"""Activity types on a real Kafka: workers register them, publishing warns where none has."""

import json
from dataclasses import dataclass

import pytest

from connectors.cli.failures import guarded
from connectors.cli.main import app_of
from connectors.client.activity_types import activity_types
from streams.testing.processes import until

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]


@dataclass
class Order:
    number: int


def charge(order: Order) -> int:
    """Charge a card."""
    return order.number


FLOW = """
id: flow
version: 1.0.0
nodes:
  start: {type: start, next: charge}
  charge: {type: activity, activity_type: charge, input: {number: seven}, next: ship}
  ship: {type: activity, activity_type: ship, next: end}
  end: {type: end}
"""


@pytest.fixture
def tidemill(environment, monkeypatch, capfd):
    """Run a command in this process; return exit code, standard output and error output."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def run(*words):
        capfd.readouterr()
        code = guarded(lambda: app_of(words)(list(map(str, words)), standalone_mode=False))
        return code, *capfd.readouterr()

    return run


def test_workers_register_what_they_do_and_owners_say_more(
    engine, client, start_worker, settings_of, tidemill, tmp_path
):
    start_worker({"charge": charge})
    until(lambda: activity_types(settings_of()), 60)
    code, out, errors = tidemill(
        "activity-type", "register", "charge", "--owner", "payments", "--start-to-close", "PT30S"
    )
    assert (code, "charge is registered" in out) == (0, True), errors
    code, out, _ = tidemill("activity-type", "show", "charge", "--json")
    shown = json.loads(out)
    assert (shown["owner"], shown["description"]) == ("payments", "Charge a card.")
    assert shown["input_schema"]["required"] == ["number"]
    assert shown["start_to_close_ms"] == 30_000

    file = tmp_path / "flow.yaml"
    file.write_text(FLOW)
    code, _, errors = tidemill("definition", "publish", file)
    assert code == 0, errors
    assert "flow.yaml:7:" in errors
    assert "no worker has registered the activity type 'ship'" in errors
    assert "the input does not fit 'charge': $.number: integer is needed" in errors
    code, out, _ = tidemill("definition", "validate", "--registered", "--json", file)
    assert (code, [one["severity"] for one in json.loads(out)]) == (0, ["warning", "warning"])

    assert tidemill("activity-type", "remove", "charge")[0] == 0
    assert tidemill("activity-type", "show", "charge")[0] == 5
