"""Channels as the shard drives them: the door, refusals, large broadcasts, rest and return."""

import pytest
from msgspec.structs import replace

from schemas.codec import encode
from schemas.commands import (
    AcceptMessage,
    BroadcastSignal,
    CloseSubscription,
    ContinueBroadcast,
    OpenSubscription,
    PublishMessage,
    RejectMessage,
    RetryIncident,
    SubscriptionClosed,
)
from schemas.envelope import Context, Envelope
from schemas.ids import channel_id, routing_key, store_key
from schemas.partition import partition_of
from schemas.registry import public_type
from streams.domain.channel.aggregate import CHANNEL
from streams.runtime.ports import Out
from streams.runtime.records import decode_state

PAID = channel_id("message", "paid", "7")
EVENING = channel_id("signal", "evening")
HOUR = 3_600_000
WINDOW = 24 * HOUR


def publish(name="m1", ttl=HOUR):
    return PublishMessage("paid", "7", name, b"1", ttl)


def opened(owner="nobody"):
    return OpenSubscription(owner, "life", 3, "wait")


def told(lab, body, channel=PAID, *, tenant="default", topic=""):
    """Let another aggregate say something to a channel."""
    context = Context(tenant=tenant)
    envelope = Envelope("internal", public_type(body), lab.now, "channel", channel, context=context)
    key = routing_key(tenant, channel).encode()
    topic = topic or lab.names.internal
    lab.kafka.append(Out(topic, -1, key, encode(envelope, body)))
    lab.settle()


def said(lab, body, channel=PAID):
    """Send a client's command; return its answers."""
    name = lab.command(channel, body, kind="channel")
    lab.settle()
    return lab.answers(name)


def sent(lab, kind, partition=0):
    """The internal commands of a type that went by the topic."""
    found = lab.internal(partition)
    return [(envelope, body) for envelope, body in found if type(body) is kind]


# The door.


def test_only_aggregates_may_write_what_is_between_them(lab):
    (reply,) = said(lab, opened())
    assert (reply.code, "may not be written" in reply.message) == ("UnsupportedOperation", True)


def test_a_message_is_for_a_channel(lab):
    name = lab.command("i-1", publish())
    lab.settle()
    (reply,) = lab.answers(name)
    assert reply.code == "InvalidInput"
    assert "aggregate_type of PublishMessage is 'channel', not 'instance'" in reply.message


def test_an_incident_may_be_retried_at_whatever_has_some(lab):
    (reply,) = said(lab, RetryIncident(0))
    assert (reply.code, PAID in reply.message) == ("NotFound", True)
    (reply,) = said(lab, RetryIncident(0), "i-1")
    assert reply.code == "NotFound"
    name = lab.command("d", RetryIncident(0), kind="activity_type")
    lab.settle()
    (reply,) = lab.answers(name)
    assert "or 'definition' or 'device', not 'activity_type'" in reply.message


# Refusals reach who waits for an answer.


def test_an_owner_that_is_gone_gives_the_message_back_and_loses_its_subscription(lab):
    told(lab, opened("nobody"))
    said(lab, publish())
    assert lab.kinds(PAID) == [
        "subscription.opened",
        "message.published",
        "message.rejected",
        "subscription.ended",
    ]
    rejected = lab.events()[-2][1]
    assert (rejected.owner_id, rejected.retry_at) == ("nobody", 0)
    assert rejected.reason
    (message,) = lab.state(PAID).messages.values()
    assert (message.offered, lab.state(PAID).subscriptions) == (0, {})


def test_a_definition_that_opens_a_subscription_is_told_that_it_has_none(lab_of):
    """Channels ask definitions when nobody waits; what one opens by itself is refused."""
    lab = lab_of(2)
    home = partition_of(PAID.encode(), 2)
    owner = lab.at(1 - home)
    told(lab, OpenSubscription(owner, "", 3, "start", once=False, owner_type="definition"))
    ((envelope, closed),) = sent(lab, SubscriptionClosed, 1 - home)
    assert (envelope.aggregate_type, envelope.aggregate_id) == ("definition", owner)
    assert closed.subscription == 3
    said(lab, publish())
    kinds = [one.type for one, _ in lab.events(home) if one.aggregate_id == PAID]
    assert kinds == ["message.published"]


def test_an_owner_of_a_kind_that_does_not_exist_is_refused_and_the_shard_goes_on(lab):
    told(lab, OpenSubscription("x", "life", 3, "wait", owner_type="martian"))
    assert [reply.code for reply in lab.answers("internal")] == ["InvalidInput"]
    (reply,) = said(lab, publish())
    assert reply.accepted


def test_who_cannot_open_is_told_why_on_its_own_partition(lab_of):
    lab = lab_of(2)
    lab.limits = replace(lab.limits, subscriptions=1)
    home = partition_of(PAID.encode(), 2)
    lab.reopen(home)
    owner = lab.at(1 - home)
    told(lab, opened("first"))
    told(lab, opened(owner))
    ((envelope, body),) = sent(lab, SubscriptionClosed, 1 - home)
    assert (envelope.aggregate_id, envelope.incarnation) == (owner, "life")
    assert (body.subscription, body.code) == (3, "limit_exceeded")
    assert "channel_subscriptions_max" in body.message


