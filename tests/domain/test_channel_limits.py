"""A channel's limits, what clients get wrong, and what a defect stops."""

import pytest

from schemas.channel_events import MessageExpired, MessagePublished
from schemas.commands import (
    AcceptMessage,
    BroadcastSignal,
    FireTimer,
    OpenSubscription,
    PublishMessage,
    RejectMessage,
    RetryIncident,
    RunInstance,
)
from schemas.events import ErrorOccurred
from streams.domain.protocol import RedriveCommand
from streams.testing.spec import channel

PAID = "message:paid:order-7"
HOUR = 3_600_000


def one():
    return channel(PAID)


def publish(name="m1"):
    return PublishMessage("paid", "order-7", name, b'{"amount":5}', HOUR)


def opened(owner="a"):
    return OpenSubscription(owner, "life", 3, "wait")


def test_a_channel_holds_so_many_messages():
    spec = one().with_limits(messages=2).given(publish("m1"), publish("m2"))
    spec.when(publish("m3")).then_rejected("limit_exceeded", "2 messages", "channel_messages_max")
    spec.when(publish("m2")).then_nothing()
    spec.later(HOUR).when(publish("m3")).then(MessageExpired, MessageExpired, MessagePublished)


def test_a_channel_holds_so_many_bytes():
    spec = one().with_limits(state=30).given(publish("m1"), publish("m2"))
    spec.when(publish("m3")).then_rejected("limit_exceeded", "36 bytes", "state_bytes_max")
    spec = one().with_limits(variable=5)
    spec.when(publish()).then_rejected("limit_exceeded", "12 bytes", "variable_bytes_max")


def test_a_channel_has_so_many_subscriptions():
    spec = one().with_limits(subscriptions=1).given(opened())
    words = ("1 subscriptions", "channel_subscriptions_max")
    spec.when(opened("b")).then_rejected("limit_exceeded", *words)
    spec.when(opened()).then_nothing()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (PublishMessage("", "order-7"), "name has 1 to 256 characters"),
        (PublishMessage("x" * 257, "order-7"), "name has 1 to 256 characters, not 257"),
        (PublishMessage("paid", "k" * 1_025), "correlation key has 0 to 1024 characters"),
        (PublishMessage("paid", "order-7", "i" * 257), "message_id has 0 to 256 characters"),
        (PublishMessage("paid", "order-8"), "belongs to the channel 'message:paid:order-8'"),
        (BroadcastSignal("paid"), "belongs to the channel 'signal:paid'"),
        (PublishMessage("paid", "order-7", "m", b"{"), "payload: not valid JSON"),
        (PublishMessage("paid", "order-7", "m", b"1", -1), "ttl_ms lies between"),
    ],
)
def test_what_cannot_be_published_is_refused_with_the_reason(command, words):
    one().when(command).then_rejected("InvalidInput", words)


def test_a_channel_takes_only_what_is_for_channels():
    one().when(RunInstance("x")).then_rejected("UnsupportedOperation", "RunInstance")
    spec = one().given(publish())
    spec.when(RunInstance("x")).then_rejected("UnsupportedOperation", "RunInstance")
    channel("i-7").when(opened()).then_rejected("InvalidInput", "'i-7' is no channel")
    device = OpenSubscription("d", "", 3, "wait", owner_type="device")
    one().when(device).then_rejected("InvalidInput", "'device' waits for no messages")


def test_answers_to_a_channel_that_is_not_there_are_refused():
    answers = AcceptMessage("a", "life", 3, "m1"), RejectMessage("a", "life", 3, "m1", "why")
    for command in (*answers, FireTimer(0)):
        one().when(command).then_rejected("NotFound", PAID)


def test_a_client_may_expect_a_sequence():
    spec = one().given(publish())
    spec.when(publish("m2"), expected_sequence=1).accepted()
    spec.when(publish("m2"), expected_sequence=7).then_rejected("version_conflict")


def test_what_a_defect_stopped_is_kept_and_applied_again():
    spec = one().given(publish(), ErrorOccurred("engine_error", "why", command=b"bytes"))
    assert not spec.aggregate.is_finished(spec.state)
    decided = spec.when(RetryIncident(0))
    decided.then("incident.resolved")
    decided.then_effects(RedriveCommand(b"bytes"))
    decided.accepted().when(RetryIncident(0)).then_rejected("NotFound", "no open incident")
