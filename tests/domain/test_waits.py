"""Combined waits: all, any, one after the other, not within a time; and one in another."""

import json
from itertools import permutations

import pytest

from schemas.commands import (
    AcceptMessage,
    CancelInstance,
    CloseSubscription,
    Correlate,
    OpenSubscription,
    RejectMessage,
    ResumeInstance,
    RetryIncident,
    RunInstance,
    SetVariables,
    SkipNode,
    SuspendInstance,
)
from schemas.wait_events import WaitProgressed
from streams.domain.protocol import SendCommand
from streams.testing.spec import has, instance
from streams.testing.steps import complete, fire

OWNER = ("one", "first")


def source(wait, more=""):
    return f"""
id: flow
version: 1.0.0
nodes:
  start: {{type: start, next: wait}}
  wait:
    type: wait
    {wait}
    {more or 'output: {got: "${output}", met: "${met}"}'}
    next: end
  end: {{type: end}}
"""


def started(wait, more="", **variables):
    spec = instance(source(wait, more))
    return spec.given(RunInstance("flow", "", json.dumps(variables).encode()))


def waits(spec):
    """What is waited for: names of channels, due times."""
    found = [one.channel.partition(":")[2] or one.due for one in spec.state.subscriptions.values()]
    return sorted(found, key=str)


def number_of(spec, name):
    for number, one in spec.state.subscriptions.items():
        if one.channel.partition(":")[2].partition(":")[0] == name:
            return number
    raise LookupError(name)


def offer(spec, name, message="m1", payload=None):
    number = number_of(spec, name)
    channel = spec.state.subscriptions[number].channel
    body = json.dumps(payload if payload is not None else name).encode()
    return Correlate(number, channel, message, name, body)


def came(spec, *names):
    for name in names:
        spec = spec.given(offer(spec, name))
    return spec


def got(spec):
    return json.loads(spec.state.variables["got"])


def told(after):
    sent = [effect for effect in after.effects if isinstance(effect, SendCommand)]
    return [one.body for one in sent if one.aggregate_type == "channel"]


ABC = "[{message: a}, {signal: b}, {message: c}]"


@pytest.mark.parametrize("order", [*permutations("abc")])
def test_all_is_met_when_each_has_come_in_any_order(order):
    spec = started(f"all: {ABC}")
    assert waits(spec) == ["a", "b", "c"]
    spec = came(spec, *order[:2])
    assert (spec.state.status, waits(spec)) == ("Running", [order[2]])
    spec = came(spec, order[2])
    assert (spec.state.status, got(spec)) == ("Completed", {name: name for name in "abc"})
    assert (spec.state.waits, spec.state.subscriptions) == ({}, {})


def test_any_is_met_by_the_first_and_gives_the_others_up():
    spec = started(f"any: {ABC}")
    decided = spec.when(offer(spec, "b"))
    after = decided.then(
        has(WaitProgressed, name="b", status="met", closed=[2, 4]), "workflow.completed"
    )
    assert got(after) == {"b": "b"}
    assert told(decided) == [
        AcceptMessage(*OWNER, 3, "m1"),
        CloseSubscription(*OWNER, 2),
        CloseSubscription(*OWNER, 4),
    ]


def test_a_sequence_begins_each_when_the_former_has_come():
    spec = started(f"sequence: {ABC}")
    assert waits(spec) == ["a"]
    decided = spec.when(offer(spec, "a"))
    spec = decided.then(has(WaitProgressed, status="open"), "event.awaited")
    assert told(decided)[1:] == [OpenSubscription(*OWNER, 4, "wait")]
    assert waits(spec) == ["b"]
    spec = came(spec, "b", "c")
    assert (spec.state.status, list(got(spec))) == ("Completed", ["a", "b", "c"])


def test_a_duration_in_a_sequence_counts_from_when_it_begins():
    spec = started("sequence: [{message: a}, {duration: PT1H, name: pause}]").later(10_000)
    spec = came(spec, "a")
    assert spec.next_due() == spec.now + 3_600_000
    spec = fire(spec)
    assert got(spec) == {"a": "a", "pause": {"due": spec.now}}


NOT = "not: {message: a, within: PT1H}"


def test_what_does_not_come_in_time_is_met():
    spec = fire(started(NOT))
    assert (spec.state.status, got(spec)) == ("Completed", {})
    assert spec.state.variables["met"] == b"true"
    assert isinstance(spec.effects[-1].body, CloseSubscription)