def test_closing_at_a_channel_that_is_not_there_is_confirmed(lab_of):
    lab = lab_of(2)
    home = partition_of(PAID.encode(), 2)
    owner = lab.at(1 - home)
    told(lab, CloseSubscription(owner, "life", 3))
    ((_, body),) = sent(lab, SubscriptionClosed, 1 - home)
    assert body == SubscriptionClosed(3)
    assert lab.kinds(PAID) == []


def test_an_answer_to_a_channel_that_is_not_there_is_noted_and_leaves_nothing(lab):
    told(lab, AcceptMessage("nobody", "life", 3, "m1"))
    told(lab, RejectMessage("nobody", "life", 3, "m1", "why"))
    assert [reply.code for reply in lab.answers("internal")] == ["NotFound", "NotFound"]
    assert lab.stores[0].get(store_key("channel", "default", PAID)) is None


def test_a_channel_is_one_tenants_own(lab):
    told(lab, opened())
    told(lab, opened(), tenant="acme")
    told(lab, publish(), tenant="acme", topic=lab.names.commands)
    offered = [
        envelope.context.tenant for envelope, body in lab.events() if getattr(body, "offers", [])
    ]
    assert offered == ["acme"]
    assert list(lab.state(PAID).subscriptions) == ["instance/nobody@life:3"]


# A large broadcast.


def test_a_large_broadcast_goes_on_by_way_of_the_topic_one_part_a_batch(lab_of):
    lab = lab_of(2)
    lab.limits = replace(lab.limits, fan_out=2)
    home = partition_of(EVENING.encode(), 2)
    lab.reopen(home)
    owner = lab.at(1 - home)
    for number in range(5):
        told(lab, OpenSubscription(owner, "life", number, "wait"), EVENING)
    before = lab.shards[home].position.batch
    said(lab, BroadcastSignal("evening", "s1"), EVENING)
    assert [body.cursor for _, body in sent(lab, ContinueBroadcast, home)] == [2, 4]
    assert lab.shards[home].position.batch >= before + 3
    offers = [getattr(body, "offers", []) for _, body in lab.events(home)]
    assert [len(some) for some in offers if some] == [2, 2, 1]


# Rest and return.


def test_a_channel_at_rest_remembers_its_ids_for_the_window_and_is_swept(lab):
    said(lab, publish(ttl=0))
    lab.sleep(WINDOW - HOUR)
    said(lab, publish("m2", ttl=0))
    lab.sleep(2 * HOUR)
    said(lab, publish("m2", ttl=0))
    assert lab.kinds(PAID).count("message.published") == 2, "the later id is still remembered"
    lab.sleep(WINDOW + 1)
    lab.command("other", PublishMessage("paid"), kind="channel")
    lab.settle()
    assert lab.stores[0].get(store_key("channel", "default", PAID)) is None


def test_a_channel_that_comes_back_has_another_life(lab):
    said(lab, publish(ttl=0))
    lab.sleep(WINDOW + 1)
    lab.command("other", PublishMessage("paid"), kind="channel")
    lab.settle()
    said(lab, publish(ttl=0))
    mine = [envelope for envelope, _ in lab.events() if envelope.aggregate_id == PAID]
    assert [envelope.sequence for envelope in mine] == [1, 2, 1, 2]
    assert len({envelope.id for envelope in mine}) == 4
    assert len({envelope.incarnation for envelope in mine}) == 2


def test_a_channel_under_way_is_not_swept(lab):
    told(lab, opened())
    lab.sleep(3 * WINDOW)
    lab.command("other", PublishMessage("paid"), kind="channel")
    lab.settle()
    assert list(lab.state(PAID).subscriptions) == ["instance/nobody@life:3"]


def test_a_message_expires_by_itself(lab):
    said(lab, publish(ttl=5_000))
    lab.sleep(4_999)
    lab.settle()
    assert lab.kinds(PAID) == ["message.published"]
    lab.sleep(1)
    lab.settle()
    assert lab.kinds(PAID) == ["message.published", "message.expired"]


# A defect.


@pytest.fixture
def broken(monkeypatch):
    """Let the channel raise for the commands of a type; returns what turns it on and off."""
    original, wanted = CHANNEL.decide, set()

    def decide(command, state, ctx):
        if type(command).__name__ in wanted:
            raise ZeroDivisionError("a defect of the engine")
        return original(command, state, ctx)

    monkeypatch.setattr(type(CHANNEL), "decide", staticmethod(decide))
    return wanted


def test_what_a_defect_stopped_is_applied_when_it_is_retried(lab, broken):
    said(lab, publish())
    broken.add("OpenSubscription")
    told(lab, opened())
    assert lab.kinds(PAID)[-1] == "error.occurred"
    assert lab.dead() == []
    broken.clear()
    said(lab, RetryIncident(0))
    assert lab.kinds(PAID)[2:4] == ["incident.resolved", "subscription.opened"]


def test_a_published_message_is_kept_with_the_clients_refusal(lab, broken):
    broken.add("PublishMessage")
    (reply,) = said(lab, publish())
    assert reply.code == "engine_error"
    assert len(lab.dead()) == 1


def test_the_states_survive_the_store(lab):
    said(lab, publish())
    record = decode_state(lab.stores[0].get(store_key("channel", "default", PAID)))
    assert record.next_due == lab.now + HOUR
    assert CHANNEL.decode(record.domain) == lab.state(PAID)
