"""Events of devices in a workflow: how they are written, and what the watch is told."""

import json
from pathlib import Path

import pytest

from schemas.commands import (
    AcceptMessage,
    CancelInstance,
    CloseSubscription,
    Correlate,
    RejectMessage,
    ResumeInstance,
    RetryIncident,
    RunInstance,
    SubscriptionClosed,
    SuspendInstance,
)
from schemas.events import EventAwaited, EventTriggered
from schemas.watch_commands import OpenWatch
from schemas.watch_events import DeviceWait
from streams.domain.protocol import SendCommand
from streams.forms import examine, prove, read_definition
from streams.forms.write import write_definition
from streams.testing.spec import has, instance
from streams.testing.steps import complete, waiting

FLOW = """
id: flow
version: 1.0.0
variables: {{limit: number, d: string}}
nodes:
  start: {{type: start, next: hot}}
  hot: {{type: catch, device: "${{d}}", {keys}, result_path: seen, next: end}}
  end: {{type: end}}
"""
ABOVE = "metric: t, above: 30"
MINUTE = 60_000
OWNER = ("one", "first")


def flow(keys=ABOVE):
    return FLOW.format(keys=keys)


def started(keys=ABOVE, **variables):
    given = {"d": "d-1", "limit": 30} | variables
    return instance(flow(keys)).given(RunInstance("flow", "", json.dumps(given).encode()))


def told(after):
    """What watches are told, by device."""
    sent = [effect for effect in after.effects if isinstance(effect, SendCommand)]
    return [(one.aggregate_id, one.body) for one in sent if one.aggregate_type == "watch"]


@pytest.mark.parametrize(
    ("keys", "awaits"),
    [
        (ABOVE, DeviceWait("t", test="above", value=b"30")),
        ('metric: t, below: "${limit}"', DeviceWait("t", test="below", value=b"30.0")),
        ("metric: t, equals: 0", DeviceWait("t", test="equals", value=b"0")),
        ("metric: t, equals: false", DeviceWait("t", test="equals", value=b"false")),
        (
            f"{ABOVE}, for: PT5M, initial: true",
            DeviceWait("t", test="above", value=b"30", duration_ms=5 * MINUTE, initial=True),
        ),
        ("silent: PT10M", DeviceWait(test="silent", duration_ms=10 * MINUTE)),
        ("event_type: alarm", DeviceWait("", "alarm")),
        (
            "event_type: alarm, metric: t, above: 3",
            DeviceWait("t", "alarm", "above", b"3"),
        ),
        (
            'metric: t, condition: "${value > limit * 1.1}"',
            DeviceWait(
                "t", test="condition", condition="value > limit * 1.1", variables={"limit": b"30.0"}
            ),
        ),
        (
            'condition: "metrics.a > metrics.b", for: 90',
            DeviceWait("", "", "condition", b"null", "metrics.a > metrics.b", {}, 90_000),
        ),
    ],
)
def test_what_is_written_is_what_the_watch_is_told(keys, awaits):
    definition = read_definition(flow(keys))
    assert read_definition(write_definition(definition)) == definition
    spec = started(keys)
    assert told(spec) == [("d-1", OpenWatch(*OWNER, 2, "hot", awaits))]


@pytest.mark.parametrize(
    ("keys", "path", "words"),
    [
        ("metric: t", "nodes.hot", "what is the metric to be?"),
        ("above: 30", "nodes.hot", "above of which metric?"),
        ("metric: t, above: 3, below: 5", "nodes.hot", "one of above, below, equals, condition"),
        ("metric: t, above: hot", "nodes.hot", "above is a number or an expression, not 'hot'"),
        ("initial: true", "nodes.hot", "needs above, below, equals or condition"),
        ("silent: PT10M, metric: t", "nodes.hot", "metric does not go with it"),
        ("silent: soon", "nodes.hot", "'soon' is no ISO 8601 duration"),
        (f"{ABOVE}, for: 0", "nodes.hot", "a duration of 0 is none"),
        ("event_type: a, for: PT1M, condition: value > 1", "nodes.hot", "each reading counts"),
        ("event_type: a, initial: true", "nodes.hot", "initial is of the last values"),
        ("message: paid", "nodes.hot", "signal, condition and device is needed"),
        ("metric: t, condition: value >", "nodes.hot.condition", "in `value >`"),
    ],
)
def test_keys_that_do_not_fit_are_refused_with_their_line(keys, path, words):
    (problem,) = read_definition(flow(keys))
    assert (problem.path, problem.line) == (path, 7)
    assert words in problem.message


