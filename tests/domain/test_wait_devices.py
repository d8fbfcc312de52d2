"""Devices among the events of a combined wait: what is watched, what comes, what is given up."""

import json
from pathlib import Path

import pytest

from schemas.commands import (
    AcceptMessage,
    CloseSubscription,
    Correlate,
    RejectMessage,
    ResumeInstance,
    RetryIncident,
    RunInstance,
    SetVariables,
    SubscriptionClosed,
    SuspendInstance,
)
from schemas.wait_events import WaitProgressed
from schemas.watch_commands import OpenWatch
from schemas.watch_events import DeviceWait
from streams.domain.protocol import SendCommand
from streams.testing.spec import has, instance
from streams.testing.steps import complete, fire, waiting

OWNER = ("one", "first")
HOT = "{device: d-1, metric: t, above: 30, name: hot}"
COLD = '{device: "${d}", metric: t, below: 5, for: PT1M, name: cold}'
SHUT = "{device: door, event_type: shut}"
GONE = "{device: d-1, silent: PT5M}"


def started(wait, **variables):
    source = f"""
id: flow
version: 1.0.0
nodes:
  start: {{type: start, next: wait}}
  wait: {{type: wait, {wait}, output: {{got: "${{output}}", met: "${{met}}"}}, next: end}}
  end: {{type: end}}
"""
    return instance(source).given(RunInstance("flow", "", json.dumps(variables).encode()))


def told(after):
    """What watches are told, by device."""
    sent = [effect for effect in after.effects if isinstance(effect, SendCommand)]
    return [(one.aggregate_id, one.body) for one in sent if one.aggregate_type == "watch"]


def offer(number, device="d-1", match="d-1:4", **payload):
    return Correlate(number, f"device:{device}", match, "device", json.dumps(payload).encode())


def result(spec):
    return json.loads(spec.state.variables["got"]), json.loads(spec.state.variables["met"])


def test_each_is_watched_with_its_own_number_and_one_reading_may_be_of_several():
    spec = started(f"all: [{HOT}, {COLD}, {GONE}, {{message: m}}]", d="d-2")
    assert told(spec) == [
        ("d-1", OpenWatch(*OWNER, 2, "wait", DeviceWait("t", test="above", value=b"30"))),
        (
            "d-2",
            OpenWatch(*OWNER, 3, "wait", DeviceWait("t", "", "below", b"5", duration_ms=60_000)),
        ),
        ("d-1", OpenWatch(*OWNER, 4, "wait", DeviceWait(test="silent", duration_ms=300_000))),
    ]
    spec = spec.given(offer(2, value=31), offer(4, how="silent"))
    assert [body.name for body in spec.past if isinstance(body, WaitProgressed)] == [
        "hot",
        "silent",
    ]
    assert spec.state.subscriptions.keys() == {3, 5}


def test_any_closes_the_watches_of_what_is_given_up():
    spec = started(f"any: [{HOT}, {SHUT}, {GONE}]")
    decided = spec.when(offer(3, "door", "door:7", event_type="shut"))
    after = decided.then(
        has(WaitProgressed, name="shut", kind="device", message_id="door:7", closed=[2, 4]),
        "workflow.completed",
    )
    assert told(decided) == [
        ("door", AcceptMessage(*OWNER, 3, "door:7")),
        ("d-1", CloseSubscription(*OWNER, 2)),
        ("d-1", CloseSubscription(*OWNER, 4)),
    ]
    assert result(after) == ({"shut": {"event_type": "shut"}}, True)


def test_a_sequence_watches_the_next_when_the_former_came():
    spec = started(f"sequence: [{SHUT}, {COLD}]", d="d-2")
    assert [device for device, _ in told(spec)] == ["door"]
    spec = spec.given(SetVariables(b'{"d":"d-3"}'))
    decided = spec.when(offer(2, "door"))
    assert [device for device, _ in told(decided)] == ["door", "d-3"]


@pytest.mark.parametrize(("comes", "met"), [(True, False), (False, True)])
def test_a_device_may_be_what_must_not_come(comes, met):
    spec = started("not: {device: d-1, event_type: alarm, within: PT1H}")
    spec = spec.given(offer(2, event_type="alarm")) if comes else fire(spec)
    assert (spec.state.status, result(spec)[1], spec.state.subscriptions) == ("Completed", met, {})
    assert isinstance(told(spec)[-1][1], AcceptMessage if comes else CloseSubscription)


def test_what_comes_again_is_taken_once_and_what_comes_late_is_refused():
    spec = started(f"all: [{HOT}, {{message: m}}]").given(offer(2, value=31))
    decided = spec.when(offer(2, match="d-1:9", value=33))
    decided.then()
    ((_, body),) = told(decided)
    assert (type(body), body.final) == (RejectMessage, True)


def test_a_suspended_wait_defers_and_its_watches_are_ready_when_it_is_resumed():
    spec = started(f"all: [{HOT}, {GONE}]").given(SuspendInstance())
    ((_, body),) = told(spec.when(offer(2)))
    assert (type(body), body.final) == (RejectMessage, False)
    assert [body.subscription for _, body in told(spec.when(ResumeInstance()))] == [2, 3]


def test_one_that_cannot_be_watched_begins_none_of_them():
    spec = started(f"all: [{HOT}, {COLD}]", d=7)
    (incident,) = spec.state.incidents.values()
    assert (incident.code, incident.node, spec.state.subscriptions) == ("InvalidInput", "wait", {})
    spec = spec.given(SetVariables(b'{"d":"d-2"}'), RetryIncident(0))
    assert [device for device, _ in told(spec)] == ["d-1", "d-2"]


def test_one_that_cannot_be_judged_is_an_incident_that_opens_it_again():
    spec = started(f"all: [{HOT}, {GONE}]").given(offer(3, how="silent"))
    spec = spec.given(SubscriptionClosed(2, "limit_exceeded", "too many"))
    (incident,) = spec.state.incidents.values()
    assert (incident.code, incident.node) == ("limit_exceeded", "wait")
    decided = spec.when(RetryIncident(0))
    assert [(device, body.subscription) for device, body in told(decided)] == [("d-1", 2)]
    after = decided.accepted().given(offer(2, value=31))
    assert (after.state.status, list(result(after)[0])) == ("Completed", ["hot", "silent"])


EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "nodes" / "wait_device.yaml"


@pytest.mark.parametrize(("alarm", "node"), [(False, "fill"), (True, "repair")])
def test_the_example_is_played(alarm, node):
    spec = instance(EXAMPLE.read_text()).given(RunInstance("cold-store", "", b'{"store":"s-1"}'))
    numbers = {one.part: number for number, one in spec.state.subscriptions.items()}
    spec = spec.given(offer(numbers[1], "s-1", value=-20), offer(numbers[2], "s-1", match="s-1:5"))
    (shut,) = [n for n, one in spec.state.subscriptions.items() if one.part == 3]
    spec = spec.given(offer(shut, "s-1", match="s-1:6"))
    spec = spec.given(offer(numbers[4], "s-1", match="s-1:7")) if alarm else fire(spec)
    celsius = b"null" if alarm else b"-20"
    assert (waiting(spec), spec.state.variables["celsius"]) == ([node], celsius)
    assert complete(spec, node).state.status == "Completed"