def test_what_comes_in_time_after_all_is_lost_and_the_wait_is_over():
    spec = came(started(NOT), "a")
    assert (spec.state.status, got(spec), spec.next_due()) == ("Completed", {"a": "a"}, 0)
    assert spec.state.variables["met"] == b"false"
    assert spec.past[-2].status == "lost"


MIXED = "all: [{message: a}, {any: [{message: b}, {sequence: [{message: c}, {message: d}]}]}]"


@pytest.mark.parametrize("order", ["ab", "ba", "acd", "cad", "cda", "cba"])
def test_one_in_another(order):
    spec = came(started(MIXED), *order[:-1])
    assert spec.state.status == "Running"
    spec = came(spec, order[-1])
    assert (spec.state.status, got(spec)) == ("Completed", {name: name for name in order})


@pytest.mark.parametrize(
    ("wait", "order", "met"),
    [
        ("all: [{message: a}, {not: {message: b, within: PT1H}}]", ["b"], False),
        ("all: [{message: a}, {not: {message: b, within: PT1H}}]", ["a", ""], True),
        ("all: [{message: a}, {not: {message: b, within: PT1H}}]", ["", "a"], True),
        ("any: [{message: a}, {not: {message: b, within: PT1H}}]", ["b", "a"], True),
        ("any: [{not: {signal: a, within: 9}}, {not: {signal: b, within: 9}}]", "ba", False),
        ("sequence: [{message: a}, {not: {message: b, within: PT1H}}]", ["a", "b"], False),
        ("not: {all: [{message: a}, {message: b}], within: PT1H}", ["a", ""], True),
        ("not: {all: [{message: a}, {message: b}], within: PT1H}", ["a", "b"], False),
        ("not: {not: {message: a, within: PT1H}, within: PT2H}", ["a"], True),
        ("not: {not: {message: a, within: PT1H}, within: PT2H}", [""], False),
    ],
)  # fmt: skip
def test_met_and_lost(wait, order, met):
    """An empty name lets the next moment come."""
    spec = started(wait)
    for name in order:
        assert spec.state.status == "Running"
        spec = came(spec, name) if name else fire(spec)
    assert (spec.state.status, json.loads(spec.state.variables["met"])) == ("Completed", met)


def test_what_comes_late_or_twice_changes_nothing():
    spec = started(f"all: {ABC}")
    first = offer(spec, "a")
    spec = spec.given(first)
    for message in ("m1", "m2"):
        again = spec.when(Correlate(first.subscription, first.channel_id, message, "a", b"1"))
        (body,) = told(again)
        assert (type(body), body.final) == (RejectMessage, True)
        again.then()
    spec = started(f"any: {ABC}")
    late = offer(spec, "c")
    after = came(spec, "a").when(late)
    assert [type(body) for body in told(after)] == [RejectMessage]
    after.then()


def test_a_suspended_wait_defers_and_is_ready_when_resumed():
    spec = came(started(f"all: {ABC}"), "a").given(SuspendInstance())
    deferred = spec.when(offer(spec, "b"))
    assert [body.final for body in told(deferred)] == [False]
    resumed = deferred.then().when(ResumeInstance())
    assert told(resumed) == [OpenSubscription(*OWNER, n, "wait") for n in (3, 4)]
    assert came(resumed.accepted(), "b", "c").state.status == "Completed"


def test_a_cancelled_workflow_closes_what_is_left():
    spec = came(started(f"all: {ABC}"), "a")
    decided = spec.when(CancelInstance())
    assert told(decided) == [CloseSubscription(*OWNER, n) for n in (3, 4)]
    assert decided.accepted().state.waits == {}


def test_a_next_event_that_cannot_be_computed_is_an_incident_and_what_came_is_kept():
    spec = started('all: [{signal: b}, {sequence: [{message: a}, {message: c, key: "${k}"}]}]')
    spec = came(spec, "a")
    (incident,) = spec.state.incidents.values()
    assert (incident.node, incident.code) == ("wait", "expression_failed")
    assert waits(spec) == ["b"]
    spec = came(spec, "b")
    spec = spec.given(SetVariables(b'{"k":"7"}'), RetryIncident(0))
    assert (waits(spec), spec.state.incidents) == (["c:7"], {})
    assert got(came(spec, "c")) == {name: name for name in "abc"}


