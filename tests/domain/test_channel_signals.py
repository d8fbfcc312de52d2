"""A signal channel: everything that waits gets the signal, and nothing that comes later."""

from schemas.channel_events import (
    MessageCorrelated,
    MessageOffered,
    MessageRejected,
    Offer,
    SignalBroadcast,
    SubscriptionEnded,
)
from schemas.commands import (
    AcceptMessage,
    BroadcastSignal,
    CloseSubscription,
    ContinueBroadcast,
    FireTimer,
    OpenSubscription,
    RejectMessage,
)
from schemas.ids import channel_id
from streams.domain.channel.subscribe import ASK_MS_FIRST
from streams.testing.spec import NOW, channel, has

EVENING = channel_id("signal", "evening")


def one():
    return channel(EVENING)


def cast(name="s1"):
    return BroadcastSignal("evening", name, b"1")


def opened(owner, *, once=True):
    return OpenSubscription(owner, "life", 3, "wait", once)


def accept(owner, name="s1"):
    return AcceptMessage(owner, "life", 3, name)


def reject(owner, name="s1", *, final=True):
    return RejectMessage(owner, "life", 3, name, "why", final)


def close(owner):
    return CloseSubscription(owner, "life", 3)


def ref(owner):
    return f"instance/{owner}@life:3"


def asked(effects):
    """Whom a decision offers which signal."""
    return [(e.aggregate_id, e.body.message_id) for e in effects if hasattr(e.body, "message_id")]


def many(count, **options):
    return one().given(*(opened(f"i{number}", **options) for number in range(count)))


def test_a_signal_goes_to_all_that_wait():
    decided = one().given(opened("a"), opened("b")).when(cast())
    offers = [Offer(3, ref("a")), Offer(3, ref("b"))]
    decided.then(has(SignalBroadcast, signal_id="s1", offers=offers, cursor=0))
    assert asked(decided.effects) == [("a", "s1"), ("b", "s1")]


def test_a_signal_that_nobody_waits_for_is_over():
    spec = one().when(cast()).then(has(SignalBroadcast, offers=[]))
    assert spec.aggregate.is_finished(spec.state)
    spec.when(opened("a")).then_effects()


def test_a_signal_is_over_when_all_have_answered():
    spec = one().given(opened("a"), opened("b", once=False), cast(), accept("a"))
    assert list(spec.state.messages) == [3]
    spec = spec.when(accept("b")).then(has(MessageCorrelated, ended=False))
    assert (spec.state.messages, list(spec.state.subscriptions)) == ({}, [ref("b")])


def test_who_opens_after_the_broadcast_does_not_get_it():
    spec = one().given(opened("a"), cast())
    spec.when(opened("b")).then_effects()


def test_a_broadcast_that_is_repeated_has_no_effect():
    spec = one().given(opened("a", once=False), cast(), accept("a"))
    spec.when(cast()).then_nothing()


def test_who_takes_one_signal_is_not_given_two():
    spec = one().given(opened("a"), cast("s1"))
    spec.when(cast("s2")).then(has(SignalBroadcast, offers=[]))


def test_signals_reach_who_takes_many_one_after_the_other():
    spec = one().given(opened("a", once=False), cast("s1"), cast("s2"), cast("s3"))
    assert asked(spec.effects) == [("a", "s1")]
    decided = spec.when(accept("a", "s1"))
    assert asked(decided.effects) == [("a", "s2")]
    decided = decided.accepted().when(reject("a", "s2"))
    decided.then(has(MessageRejected, message=3, offers=[]))
    assert asked(decided.effects) == [("a", "s3")]
    assert list(decided.accepted().state.messages) == [4]


def test_a_suspended_owner_is_asked_again_and_loses_none():
    spec = one().given(opened("a", once=False), opened("b"), cast("s1"), cast("s2"))
    spec = spec.given(reject("a", final=False), accept("b"))
    assert spec.next_due() == NOW + ASK_MS_FIRST
    spec = spec.later(ASK_MS_FIRST).when(FireTimer(0)).then(MessageOffered([Offer(3, ref("a"))]))
    spec = spec.given(accept("a", "s1"))
    assert asked(spec.effects)[2:] == [("a", "s1"), ("a", "s2")]
    assert spec.given(accept("a", "s2")).state.messages == {}


