"""Messages and signals that workflows catch and throw: what is told to the channels, and when."""

import json

import pytest

from schemas.commands import (
    AcceptMessage,
    BroadcastSignal,
    CancelInstance,
    CloseSubscription,
    Correlate,
    OpenSubscription,
    PublishMessage,
    RejectMessage,
    ResumeInstance,
    RetryIncident,
    RunInstance,
    SubscriptionClosed,
    SuspendInstance,
)
from schemas.events import EventAwaited, EventTriggered
from streams.domain.net.soundness import soundness
from streams.domain.protocol import SendCommand
from streams.forms import read_definition
from streams.forms.write import write_definition
from streams.testing.spec import has, instance
from streams.testing.steps import complete, fire, waiting

HEAD = "id: flow\nversion: 1.0.0\n"
CATCH = f"""{HEAD}
nodes:
  start: {{type: start, next: paid}}
  paid:
    type: catch
    message: payment
    key: "${{order}}"
    result_path: payment
    output: {{amount: "${{output.amount}}"}}
    next: end
  end: {{type: end}}
"""
CHANNEL = "message:payment:o-7"
OWNER = ("one", "first")


def started(source, **variables):
    return instance(source).given(RunInstance("flow", "", json.dumps(variables).encode()))


def told(after):
    """What channels are told, by their ids."""
    sent = [effect for effect in after.effects if isinstance(effect, SendCommand)]
    return [(one.aggregate_id, one.body) for one in sent if one.aggregate_type == "channel"]


def offer(number, message="m1", payload=b'{"amount":5}', channel=CHANNEL):
    return Correlate(number, channel, message, "payment", payload)


def test_an_event_that_catches_a_message_opens_a_subscription_at_its_channel():
    decided = instance(CATCH).when(RunInstance("flow", "", b'{"order":"o-7"}'))
    spec = decided.then("workflow.started", has(EventAwaited, kind="message", channel=CHANNEL))
    assert told(decided) == [(CHANNEL, OpenSubscription(*OWNER, 2, "paid"))]
    assert list(spec.state.tokens.values()) == ["paid"]


def test_an_offered_message_is_taken_once_and_the_workflow_goes_on():
    spec = started(CATCH, order="o-7")
    decided = spec.when(offer(2))
    after = decided.then(
        has(EventTriggered, node="paid", kind="message", message_id="m1", payload=b'{"amount":5}'),
        "workflow.completed",
    )
    # The channel knows that what takes one message is over: nothing is closed.
    assert told(decided) == [(CHANNEL, AcceptMessage(*OWNER, 2, "m1"))]
    assert after.state.variables["payment"] == b'{"amount":5}'
    assert after.state.variables["amount"] == b"5"
    again = after.when(offer(2, "m2"))
    ((channel, body),) = told(again)
    assert (channel, body.message_id, body.final) == (CHANNEL, "m2", True)
    again.then()


def test_a_suspended_workflow_defers_and_says_when_it_is_ready():
    spec = started(CATCH, order="o-7").given(SuspendInstance())
    deferred = spec.when(offer(2))
    ((_, body),) = told(deferred)
    assert isinstance(body, RejectMessage)
    assert (body.final, "suspended" in body.reason) == (False, True)
    resumed = deferred.then().when(ResumeInstance())
    assert told(resumed) == [(CHANNEL, OpenSubscription(*OWNER, 2, "paid"))]
    assert resumed.accepted().given(offer(2)).state.status == "Completed"


def test_a_workflow_that_ends_closes_what_it_waits_for():
    decided = started(CATCH, order="o-7").when(CancelInstance())
    assert told(decided) == [(CHANNEL, CloseSubscription(*OWNER, 2))]
    decided.accepted().when(SubscriptionClosed(2)).then_nothing()


def test_an_output_that_cannot_be_mapped_takes_the_message_all_the_same():
    spec = started(CATCH, order="o-7")
    decided = spec.when(offer(2, payload=b'"free"'))
    after = decided.then("event.triggered", "error.occurred")
    assert isinstance(told(decided)[0][1], AcceptMessage)
    (incident,) = after.state.incidents.values()
    assert after.state.tokens[incident.token] == "paid/out"


@pytest.mark.parametrize(
    ("key", "channel"), [("a b", "message:payment::"), (7, "message:payment:7"), (True, "true")]
)
def test_a_key_is_text_or_a_plain_value(key, channel):
    spec = started(CATCH, order=key)
    assert channel in spec.past[-1].channel


