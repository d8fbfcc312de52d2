"""The examples, run to their end in the core: what they do is what their pages say."""

from pathlib import Path

import pytest

from schemas.commands import CompleteCall, FireTimer, RunInstance
from schemas.events import ActivityScheduled
from schemas.json_text import canonical, parse
from schemas.results import CompleteActivity
from streams.forms import examine
from streams.testing.spec import instance

FOLDER = Path(__file__).resolve().parents[2] / "examples"


def example(name):
    return instance((FOLDER / f"{name}.yaml").read_text())


def scheduled(spec):
    """The tasks so far: node, and input as a JSON value."""
    return [(e.activity_id, parse(e.input)) for e in spec.past if isinstance(e, ActivityScheduled)]


def answer(spec, replies):
    """Work until the end: each activity answers what `replies` has for its node."""
    while spec.state.status == "Running":
        for key, activity in spec.state.activities.items():
            reply = replies.get(activity.node, {})
            value = reply.pop(0) if isinstance(reply, list) else reply
            spec = spec.given(CompleteActivity(key, activity.attempt, canonical(value)))
        for key in list(spec.state.calls):
            spec = spec.given(CompleteCall(key, b'{"result":"hello"}'))
        if due := spec.next_due():
            spec = spec.later(max(0, due - spec.now)).given(FireTimer(due))
    return spec


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_an_example_has_nothing_to_complain_of_but_a_choice_without_a_default(path):
    _, problems = examine(path.read_text(), path.name)
    assert [str(problem) for problem in problems if "no default flow" not in problem.message] == []


def test_hello_greets():
    spec = answer(example("hello").given(RunInstance("hello")), {"greet": "hello world"})
    assert scheduled(spec) == [("greet", {"who": "world"})]
    assert parse(spec.past[-1].result) == {"who": "world", "result": "hello world"}


@pytest.mark.parametrize(("express", "waits"), [("false", True), ("true", False)])
def test_an_order_is_charged_and_packed_and_cools_down_unless_it_is_express(express, waits):
    variables = b'{"amount":12.5,"express":%s}' % express.encode()
    spec = example("order").given(RunInstance("order", "", variables))
    assert scheduled(spec) == [("charge", {"amount": 12.5}), ("pack", {})]
    begin = spec.now
    spec = answer(spec, {"charge": {"id": 7}, "pack": {"kg": 2}})
    assert (spec.now - begin > 0) is waits
    assert parse(spec.past[-1].result) == {"paid": {"id": 7}, "greeting": "hello"}


def state(temperature):
    metrics = {"temperature": temperature, "humidity": 40, "battery": 90}
    return {"metrics": metrics, "last_updated": "2026-05-01T08:00:00Z"}


@pytest.mark.parametrize("cycles", [1, 2, 5])
def test_the_monitoring_ends_after_the_cycles_that_were_asked_for(cycles):
    variables = {"deviceId": "d-1", "maxMonitoringCycles": cycles, "monitoringInterval": 60}
    spec = example("temperature_monitoring").given(
        RunInstance("temperature_monitoring", "", canonical(variables))
    )
    begin = spec.now
    spec = answer(spec, {"query_device_state": state(20)})
    assert [node for node, _ in scheduled(spec)] == [
        "initialize_device",
        *["query_device_state"] * cycles,
    ]
    assert spec.now - begin == cycles * 60_000
    assert spec.state.variables["monitoringCount"] == b"%d" % cycles


def test_the_monitoring_alerts_above_the_threshold_and_only_there():
    variables = {"deviceId": "d-1", "maxMonitoringCycles": 3, "temperatureThreshold": 30}
    spec = example("temperature_monitoring").given(
        RunInstance("temperature_monitoring", "", canonical(variables))
    )
    spec = answer(spec, {"query_device_state": [state(30), state(31), state(30.5)]})
    alerts = [given for node, given in scheduled(spec) if node == "send_alert"]
    assert [alert["body_template"].partition("当前温度: ")[2][:4] for alert in alerts] == [
        "31°C",
        "30.5",
    ]
    assert alerts[0]["recipients"] == ["operator@example.com"]
    requests = [given for node, given in scheduled(spec) if node == "log_to_enterprise_system"]
    assert [r["parameter_mapping"]["temperature"] for r in requests] == [31, 30.5]
    assert spec.state.incidents == {}
