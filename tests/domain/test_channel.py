"""A message channel: a message goes to one subscription, or waits for one, or expires."""

import pytest

from schemas.channel_events import (
    MessageCorrelated,
    MessageExpired,
    MessageOffered,
    MessagePublished,
    MessageRejected,
    Offer,
    SubscriptionEnded,
    SubscriptionOpened,
)
from schemas.commands import (
    AcceptMessage,
    CloseSubscription,
    Correlate,
    FireTimer,
    OpenSubscription,
    PublishMessage,
    RejectMessage,
    SubscriptionClosed,
)
from schemas.ids import channel_id
from schemas.json_text import parse
from streams.domain.channel.subscribe import ASK_MS_FIRST, ASK_MS_MAX
from streams.domain.protocol import SendCommand
from streams.testing.spec import NOW, channel, has

PAID = channel_id("message", "paid", "order-7")
HOUR = 3_600_000
DAY = 24 * HOUR


def one():
    return channel(PAID)


def publish(name="m1", *, ttl=HOUR, payload=b'{"amount":5}'):
    return PublishMessage("paid", "order-7", name, payload, ttl)


def opened(owner="a", *, once=True, number=3):
    return OpenSubscription(owner, "life", number, "wait", once)


def close(owner="a", number=3):
    return CloseSubscription(owner, "life", number)


def accept(owner="a", message="m1"):
    return AcceptMessage(owner, "life", 3, message)


def reject(owner="a", message="m1", *, final=True):
    return RejectMessage(owner, "life", 3, message, "why", final)


def ref(owner="a"):
    return f"instance/{owner}@life:3"


def asks(owner="a", message="m1"):
    body = Correlate(3, PAID, message, "paid", b'{"amount":5}')
    return SendCommand("instance", owner, "life", body)


def confirms(owner="a"):
    return SendCommand("instance", owner, "life", SubscriptionClosed(3))


def is_swept(spec):
    return spec.aggregate.is_finished(spec.state)


# The straight ways.


def test_a_message_is_offered_to_whoever_waits():
    decided = one().given(opened()).when(publish())
    decided.then(
        MessagePublished(
            "m1",
            "paid",
            "order-7",
            b'{"amount":5}',
            NOW + HOUR,
            NOW + DAY,
            offers=[Offer(2, ref())],
        )
    )
    decided.then_effects(asks())


def test_a_message_waits_for_a_subscription():
    spec = one().when(publish()).then("message.published")
    decided = spec.when(opened())
    decided.then(has(SubscriptionOpened, node="wait", once=True, offers=[Offer(1, ref())]))
    decided.then_effects(asks())


def test_what_was_taken_ends_message_and_subscription():
    spec = one().given(opened(), publish()).when(accept())
    after = spec.then(
        has(MessageCorrelated, message_id="m1", owner_id="a", node="wait", ended=True)
    )
    spec.then_effects()
    assert (after.state.subscriptions, after.state.messages) == ({}, {})
    assert is_swept(after)


def test_a_subscription_that_takes_many_gets_them_one_after_the_other():
    spec = one().given(opened(once=False), publish("m1"), publish("m2"))
    assert [effect.body.message_id for effect in spec.effects] == ["m1"]
    decided = spec.when(accept())
    decided.then(has(MessageCorrelated, ended=False, offers=[Offer(3, ref())]))
    decided.then_effects(asks(message="m2"))
    assert not is_swept(decided.accepted().given(accept(message="m2")))


def test_the_payload_is_written_as_canonical_json():
    spec = one().when(publish(payload=b'{ "b": 1, "a": [ ] }'))
    spec.then(has(MessagePublished, payload=b'{"a":[],"b":1}'))


def test_without_an_id_of_its_own_a_message_has_the_commands():
    decided = one().when(publish(""))
    decided.then(has(MessagePublished, message_id="command-0"))
    assert parse(decided.outcome.result) == {"channel": PAID, "message_id": "command-0"}


# Order.


def test_messages_are_taken_in_the_order_of_publication():
    spec = one().given(publish("m1"), publish("m2"), publish("m3"), opened("a"), opened("b"))
    assert spec.effects == (asks("a", "m1"), asks("b", "m2"))


def test_subscriptions_are_served_in_the_order_of_opening():
    spec = one().given(opened("b"), opened("a"), publish("m1"), publish("m2"))
    assert spec.effects == (asks("b", "m1"), asks("a", "m2"))


def test_a_message_that_came_back_is_before_the_later_ones():
    spec = one().given(opened("a"), publish("m1"), publish("m2"), reject("a"))
    spec = spec.given(opened("b"), opened("c"))
    assert spec.effects[1:] == (asks("a", "m2"), asks("b", "m1"))


# Close against match, and unsubscribe while correlating.


