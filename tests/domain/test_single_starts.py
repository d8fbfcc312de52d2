"""Single starts: of a definition, one instance lives for each key, and the others wait for it."""

import pytest

from schemas.channel_events import MessageCorrelated, MessageExpired, MessageRejected, SingleEnded
from schemas.commands import (
    CancelInstance,
    Correlate,
    FireTimer,
    OpenSubscription,
    PublishDefinition,
    PublishMessage,
    RejectMessage,
    ResumeInstance,
    SuspendInstance,
    TerminateInstance,
    TriggerInstance,
)
from schemas.envelope import Envelope
from schemas.results import CompleteActivity, FailActivity, RecordVerdict
from schemas.start_commands import EndSingle, StartSingle
from streams.domain.definition.ids import started_id
from streams.domain.definition.state import source_hash
from streams.domain.protocol import Rejected, SendCommand
from streams.forms import prove, read_definition
from streams.forms.write import write_definition
from streams.runtime.told import told
from streams.testing.spec import channel, definition, has, instance

SOURCE = """
id: flow
version: 1.0.0
nodes:
  ordered: {type: start, message: order, single: true, next: work}
  work: {type: activity, activity_type: job, next: end}
  end: {type: end}
"""
CHANNEL = "message:order:7"


def orders(*names, ttl=60_000):
    publish = [PublishMessage("order", "7", name, b'"%s"' % name.encode(), ttl) for name in names]
    return channel(CHANNEL, SOURCE).given(*publish)


def take(subscription, message):
    """What the definition says of a message that it was offered."""
    return StartSingle("flow", "", subscription, message, f"flow.{message}", "1.0.0", "ordered")


def sent(decided, kind):
    found = [one for one in decided.effects if isinstance(one, SendCommand)]
    return [(one.aggregate_id, one.body) for one in found if one.aggregate_type == kind]


def test_it_is_written_as_it_is_read_and_is_sound():
    read, problems, verdict = prove(SOURCE)
    assert (problems, verdict.sound) == ([], True)
    assert read_definition(write_definition(read)) == read


