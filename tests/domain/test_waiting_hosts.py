"""Boundary events on what only waits: a catch of each kind, a timer, a combined wait."""

import json

import pytest

from schemas.commands import (
    CloseSubscription,
    Correlate,
    RejectMessage,
    ResumeInstance,
    RetryIncident,
    RunInstance,
    SetVariables,
    SkipNode,
    SubscriptionClosed,
    SuspendInstance,
)
from schemas.events import ErrorOccurred
from schemas.ids import channel_address
from schemas.results import CompleteActivity
from streams.domain.net.soundness import soundness
from streams.domain.protocol import SendCommand
from streams.forms import examine, read_definition
from streams.forms.write import write_definition
from streams.testing.spec import has, instance
from streams.testing.steps import complete, fire, waiting

HOSTS = {
    "message": 'type: catch, message: paid, key: "${order}"',
    "signal": "type: catch, signal: paid",
    "condition": 'type: catch, condition: "${n > 5}"',
    "device": 'type: catch, device: "${order}", metric: t, above: 30',
    "timer": "type: timer, duration: PT9H",
    "wait": 'type: wait, all: [{message: paid, key: "${order}"}, {signal: delivered}]',
}
EVENTS = {
    "timer": "duration: PT1H",
    "cycle": "cycle: R/PT1H",
    "message": 'message: called-off, key: "${order}"',
    "signal": "signal: called-off",
    "condition": 'condition: "${halt}"',
    "device": 'device: "${order}", silent: PT1H',
}
SOURCE = """
id: flow
version: 1.0.0
variables: {order: string, n: integer, halt: boolean}
nodes:
  start: {type: start, next: host}
  host: {HOST, next: end}
  event: {type: boundary, on: host, EVENT, interrupting: STOPS, next: other}
  other: {type: activity, activity_type: job, next: done}
  done: {type: end}
  end: {type: end}
"""


def source(host, event, *, stops=True):
    text = SOURCE.replace("HOST", HOSTS[host]).replace("EVENT", EVENTS[event])
    return text.replace("STOPS", str(stops).lower())


def started(host="message", event="timer", *, stops=True):
    given = json.dumps({"order": "o-7", "n": 1, "halt": False}).encode()
    return instance(source(host, event, stops=stops)).given(RunInstance("flow", "", given))


def offered(spec, node, message="m1"):
    """What a channel or a watch offers to the first event that a node waits for."""
    number = min(n for n, one in spec.state.subscriptions.items() if one.node == node)
    channel = spec.state.subscriptions[number].channel
    return Correlate(number, channel, message, "paid", b'{"amount":5}')


def comes(spec, node, kind):
    """Let what a node waits for come about."""
    if kind in ("timer", "cycle"):
        return fire(spec)
    if kind == "condition":
        return spec.given(SetVariables(b'{"n":9}' if node == "host" else b'{"halt":true}'))
    if kind == "wait":
        return spec.given(offered(spec, node)).given(offered(spec.given(offered(spec, node)), node))
    return spec.given(offered(spec, node))


def closed(spec):
    """The channels and watches that were told of an end."""
    bodies = [(one.aggregate_id, one.body) for one in spec.effects if isinstance(one, SendCommand)]
    return [name for name, body in bodies if isinstance(body, CloseSubscription)]


def channels(spec, node):
    """The channels and watches that a node waits for."""
    names = [one.channel for one in spec.state.subscriptions.values() if one.node == node]
    return [channel_address(name)[1] for name in names if name]


BOTH = [(host, event) for host in HOSTS for event in EVENTS]


@pytest.mark.parametrize(("host", "event"), BOTH)
def test_an_event_that_interrupts_ends_the_waiting(host, event):
    spec = started(host, event)
    waited = channels(spec, "host")
    spec = comes(spec, "event", event)
    assert waiting(spec) == ["other"]
    state = spec.state
    assert (state.subscriptions, state.timers, state.waits, spec.next_due()) == ({}, {}, {}, 0)
    assert {*waited} <= {*closed(spec)}
    assert complete(spec, "other").state.status == "Completed"


@pytest.mark.parametrize(("host", "event"), BOTH)
def test_an_event_that_does_not_interrupt_leaves_the_host_waiting(host, event):
    spec = comes(started(host, event, stops=False), "event", event)
    assert (waiting(spec), closed(spec)) == (["other"], [])
    assert "host" in spec.state.tokens.values()
    while host == "timer" and spec.state.timers:
        spec = fire(spec)
    spec = spec if host == "timer" else comes(spec, "host", host)
    assert "host" not in spec.state.tokens.values()
    assert (spec.state.subscriptions, spec.state.timers, spec.next_due()) == ({}, {}, 0)
    while waiting(spec):
        (first, *_) = spec.state.activities
        spec = spec.given(_done(spec, first))
    assert spec.state.status == "Completed"


def _done(spec, number):
    return CompleteActivity(number, spec.state.activities[number].attempt, b"{}")