def test_a_subscription_is_closed_and_its_owner_told():
    decided = one().given(opened()).when(close())
    decided.then(has(SubscriptionEnded, owner_id="a", awaits_answer=False))
    decided.then_effects(confirms())


def test_after_a_close_nothing_is_offered():
    spec = one().given(opened(), close())
    spec.when(publish()).then_effects()
    assert spec.given(publish()).state.messages[3].offered == 0


def test_a_close_while_a_message_is_offered_waits_for_the_answer():
    spec = one().given(opened(), publish())
    decided = spec.when(close())
    decided.then(has(SubscriptionEnded, awaits_answer=True, offers=[]))
    decided.then_effects()


def test_a_message_taken_before_the_close_was_known_stays_taken():
    decided = one().given(opened(), opened("b"), publish(), close()).when(accept())
    decided.then(has(MessageCorrelated, owner_id="a", ended=True, offers=[]))
    decided.then_effects(confirms())
    assert list(decided.accepted().state.subscriptions) == [ref("b")]


@pytest.mark.parametrize("final", [True, False])
def test_a_message_refused_by_who_closes_goes_to_the_next(final):
    spec = one().given(opened(), opened("b"), publish(), close())
    decided = spec.when(reject(final=final))
    decided.then(has(MessageRejected, retry_at=0, offers=[Offer(3, ref("b"))]))
    decided.then_effects(asks("b"), confirms())
    assert list(decided.accepted().state.subscriptions) == [ref("b")]


def test_a_second_close_says_nothing_new():
    spec = one().given(opened(), publish(), close())
    spec.when(close()).then_nothing()


def test_what_is_not_open_is_confirmed_as_closed():
    spec = one().given(opened(), publish(), accept())
    spec.when(close()).then_effects(confirms())
    spec.when(close("stranger")).then_effects(confirms("stranger"))
    one().when(close()).then_rejected("NotFound")


def test_who_closes_gets_no_second_message():
    spec = one().given(opened(once=False), publish("m1"), publish("m2"), close(), accept())
    assert spec.effects[1:] == (confirms(),)
    assert spec.given(opened("b")).effects[2:] == (asks("b", "m2"),)


# Suspend against match.


def test_a_suspended_owner_keeps_the_message_to_itself():
    spec = one().given(opened("a"), opened("b"), publish())
    decided = spec.when(reject("a", final=False))
    decided.then(has(MessageRejected, retry_at=NOW + ASK_MS_FIRST, offers=[]))
    decided.then_effects()
    assert decided.accepted().next_due() == NOW + ASK_MS_FIRST


def test_a_deferred_message_is_offered_again_when_its_time_has_come():
    spec = one().given(opened(), publish(), reject(final=False)).later(ASK_MS_FIRST)
    decided = spec.when(FireTimer(NOW + ASK_MS_FIRST))
    decided.then(MessageOffered([Offer(2, ref())]))
    decided.then_effects(asks())
    decided.accepted().when(accept()).then(MessageCorrelated)


def test_the_pauses_grow_and_have_a_bound():
    spec, pauses = one().given(opened(), publish(ttl=DAY)), []
    for _ in range(10):
        spec = spec.given(reject(final=False))
        pauses.append(spec.next_due() - spec.now)
        spec = spec.later(pauses[-1]).given(FireTimer(0))
    assert pauses[:3] == [ASK_MS_FIRST, 2 * ASK_MS_FIRST, 4 * ASK_MS_FIRST]
    assert pauses[-1] == ASK_MS_MAX


def test_an_owner_that_opens_again_is_ready_at_once():
    spec = one().given(opened(), publish(), reject(final=False))
    decided = spec.when(opened())
    decided.then(MessageOffered([Offer(2, ref())]))
    decided.then_effects(asks())
    decided.accepted().when(opened()).then_nothing()


def test_a_deferred_message_is_free_when_its_owner_closes():
    spec = one().given(opened(), opened("b"), publish(), reject(final=False))
    decided = spec.when(close())
    decided.then(has(SubscriptionEnded, awaits_answer=False, offers=[Offer(3, ref("b"))]))
    decided.then_effects(asks("b"), confirms())


def test_an_answer_that_comes_late_to_a_deferred_message_counts():
    spec = one().given(opened(), publish(), reject(final=False))
    spec.when(accept()).then(has(MessageCorrelated, owner_id="a"))


# Two subscribers, and rejections.


def test_a_rejected_message_goes_to_the_next_subscription():
    decided = one().given(opened("a"), opened("b"), publish()).when(reject("a"))
    decided.then(has(MessageRejected, owner_id="a", reason="why", offers=[Offer(3, ref("b"))]))
    decided.then_effects(asks("b"))