@pytest.mark.parametrize("key", [None, [1], {"a": 1}])
def test_a_key_that_is_no_text_is_an_incident(key):
    spec = started(CATCH, order=key)
    (incident,) = spec.state.incidents.values()
    assert (incident.code, "text is needed" in incident.message) == ("InvalidInput", True)


def test_a_channel_that_takes_no_more_subscriptions_is_an_incident_to_retry():
    spec = started(CATCH, order="o-7")
    spec = spec.given(SubscriptionClosed(2, "limit_exceeded", "it has 10 already"))
    (incident,) = spec.state.incidents.values()
    assert (incident.code, "10 already" in incident.message) == ("limit_exceeded", True)
    decided = spec.when(RetryIncident(0))
    decided.then("incident.resolved")
    assert told(decided) == [(CHANNEL, OpenSubscription(*OWNER, 2, "paid"))]
    assert decided.accepted().given(offer(2)).state.status == "Completed"


@pytest.mark.parametrize(("source", "node"), [("BOUNDARY", "stop"), ("RACE", "paid")])
def test_an_event_beside_others_that_could_not_be_opened_is_asked_for_again(source, node):
    spec = started(globals()[source], order="o-7")
    number = next(n for n, one in spec.state.subscriptions.items() if one.node == node)
    spec = spec.given(SubscriptionClosed(number, "limit_exceeded", "it has 10 already"))
    before = spec.state.tokens
    decided = spec.when(RetryIncident(0))
    decided.then("incident.resolved")
    assert [body.subscription for _, body in told(decided)] == [number]
    assert decided.accepted().state.tokens == before


BOUNDARY = f"""{HEAD}
nodes:
  start: {{type: start, next: work}}
  work: {{type: activity, activity_type: job, next: end}}
  stop: {{type: boundary, on: work, message: cancel, key: "${{order}}", next: end}}
  note:
    type: boundary
    on: work
    message: note
    key: "${{order}}"
    interrupting: false
    output: {{last: "${{output}}"}}
    next: noted
  noted: {{type: activity, activity_type: job, next: done}}
  done: {{type: end}}
  end: {{type: end}}
"""


def test_a_boundary_message_that_does_not_interrupt_may_come_many_times():
    spec = started(BOUNDARY, order="o-7")
    numbers = {one.node: n for n, one in spec.state.subscriptions.items()}
    bodies = [body for _, body in told(spec)]
    assert [body.once for body in bodies] == [True, False]
    for message in ("m1", "m2"):
        decided = spec.when(offer(numbers["note"], message, b'"hi"', "message:note:o-7"))
        assert isinstance(told(decided)[0][1], AcceptMessage)
        spec = decided.accepted()
    assert waiting(spec) == ["noted", "noted", "work"]
    assert spec.state.variables["last"] == b'"hi"'
    # The same one again is taken as before, and nothing happens.
    again = spec.when(offer(numbers["note"], "m2", b'"hi"', "message:note:o-7"))
    assert again.then() == spec or again.events == []
    assert isinstance(told(again)[0][1], AcceptMessage)
    done = spec.when(offer(numbers["stop"], "m3", b"null", "message:cancel:o-7"))
    closed = [body for _, body in told(done) if isinstance(body, CloseSubscription)]
    assert [body.subscription for body in closed] == [numbers["note"]]
    assert waiting(done.accepted()) == ["noted", "noted"]


def test_a_host_that_is_done_closes_its_subscriptions():
    spec = started(BOUNDARY, order="o-7")
    key = next(iter(spec.state.activities))
    done = complete(spec, "work")
    closed = [body for _, body in told(done) if isinstance(body, CloseSubscription)]
    assert sorted(body.subscription for body in closed) == sorted(spec.state.subscriptions)
    assert (done.state.status, key in done.state.activities) == ("Completed", False)


RACE = f"""{HEAD}
nodes:
  start: {{type: start, next: first}}
  first: {{type: event_gateway, next: [paid, told, late]}}
  paid: {{type: catch, message: payment, key: "${{order}}", next: end}}
  told: {{type: catch, signal: evening, next: end}}
  late: {{type: timer, duration: PT1H, next: end}}
  end: {{type: end}}
"""