def test_the_keys_of_a_device_need_a_device():
    (problem,) = read_definition(flow().replace('device: "${d}"', "message: paid"))
    assert "metric belongs to an event of a device: it needs `device`" in problem.message
    boundary = """
id: flow
version: 1.0.0
nodes:
  start: {type: start, next: work}
  work: {type: activity, activity_type: job, next: end}
  slow: {type: boundary, on: work, duration: PT1H, metric: t, next: end}
  end: {type: end}
"""
    (problem,) = read_definition(boundary)
    assert (problem.line, "it needs `device`" in problem.message) == (7, True)


def test_a_condition_that_mixes_numbers_is_warned_of():
    _, problems = examine(flow('metric: t, condition: "${value > limit * 2 + 1}"'))
    assert [problem.severity for problem in problems] == ["warning"]
    assert "limit * 2" in problems[0].message


def test_a_wait_for_a_device_is_sound_as_a_message_is():
    _, problems, verdict = prove(flow())
    assert (problems, verdict.sound) == ([], True)


def test_what_comes_about_is_taken_once():
    spec = started()
    assert isinstance(spec.past[1], EventAwaited)
    assert (spec.past[1].kind, spec.past[1].channel) == ("device", "device:d-1")
    decided = spec.when(Correlate(2, "device:d-1", "d-1:2", "device", b'{"value":31}'))
    after = decided.then(
        has(EventTriggered, node="hot", kind="device", message_id="d-1:2"), "workflow.completed"
    )
    assert told(decided) == [("d-1", AcceptMessage(*OWNER, 2, "d-1:2"))]
    assert after.state.variables["seen"] == b'{"value":31}'


def test_a_suspended_workflow_defers_and_says_when_it_is_ready():
    spec = started().given(SuspendInstance())
    decided = spec.when(Correlate(2, "device:d-1", "d-1:2", "device", b"{}"))
    ((device, body),) = told(decided)
    assert (device, isinstance(body, RejectMessage), body.final) == ("d-1", True, False)
    resumed = decided.accepted().when(ResumeInstance())
    awaits = DeviceWait("t", test="above", value=b"30")
    assert told(resumed) == [("d-1", OpenWatch(*OWNER, 2, "hot", awaits))]


def test_a_workflow_that_ends_closes_its_watch():
    assert told(started().when(CancelInstance())) == [("d-1", CloseSubscription(*OWNER, 2))]


def test_a_wait_that_cannot_be_judged_is_an_incident_and_may_be_opened_again():
    spec = started().given(SubscriptionClosed(2, "expression_failed", "the value is text"))
    (incident,) = spec.state.incidents.values()
    assert (incident.code, incident.node) == ("expression_failed", "hot")
    again = spec.when(RetryIncident(0))
    ((device, body),) = told(again)
    assert (device, type(body), body.subscription) == ("d-1", OpenWatch, 2)


@pytest.mark.parametrize(
    ("keys", "variables", "code"),
    [
        (ABOVE, {"d": "the blue one"}, "InvalidInput"),
        (ABOVE, {"d": 7}, "InvalidInput"),
        ('metric: t, above: "${missing}"', {}, "expression_failed"),
        ('metric: t, above: "${d}"', {}, "InvalidInput"),
        (ABOVE + ', for: "${limit * 0.0}"', {}, "InvalidInput"),
        ('silent: "${d}"', {}, "InvalidInput"),
    ],
)
def test_values_that_cannot_be_waited_for_are_an_incident(keys, variables, code):
    spec = started(keys, **variables)
    (incident,) = spec.state.incidents.values()
    assert (incident.code, incident.node, told(spec)) == (code, "hot", [])