def test_a_message_is_not_offered_twice_to_who_rejected_it():
    spec = one().given(opened("a"), publish(), reject("a"))
    assert spec.effects == (asks("a"),)
    assert spec.given(publish("m2")).effects[1:] == (asks("a", "m2"),)
    assert spec.given(opened("b")).effects[1:] == (asks("b"),)


def test_a_life_that_follows_is_another_owner():
    spec = one().given(opened("a"), publish(), reject("a"), close("a"))
    decided = spec.when(OpenSubscription("a", "next", 3, "wait"))
    decided.then(has(SubscriptionOpened, offers=[Offer(2, "instance/a@next:3")]))


def test_only_the_one_that_was_asked_can_answer():
    spec = one().given(opened("a"), opened("b"), publish())
    spec.when(accept("b")).then_nothing()
    spec.when(reject("b")).then_nothing()
    spec.when(accept("a", "m2")).then_nothing()


# Redelivery.


def test_a_message_that_is_published_again_has_no_effect():
    spec = one().given(publish())
    again = spec.when(publish())
    again.then_nothing()
    assert parse(again.outcome.result)["message_id"] == "m1"
    taken = spec.given(opened(), accept())
    taken.when(publish()).then_nothing()


def test_answers_that_come_again_have_no_effect():
    spec = one().given(opened(), opened("b"), publish(), accept())
    spec.when(accept()).then_nothing()
    spec.when(reject()).then_nothing()
    assert spec.given(publish("m2")).effects[1:] == (asks("b", "m2"),)


def test_opening_again_changes_nothing():
    one().given(opened()).when(opened()).then_nothing()
    one().given(opened(), publish()).when(opened()).then_nothing()


def test_an_id_is_new_again_when_the_window_is_over():
    spec = one().given(opened(), publish(), accept())
    spec.later(DAY - 1).when(publish()).then_nothing()
    spec.later(DAY).when(publish()).then(has(MessagePublished, message_id="m1", forgotten=1))


def test_an_id_is_new_again_after_many_others():
    spec = one().with_limits(message_ids=3)
    for number in range(4):
        spec = spec.given(publish(f"m{number}", ttl=0))
    assert len(spec.state.recent) == 3
    spec.when(publish("m1")).then_nothing()
    spec.when(publish("m0")).then(has(MessagePublished, message_id="m0", forgotten=1))


def test_a_message_that_still_waits_is_known_whatever_was_forgotten():
    spec = one().with_limits(message_ids=1).given(publish("m1"), publish("m2"))
    spec.later(2 * DAY).when(publish("m1")).then(MessageExpired, MessageExpired, MessagePublished)
    spec.when(publish("m1")).then_nothing()


# Time to live.


def test_a_message_expires_when_its_time_is_over():
    spec = one().given(publish(ttl=5_000))
    assert spec.next_due() == NOW + 5_000
    after = spec.later(5_000).when(FireTimer(NOW + 5_000)).then(MessageExpired(1, "m1"))
    assert is_swept(after)
    after.when(opened()).then_effects()


def test_a_message_without_time_is_taken_at_once_or_expires():
    one().when(publish(ttl=0)).then(MessagePublished, MessageExpired)
    one().given(opened()).when(publish(ttl=0)).then(MessagePublished)


def test_the_clock_decides_and_not_the_timer():
    spec = one().given(publish(ttl=5_000))
    in_time = spec.later(4_999).when(opened())
    in_time.then_effects(asks())
    late = spec.later(5_000).when(opened())
    late.then(MessageExpired(1, "m1"), SubscriptionOpened)
    late.then_effects()


def test_what_is_offered_in_time_is_taken_after_it():
    spec = one().given(opened(), publish(ttl=5_000)).later(9_000)
    assert spec.next_due() == 0
    spec.when(accept()).then(MessageCorrelated)


def test_what_is_rejected_after_its_time_goes_to_nobody():
    spec = one().given(opened(), opened("b"), publish(ttl=5_000)).later(5_000)
    decided = spec.when(reject())
    decided.then(has(MessageRejected, offers=[]), MessageExpired(3, "m1"))
    decided.then_effects()


def test_what_is_deferred_past_its_time_stays_with_who_deferred():
    spec = one().given(opened(), publish(ttl=500), reject(final=False)).later(ASK_MS_FIRST)
    spec.when(FireTimer(0)).then_effects(asks())
    gone = spec.when(close())
    gone.then(has(SubscriptionEnded, offers=[]), MessageExpired(2, "m1"))
    gone.then_effects(confirms())


def test_several_are_due_together():
    spec = one().given(publish("m1", ttl=10), publish("m2", ttl=5_000), publish("m3", ttl=20))
    spec = spec.later(20).when(FireTimer(0)).then(MessageExpired(1, "m1"), MessageExpired(3, "m3"))
    assert spec.next_due() == NOW + 5_000