def test_an_output_that_fails_is_tried_again_with_what_came():
    spec = started(f"all: {ABC}", 'output: {sum: "${output.a + n}"}')
    spec = came(spec, "a", "b", "c")
    (incident,) = spec.state.incidents.values()
    assert (incident.code, spec.state.tokens, waits(spec)) == ("expression_failed", {1: "wait"}, [])
    again = spec.given(RetryIncident(0))
    assert len(again.past) == len(spec.past) + 2
    spec = again.given(SetVariables(b'{"n":"!"}'), RetryIncident(0))
    assert (spec.state.status, spec.state.variables["sum"]) == ("Completed", b'"a!"')
    assert spec.state.waits == {}


def test_a_wait_with_an_incident_may_be_skipped():
    spec = started("sequence: [{message: a}, {message: c, key: '${k}'}]")
    spec = came(spec, "a")
    (number,) = spec.state.incidents
    spec = spec.given(SkipNode(number))
    assert (spec.state.status, spec.state.waits) == ("Completed", {})


def test_nothing_begins_where_a_key_cannot_be_computed_and_a_retry_begins_all():
    spec = started("all: [{message: a}, {message: c, key: '${k}'}]")
    assert spec.state.subscriptions == {}
    spec = spec.given(SetVariables(b'{"k":"7"}'), RetryIncident(0))
    assert waits(spec) == ["a", "c:7"]


def test_what_came_has_a_limit_together():
    spec = instance(source(f"all: {ABC}")).with_limits(state=20).given(RunInstance("flow"))
    spec = spec.given(offer(spec, "a", payload="x" * 10), offer(spec, "b", payload="x" * 10))
    (incident,) = spec.state.incidents.values()
    assert (incident.node, incident.code, waits(spec)) == ("wait", "limit_exceeded", [])
    assert waits(spec.given(RetryIncident(0))) == ["a", "b", "c"]


def test_a_wait_in_a_scope_goes_with_it():
    text = """
id: flow
version: 1.0.0
nodes:
  start: {type: start, next: part}
  part:
    type: scope
    variables: {seen: any}
    nodes:
      in: {type: start, next: wait}
      wait: {type: wait, all: [{message: a}, {message: b}], result_path: seen, next: out}
      out: {type: end}
    output: {given: "${seen}"}
    next: end
  late: {type: boundary, on: part, duration: PT1H, next: end}
  end: {type: end}
"""
    spec = came(instance(text).given(RunInstance("flow")), "a")
    done = came(spec, "b")
    assert json.loads(done.state.variables["given"]) == {"a": "a", "b": "b"}
    late = fire(spec)
    assert (late.state.status, late.state.waits, late.state.subscriptions) == ("Completed", {}, {})


SETS = """
id: flow
version: 1.0.0
variables: {n: {type: integer, default: 0}}
nodes:
  start: {type: start, next: [wait, work]}
  work: {type: activity, activity_type: job, output: {n: "${output.n}"}, next: end}
  wait:
    type: wait
    sequence: [{message: a}, {any: [{condition: "${n > 3}", name: high}, {signal: b}]}]
    result_path: got
    next: end
  end: {type: end}
"""


@pytest.mark.parametrize("late", [True, False])
def test_a_condition_is_waited_for_among_others(late):
    """It acts when it becomes true, and at once where it is true when its turn comes."""
    spec = instance(SETS).given(RunInstance("flow"))
    spec = came(complete(spec, "work", b'{"n":4}'), "a") if late else came(spec, "a")
    if not late:
        low = spec.given(SetVariables(b'{"n":3}'))
        assert low.state.subscriptions == spec.state.subscriptions
        spec = complete(low, "work", b'{"n":4}')
    assert (spec.state.status, got(spec)) == ("Completed", {"a": "a", "high": None})
    assert isinstance(spec.effects[-1].body, CloseSubscription)


def test_a_condition_that_fails_is_an_incident_until_it_can_be_judged():
    spec = started("any: [{condition: 'x.y > 3'}, {signal: b}]", x=1)
    (incident,) = spec.state.incidents.values()
    assert (incident.node, incident.code) == ("wait", "expression_failed")
    spec = spec.given(RetryIncident(0))
    assert len(spec.state.incidents) == 1
    assert came(spec, "b").state.status == "Completed"
    spec = spec.given(SetVariables(b'{"x":{"y":4}}'))
    assert (spec.state.status, got(spec)) == ("Completed", {"condition": None})


def test_a_suspended_wait_judges_its_condition_when_resumed():
    spec = started("all: [{condition: 'x > 3'}]", x=1).given(SuspendInstance())
    spec = spec.given(SetVariables(b'{"x":4}'))
    assert spec.state.status == "Suspended"
    assert spec.given(ResumeInstance()).state.status == "Completed"