@pytest.mark.parametrize("event", [one for one in EVENTS if one not in ("timer", "cycle")])
@pytest.mark.parametrize("host", [one for one in HOSTS if one != "timer"])
def test_what_comes_first_closes_what_the_boundary_waited_for(host, event):
    spec = started(host, event)
    waited = channels(spec, "event")
    spec = comes(spec, "host", host)
    assert (spec.state.status, spec.state.subscriptions) == ("Completed", {})
    assert {*waited} <= {*closed(spec)}


# Races: what was matched when the waiting ended, what comes while suspended.


def test_a_message_that_comes_too_late_is_refused_for_the_next_who_waits():
    spec = started()
    late = offered(spec, "host")
    spec = fire(spec)
    decided = spec.when(late)
    (body,) = [one.body for one in decided.effects if isinstance(one.body, RejectMessage)]
    assert (body.final, body.message_id) == (True, "m1")
    assert waiting(decided.accepted()) == ["other"]


def test_an_interruption_that_comes_too_late_finds_the_message_taken():
    spec = started(event="message")
    off = offered(spec, "event", "m2")
    spec = spec.given(offered(spec, "host"))
    assert spec.state.status == "Completed"
    bodies = [one.body for one in spec.when(off).effects if isinstance(one, SendCommand)]
    assert isinstance(bodies[-1], RejectMessage)


def test_while_suspended_neither_comes_and_afterwards_the_first_does():
    spec = started(event="message").given(SuspendInstance())
    for node in ("host", "event"):
        bodies = [
            one.body for one in spec.when(offered(spec, node)).effects if hasattr(one, "body")
        ]
        (answer,) = [body for body in bodies if isinstance(body, RejectMessage)]
        assert not answer.final
    spec = spec.given(ResumeInstance())
    assert len([one for one in spec.effects if hasattr(one, "body")]) == 4  # Both subscribe again.
    spec = spec.given(offered(spec, "event"))
    assert waiting(spec) == ["other"]


def test_a_boundary_timer_that_passed_while_suspended_fires_afterwards():
    spec = started().given(SuspendInstance())
    assert spec.next_due() == 0
    spec = spec.later(7_200_000).given(ResumeInstance())
    assert waiting(fire(spec)) == ["other"]


def test_of_a_combined_wait_what_came_is_given_up_too():
    spec = started("wait")
    spec = spec.given(offered(spec, "host"))
    assert spec.state.waits
    spec = fire(spec)
    assert (spec.state.waits, waiting(spec)) == ({}, ["other"])


# Incidents.


def test_a_channel_that_cannot_open_the_hosts_subscription_leaves_the_boundary_at_work():
    spec = started()
    (number,) = [n for n, one in spec.state.subscriptions.items() if one.node == "host"]
    full = SubscriptionClosed(number, "limit_exceeded", "too many wait")
    spec = spec.when(full).then(has_incident("host"))
    again = spec.given(RetryIncident(0))
    assert len(again.state.subscriptions) == 2
    assert waiting(fire(again)) == ["other"]
    assert waiting(fire(spec)) == ["other"]  # It ends the incident too.
    assert fire(spec).state.incidents == {}


def has_incident(node):
    return has(ErrorOccurred, node=node)


def test_a_key_that_cannot_be_computed_begins_nothing_and_a_retry_begins_all():
    spec = instance(source("message", "timer")).given(RunInstance("flow", "", b"{}"))
    assert (len(spec.state.incidents), spec.state.subscriptions) == (1, {})
    spec = spec.given(SetVariables(b'{"order":"o-7"}'), RetryIncident(0))
    assert len(spec.state.subscriptions) == 2


def test_skipping_a_host_ends_its_boundary_events():
    spec = instance(source("message", "signal")).given(RunInstance("flow", "", b"{}"))
    (number,) = spec.state.incidents
    assert spec.given(SkipNode(number)).state.status == "Completed"


# Structure, forms, soundness.


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize(
    ("event", "said"), [('error: "*"', "throws no error"), ("escalation: Late", "no escalation")]
)
def test_what_only_waits_throws_nothing(host, event, said):
    text = (
        SOURCE.replace("HOST", HOSTS[host])
        .replace("EVENT", event)
        .replace(", interrupting: STOPS", "")
    )
    assert any(said in str(problem) for problem in examine(text)[1])


def test_an_event_that_a_gateway_waits_for_has_no_boundary_event():
    text = """
id: flow
version: 1.0.0
nodes:
  start: {type: start, next: first}
  first: {type: event_gateway, next: [paid, late]}
  paid: {type: catch, message: paid, next: end}
  late: {type: timer, duration: PT1H, next: end}
  off: {type: boundary, on: paid, signal: shut, next: end}
  end: {type: end}
"""
    assert any("waited for at first" in str(problem) for problem in examine(text)[1])


@pytest.mark.parametrize("stops", [True, False])
@pytest.mark.parametrize(("host", "event"), BOTH)
def test_each_is_sound_and_written_as_it_is_read(host, event, stops):
    definition = read_definition(source(host, event, stops=stops))
    assert soundness(definition).sound
    assert read_definition(write_definition(definition)) == definition