@pytest.mark.parametrize(
    ("start", "words"),
    [
        ("signal: s, single: true", "`single` belongs to a message"),
        ("single: true", "`single` belongs to a message"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(start, words):
    (problem,) = read_definition(SOURCE.replace("message: order, single: true", start))
    assert (problem.line, words in problem.message) == (5, True)


def test_an_event_sub_process_has_none():
    text = """
id: flow
version: 1.0.0
nodes:
  start: {type: start, next: end}
  end: {type: end}
  aside:
    type: scope
    event: true
    nodes: {in: {type: start, message: m, single: true, next: out}, out: {type: end}}
"""
    (problem,) = read_definition(text)
    assert "`single` is of what starts a workflow" in problem.message


def test_the_definition_says_which_version_and_the_channel_starts_it():
    spec = definition("flow", SOURCE).given(
        PublishDefinition(SOURCE), RecordVerdict("1.0.0", source_hash(SOURCE), "sound")
    )
    decided = spec.when(Correlate(2, CHANNEL, "m1", "order", b"1"))
    decided.then()
    name = started_id("flow", CHANNEL, "m1")
    body = StartSingle("flow", "", 2, "m1", name, "1.0.0", "ordered")
    assert decided.effects == [SendCommand("channel", CHANNEL, "", body)]


def test_the_first_message_starts_an_instance_and_the_next_ones_wait():
    decided = orders("m1").when(take(2, "m1"))
    decided.then(has(MessageCorrelated, single="flow.m1", ended=True))
    run = TriggerInstance("flow", "1.0.0", "ordered", "message", b'"m1"', "m1", single=CHANNEL)
    assert sent(decided, "instance") == [("flow.m1", run)]
    spec = decided.accepted().given(PublishMessage("order", "7", "m2", b"2", 60_000))
    assert (len(spec.state.messages), spec.state.subscriptions) == (1, {})
    assert spec.state.singles == {"flow": "flow.m1"}


def test_two_that_are_asked_for_at_once_start_one():
    spec = orders("m1", "m2").given(take(4, "m2"))
    decided = spec.when(take(2, "m1"))
    decided.then(has(MessageRejected, message_id="m1"), "subscription.ended")
    after = decided.accepted()
    assert [one.id for one in after.state.messages.values()] == ["m1"]
    assert (after.state.singles, after.state.subscriptions) == ({"flow": "flow.m2"}, {})


def test_when_it_ends_the_oldest_that_waits_starts_the_next():
    spec = orders("m1").given(take(2, "m1"))
    spec = spec.given(*(PublishMessage("order", "7", m, b"2", 60_000) for m in ("m2", "m3")))
    decided = spec.when(EndSingle("flow", "flow.m1"))
    decided.then(SingleEnded, "subscription.opened")
    ((definition_id, body),) = sent(decided, "definition")
    assert (definition_id, body.message_id) == ("flow", "m2")
    spec = decided.accepted().given(take(body.subscription, "m2"))
    assert spec.state.singles == {"flow": "flow.m2"}
    assert [one.id for one in spec.state.messages.values()] == ["m3"]


def test_one_that_waits_too_long_starts_nothing():
    spec = orders("m1").given(take(2, "m1"), PublishMessage("order", "7", "m2", b"2", 10))
    spec.later(10).when(FireTimer(0)).then(has(MessageExpired, message_id="m2"))
    late = spec.later(20).when(EndSingle("flow", "flow.m1"))
    late.then(SingleEnded, MessageExpired)
    assert sent(late, "definition") == []


def test_the_end_of_another_changes_nothing():
    spec = orders("m1").given(take(2, "m1"))
    spec.when(EndSingle("flow", "flow.m0")).then()
    spec.when(EndSingle("other", "flow.m1")).then()
    spec.when(take(2, "m1")).then()


def test_a_message_that_somebody_waits_for_goes_there_as_ever():
    spec = orders("m1").given(take(2, "m1"), OpenSubscription("one", "life", 3, "got"))
    decided = spec.when(PublishMessage("order", "7", "m2", b"2", 60_000))
    assert [name for name, _ in sent(decided, "instance")] == ["one"]
    spec = decided.accepted().given(RejectMessage("one", "life", 3, "m2", "no"))
    assert [one.id for one in spec.state.messages.values()] == ["m2"]
    assert spec.state.singles == {"flow": "flow.m1"}


# The instance.

RUN = TriggerInstance("flow", "1.0.0", "ordered", "message", b"1", "m1", single=CHANNEL)
OVER = (CHANNEL, EndSingle("flow", "one"))


@pytest.mark.parametrize(
    "end",
    [
        CompleteActivity(3, 1),
        FailActivity(3, 1, "Boom", retryable=False),
        CancelInstance(),
        TerminateInstance(),
    ],
    ids=["completed", "failed", "cancelled", "terminated"],
)
def test_the_channel_is_told_once_however_the_instance_ends(end):
    spec = instance(SOURCE).given(RUN)
    assert (spec.state.single, sent(spec, "channel")) == (CHANNEL, [])
    paused = spec.when(SuspendInstance())
    assert sent(paused, "channel") == []
    spec = paused.accepted().given(ResumeInstance())
    assert sent(spec.when(end), "channel") == [OVER]


def test_an_instance_that_never_begins_does_not_keep_the_others_from_it():
    envelope = Envelope("t", "TriggerInstance", 1, "instance", "one")
    refusal = Rejected("already_exists", "it is there")
    assert list(told(RUN, envelope, refusal)) == [SendCommand("channel", CHANNEL, "", OVER[1])]
    plain = TriggerInstance("flow", "1.0.0", "ordered", "message", b"1", "m1")
    assert list(told(plain, envelope, refusal)) == []