def test_a_boundary_event_takes_many_beside_its_host():
    source = """
id: flow
version: 1.0.0
nodes:
  start: {type: start, next: work}
  work: {type: activity, activity_type: job, next: end}
  hot: {type: boundary, on: work, interrupting: false, device: d-1, metric: t, above: 30, next: say}
  say: {type: activity, activity_type: say, next: said}
  said: {type: end}
  end: {type: end}
"""
    spec = instance(source).given(RunInstance("flow"))
    ((_, body),) = told(spec)
    assert body.once is False
    for number in (1, 2):
        spec = spec.given(Correlate(3, "device:d-1", f"d-1:{number}", "device", b"{}"))
    assert waiting(spec) == ["say", "say", "work"]
    again = spec.when(Correlate(3, "device:d-1", "d-1:2", "device", b"{}"))
    again.then()
    assert told(again) == [("d-1", AcceptMessage(*OWNER, 3, "d-1:2"))]


EXAMPLE = (Path(__file__).resolve().parents[2] / "examples" / "nodes" / "device.yaml").read_text()


def came(spec, node, payload):
    """Let the watch offer something to the event that waits for it."""
    (number,) = [n for n, one in spec.state.subscriptions.items() if one.node == node]
    return spec.given(Correlate(number, "device:f-1", f"f-1:{number}", "device", payload))


def freezer(name):
    return instance(EXAMPLE).given(RunInstance("freezer", "", b'{"freezer":"%s"}' % name))


def test_the_example_wakes_its_workflow_and_hurries_it():
    spec = came(freezer(b"f-1"), "warm", b'{"how":"held","value":-9}')
    assert waiting(spec) == ["thaw"]
    assert spec.state.variables["seen"] == b'{"how":"held","value":-9}'
    assert [one.node for one in spec.state.subscriptions.values()] == ["hot", "cold"]
    spec = came(spec, "hot", b'{"how":"reading","value":-4}')
    assert (waiting(spec), spec.state.variables["reached"]) == (["hurry", "thaw"], b"-4")
    spec = came(spec, "cold", b'{"how":"reading","value":-19}')
    assert complete(spec, "hurry").state.status == "Completed"


def test_a_device_that_is_no_id_is_an_incident_of_its_gateway():
    (incident,) = freezer(b"the blue one").state.incidents.values()
    assert (incident.node, incident.code) == ("watch", "InvalidInput")


ASIDE = """
id: flow
version: 1.0.0
nodes:
  start: {{type: start, next: work}}
  work: {{type: activity, activity_type: job, next: end}}
  aside:
    type: scope
    event: true
    variables: {{told: any}}
    nodes:
      hot: {{type: start, device: d-1, {keys}, output: {{told: "${{output}}"}}, next: handle}}
      handle: {{type: activity, activity_type: job, input: {{told: "${{told}}"}}, next: done}}
      done: {{type: end}}
  end: {{type: end}}
"""


def test_a_device_starts_an_event_sub_process_again_and_again():
    source = ASIDE.format(keys="metric: t, above: 30, interrupting: false")
    spec = instance(source).given(RunInstance("flow"))
    ((device, body),) = told(spec)
    assert (device, body.node, body.once) == ("d-1", "hot", False)
    for match in ("d-1:4", "d-1:7"):
        payload = b'{"value":31}'
        spec = spec.given(Correlate(body.subscription, "device:d-1", match, "device", payload))
    assert waiting(spec) == ["handle", "handle", "work"]
    assert told(spec.when(CancelInstance())) == [("d-1", CloseSubscription(*OWNER, 3))]


def test_a_device_may_interrupt_the_scope_around():
    spec = instance(ASIDE.format(keys="silent: PT5M")).given(RunInstance("flow"))
    spec = spec.given(Correlate(3, "device:d-1", "d-1:4", "device", b'{"how":"silent"}'))
    assert (waiting(spec), spec.state.subscriptions) == (["handle"], {})
    assert complete(spec, "handle").state.status == "Completed"


def test_an_event_sub_process_whose_device_cannot_be_judged_waits_for_a_retry():
    source = ASIDE.format(keys="metric: t, condition: value > 3.0")
    spec = instance(source).given(RunInstance("flow"))
    spec = spec.given(SubscriptionClosed(3, "expression_failed", "the value is text"))
    (incident,) = spec.state.incidents.values()
    assert (incident.code, incident.node, waiting(spec)) == ("expression_failed", "hot", ["work"])
    ((device, body),) = told(spec.when(RetryIncident(0)))
    assert (device, type(body), body.subscription) == ("d-1", OpenWatch, 3)