def test_of_a_message_a_signal_and_a_timer_the_first_wins_and_the_others_are_closed():
    spec = started(RACE, order="o-7")
    numbers = {one.node: n for n, one in spec.state.subscriptions.items()}
    assert list(spec.state.tokens.values()) == ["first"]
    paid = spec.when(offer(numbers["paid"]))
    assert [type(body) for _, body in told(paid)] == [AcceptMessage, CloseSubscription]
    assert told(paid)[1][0] == "signal:evening"
    assert paid.events[0].moves.path[:3] == ["first", "first->paid", "paid"]
    late = fire(spec)
    closed = [
        e.aggregate_id
        for e in late.effects
        if isinstance(getattr(e, "body", None), CloseSubscription)
    ]
    assert sorted(closed) == [CHANNEL, "signal:evening"]
    assert late.state.status == "Completed"


THROW = f"""{HEAD}
nodes:
  start: {{type: start, next: tell}}
  tell:
    type: throw
    message: shipped
    key: "${{order}}"
    payload: {{to: "${{who}}"}}
    ttl: PT5M
    next: all
  all: {{type: throw, signal: evening, next: end}}
  end: {{type: end}}
"""


def test_a_throw_publishes_and_goes_on():
    decided = instance(THROW).when(RunInstance("flow", "", b'{"order":7,"who":"us"}'))
    decided.then("workflow.started", "node.executed", "node.executed", "workflow.completed")
    assert told(decided) == [
        (
            "message:shipped:7",
            PublishMessage("shipped", "7", "one@first:2", b'{"to":"us"}', 300_000),
        ),
        ("signal:evening", BroadcastSignal("evening", "one@first:3", b"null")),
    ]


def test_a_throw_whose_payload_fails_is_an_incident_and_can_be_retried():
    spec = started(THROW, order=7)
    (incident,) = spec.state.incidents.values()
    assert incident.node == "tell"
    spec.when(RetryIncident(0)).then("incident.resolved", "error.occurred")


def test_events_in_a_scope_use_its_variables_and_end_with_it():
    source = f"""{HEAD}
nodes:
  start: {{type: start, next: part}}
  part:
    type: scope
    input: {{mine: "${{order}}"}}
    nodes:
      in: {{type: start, next: got}}
      got: {{type: catch, message: payment, key: "${{mine}}", result_path: mine, next: out}}
      out: {{type: end}}
    output: {{seen: "${{mine}}"}}
    next: end
  late: {{type: boundary, on: part, duration: 5, next: end}}
  end: {{type: end}}
"""
    spec = started(source, order="o-7")
    number = max(spec.state.subscriptions)
    taken = spec.given(offer(number))
    assert taken.state.variables == {"order": b'"o-7"', "seen": b'{"amount":5}'}
    late = fire(spec)
    assert isinstance(late.effects[-1].body, CloseSubscription)
    assert soundness(read_definition(source)).sound


@pytest.mark.parametrize("source", [CATCH, BOUNDARY, RACE, THROW])
def test_what_catches_and_throws_is_written_as_it_is_read(source):
    read = read_definition(source)
    assert read_definition(write_definition(read)) == read


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ("{type: catch, next: end}", "one of message, signal, condition and device"),
        (
            "{type: catch, message: a, signal: b, next: end}",
            "one of message, signal, condition and device",
        ),
        ("{type: catch, signal: b, key: x, next: end}", "it has no key"),
        ("{type: throw, message: a, ttl: soon, next: end}", "duration"),
        ("{type: catch, message: a, key: '${', next: end}", "never closed"),
        ("{type: throw, signal: a, next: x}", "never waits"),
    ],
)
def test_an_event_that_says_too_little_or_too_much_is_refused(node, words):
    source = f"""{HEAD}
nodes:
  start: {{type: start, next: x}}
  x: {node}
  end: {{type: end}}
"""
    problems = read_definition(source)
    assert isinstance(problems, list)
    assert any(words in str(problem) for problem in problems), list(map(str, problems))


@pytest.mark.parametrize(
    "first",
    [
        "{type: throw, signal: x, next: gone}",
        "{type: scope, nodes: {in: {type: start, next: out}, out: {type: end}}, next: gone}",
    ],
)
def test_a_token_that_ends_at_once_does_not_end_what_is_still_to_begin(first):
    source = f"""{HEAD}
nodes:
  start: {{type: start, next: fork}}
  fork: {{type: parallel, next: [first, work]}}
  first: {first}
  work: {{type: activity, activity_type: job, next: end}}
  gone: {{type: end}}
  end: {{type: end}}
"""
    spec = instance(source).given(RunInstance("flow"))
    assert (spec.state.status, waiting(spec)) == ("Running", ["work"])
    assert complete(spec, "work").state.status == "Completed"