def test_a_close_drops_the_signals_that_its_owner_has_not_seen():
    spec = one().given(opened("a", once=False), cast("s1"), cast("s2"))
    spec = spec.when(close("a")).then(has(SubscriptionEnded, awaits_answer=True))
    assert list(spec.state.messages) == [2]
    spec = spec.given(accept("a", "s1"))
    assert (spec.state.messages, spec.state.subscriptions) == ({}, {})


def test_a_rejected_signal_goes_to_nobody_else():
    spec = one().given(opened("a"), cast(), opened("b"))
    decided = spec.when(reject("a"))
    decided.then(has(MessageRejected, offers=[]))
    decided.then_effects()
    assert decided.accepted().state.messages == {}


# A fan-out goes on through a cursor.


def broken_off(spec):
    """The `ContinueBroadcast` that a decision sends to its own channel."""
    effect = spec.effects[-1]
    assert (effect.aggregate_type, effect.aggregate_id, effect.hop) == ("channel", EVENING, True)
    assert isinstance(effect.body, ContinueBroadcast)
    return effect.body


def test_a_large_broadcast_goes_on_where_it_broke_off():
    decided = many(1_201).when(cast())
    assert len(asked(decided.effects)) == 500
    first = broken_off(decided)
    assert first == ContinueBroadcast(1_202, 500)
    second = decided.accepted().when(first)
    second.then(has(MessageOffered, broadcast=1_202, cursor=1_000))
    third = second.accepted().when(broken_off(second))
    third.then(has(MessageOffered, broadcast=1_202, cursor=0))
    all_of_them = [name for d in (decided, second, third) for name, _ in asked(d.effects)]
    assert all_of_them == [f"i{number}" for number in range(1_201)]


def test_exactly_as_many_as_one_command_serves_need_no_cursor():
    decided = many(4).with_limits(fan_out=4).when(cast())
    assert len(decided.effects) == 4
    assert decided.events[0].cursor == 0


def test_who_opens_or_closes_between_two_parts_is_left_out():
    spec = many(5).with_limits(fan_out=2).given(cast())
    go_on = broken_off(spec)
    spec = spec.given(opened("late"), close("i2"))
    decided = spec.when(go_on)
    assert asked(decided.effects) == [("i3", "s1"), ("i4", "s1")]
    assert decided.accepted().state.messages[6].cursor == 0


def test_a_broadcast_lives_on_its_cursor_while_all_have_answered():
    spec = many(3).with_limits(fan_out=2).given(cast())
    go_on = broken_off(spec)
    spec = spec.given(accept("i0"), accept("i1"))
    assert spec.state.messages[4].cursor == 2
    assert not spec.aggregate.is_finished(spec.state)
    spec = spec.given(go_on, accept("i2"))
    assert spec.aggregate.is_finished(spec.state)


def test_a_broadcast_whose_rest_has_gone_is_over():
    spec = many(3).with_limits(fan_out=2).given(cast(), accept("i0"), accept("i1"), close("i2"))
    spec = spec.when(ContinueBroadcast(4, 2)).then(MessageOffered([], 4, 0))
    assert spec.aggregate.is_finished(spec.state)


def test_a_part_that_comes_again_has_no_effect():
    spec = many(5).with_limits(fan_out=2).given(cast(), ContinueBroadcast(6, 2))
    spec.when(ContinueBroadcast(6, 2)).then_nothing()
    spec.when(ContinueBroadcast(99, 2)).then_nothing()


def test_two_broadcasts_at_once_reach_everyone_in_their_order():
    spec = many(3, once=False).with_limits(fan_out=2).given(cast("s1"), cast("s2"))
    spec = spec.given(ContinueBroadcast(4, 2), ContinueBroadcast(5, 2))
    assert [s.offers for s in spec.state.subscriptions.values()] == [(4, 5)] * 3
    assert sorted(asked(spec.effects)) == [("i0", "s1"), ("i1", "s1"), ("i2", "s1")]
