"""Each crossing of a channel's offer with what its subscriber does meanwhile, on purpose.

The record that is late is held back between its partitions; what the channel and the workflow
say of it afterwards shows that the crossing took place. Random ones are in `test_channels.py`,
`test_devices.py` and `test_correlated_workflows.py`.
"""

import pytest

from schemas import commands as c
from streams.testing.crossing import HOUR, KINDS, Crossing

TAKEN = ["opened", "came", "taken"]


@pytest.fixture(params=KINDS)
def cross(request):
    """A message, a signal, a device."""
    return Crossing(request.param)


def left(cross, *messages):
    """What the channel keeps of what nobody took: a message waits, all else is over."""
    assert cross.kept() == (list(messages) if cross.kind == "message" else [])


def test_nothing_crosses_and_it_is_taken_once(cross):
    cross.start(cross.one)
    cross.trigger()
    cross.offered(cross.one)
    cross.accepted()
    cross.rest()
    assert cross.said() == TAKEN
    assert cross.takes(cross.one) == 1
    assert (cross.subscribers(), cross.kept()) == ([], [])


# A close against a match.


def test_a_close_after_the_offer_waits_for_the_answer_to_it(cross):
    cross.start(cross.one)
    cross.trigger()
    cross.too_late(cross.one)
    assert (cross.waits(cross.one), cross.waits(cross.channel)) == (
        ["Correlate"],
        ["CloseSubscription"],
    )
    cross.closed()
    assert cross.said() == ["opened", "came", "ended"]
    assert cross.waits(cross.one) == ["Correlate"], "not confirmed before the answer"
    cross.offered(cross.one)
    cross.rejected()
    cross.confirmed(cross.one)
    cross.rest()
    assert cross.said() == ["opened", "came", "ended", "rejected"]
    assert (cross.takes(cross.one), cross.subscribers()) == (0, [])
    left(cross, "m1")


def test_the_answer_to_an_offer_may_arrive_before_the_close(cross):
    cross.start(cross.one)
    cross.trigger()
    cross.too_late(cross.one)
    cross.offered(cross.one)
    assert cross.waits(cross.channel) == ["CloseSubscription", "RejectMessage"]
    cross.rest()
    assert cross.said() == ["opened", "came", "ended", "rejected"]
    assert (cross.takes(cross.one), cross.subscribers()) == (0, [])
    left(cross, "m1")


def test_what_comes_while_a_close_is_under_way_is_offered_and_turned_down(cross):
    cross.start(cross.one)
    cross.too_late(cross.one)
    assert cross.waits(cross.channel) == ["CloseSubscription"]
    cross.trigger()
    assert cross.waits(cross.one) == ["Correlate"]
    cross.offered(cross.one)
    cross.closed()
    cross.rejected()
    cross.rest()
    assert cross.said() == ["opened", "came", "ended", "rejected"]
    assert (cross.takes(cross.one), cross.subscribers()) == (0, [])
    left(cross, "m1")


def test_a_close_overtakes_no_opening(cross):
    cross.begin(cross.one)
    cross.too_late(cross.one)
    assert cross.waits(cross.channel)[1:] == ["CloseSubscription"]
    cross.open()
    cross.trigger()
    cross.closed()
    cross.rest()
    assert cross.said() == ["opened", "came", "ended", "rejected"]
    assert (cross.takes(cross.one), cross.subscribers()) == (0, [])
    left(cross, "m1")


def test_what_came_before_the_close_but_after_the_accept_goes_by_the_accept(cross):
    cross.start(cross.one)
    cross.trigger()
    cross.offered(cross.one)
    cross.trigger()
    assert cross.waits(cross.channel) == ["AcceptMessage"], "the second came before the answer"
    cross.accepted()
    cross.rest()
    assert cross.takes(cross.one) == 1
    assert cross.said().count("taken") == 1
    assert cross.subscribers() == []
    left(cross, "m2")


# A suspension, and its end.


def test_who_is_suspended_when_the_offer_arrives_defers_it_and_asks_when_resumed(cross):
    cross.start(cross.one)
    cross.trigger()
    cross.say(cross.one, c.SuspendInstance("why"))
    cross.offered(cross.one)
    cross.rejected()
    assert cross.said() == ["opened", "came", "deferred"]
    cross.say(cross.one, c.ResumeInstance())
    cross.open()
    cross.offered(cross.one)
    cross.accepted()
    cross.rest()
    assert cross.said() == ["opened", "came", "deferred", "asked", "taken"]
    assert (cross.takes(cross.one), cross.subscribers(), cross.kept()) == (1, [], [])


def test_a_suspension_after_the_accept_changes_nothing(cross):
    cross.start(cross.one)
    cross.trigger()
    cross.offered(cross.one)
    cross.say(cross.one, c.SuspendInstance())
    assert cross.waits(cross.channel) == ["AcceptMessage"]
    cross.accepted()
    cross.rest()
    assert cross.said() == TAKEN
    cross.say(cross.one, c.ResumeInstance())
    cross.rest()
    assert (cross.said(), cross.takes(cross.one)) == (TAKEN, 1)


def test_who_is_resumed_while_its_deferral_is_under_way_is_asked_again_at_once(cross):
    cross.start(cross.one)
    cross.say(cross.one, c.SuspendInstance())
    cross.trigger()
    cross.offered(cross.one)
    cross.say(cross.one, c.ResumeInstance())
    assert cross.waits(cross.channel)[0] == "RejectMessage"
    assert len(cross.waits(cross.channel)) == 2, "the deferral first, then the readiness"
    cross.rest()
    assert cross.said() == ["opened", "came", "deferred", "asked", "taken"]
    assert cross.takes(cross.one) == 1


def test_who_is_resumed_before_the_offer_arrives_takes_it(cross):
    cross.start(cross.one)
    cross.say(cross.one, c.SuspendInstance())
    cross.trigger()
    cross.say(cross.one, c.ResumeInstance())
    cross.offered(cross.one)
    cross.rest()
    assert cross.said() == TAKEN
    assert cross.takes(cross.one) == 1


def test_a_channel_that_asks_again_by_itself_crosses_the_readiness(cross):
    cross.start(cross.one)
    cross.say(cross.one, c.SuspendInstance())
    cross.trigger()
    cross.offered(cross.one)
    cross.rejected()
    cross.say(cross.one, c.ResumeInstance())
    cross.tick(cross.channel, 1_000)
    assert cross.said()[-1] == "asked"
    assert len(cross.waits(cross.channel)) == 1, "the readiness is still under way"
    cross.open()
    assert cross.said().count("asked") == 1
    cross.rest()
    assert cross.said() == ["opened", "came", "deferred", "asked", "taken"]
    assert cross.takes(cross.one) == 1


def test_who_is_cancelled_while_it_defers_holds_nothing_back(cross):
    cross.start(cross.one)
    cross.say(cross.one, c.SuspendInstance())
    cross.trigger()
    cross.offered(cross.one)
    cross.say(cross.one, c.CancelInstance("enough"))
    assert cross.waits(cross.channel) == ["RejectMessage", "CloseSubscription"]
    cross.rest()
    assert cross.said() == ["opened", "came", "deferred", "ended"]
    assert (cross.takes(cross.one), cross.subscribers()) == (0, [])
    left(cross, "m1")


# An end of the workflow while it is offered something.


@pytest.mark.parametrize("end", [c.CancelInstance("enough"), c.TerminateInstance("now")])
@pytest.mark.parametrize("first", ["the close", "the offer"])
def test_who_ends_while_an_offer_is_under_way_turns_it_down(cross, end, first):
    cross.start(cross.one)
    cross.trigger()
    cross.say(cross.one, end)
    assert cross.waits(cross.channel) == ["CloseSubscription"]
    if first == "the close":
        cross.closed()
    cross.offered(cross.one)
    cross.rest()
    assert cross.said() == ["opened", "came", "ended", "rejected"]
    assert (cross.takes(cross.one), cross.subscribers()) == (0, [])
    left(cross, "m1")


@pytest.mark.parametrize("end", [c.CancelInstance("enough"), c.TerminateInstance("now")])
def test_who_ends_after_its_accept_has_taken_it(cross, end):
    cross.start(cross.one)
    cross.trigger()
    cross.offered(cross.one)
    cross.say(cross.one, end)
    assert cross.waits(cross.channel)[0] == "AcceptMessage"
    cross.rest()
    assert cross.said() == TAKEN
    assert (cross.takes(cross.one), cross.subscribers(), cross.kept()) == (1, [], [])


# Two subscribers.


def both(cross):
    cross.start(cross.one)
    cross.start(cross.two)
    cross.trigger()


def test_of_two_one_takes_a_message_and_both_take_all_else(cross):
    both(cross)
    offers = cross.waits(cross.one) + cross.waits(cross.two)
    assert offers == ["Correlate"] * (1 if cross.kind == "message" else 2)
    cross.rest()
    assert cross.takes(cross.one) == 1
    assert cross.takes(cross.two) == (0 if cross.kind == "message" else 1)
    assert cross.subscribers() == ([cross.two] if cross.kind == "message" else [])


def test_what_the_first_no_longer_wants_goes_to_the_second(cross):
    both(cross)
    cross.say(cross.one, c.CancelInstance("enough"))
    cross.closed()
    cross.offered(cross.one)
    cross.rejected()
    assert cross.waits(cross.two) == ["Correlate"]
    cross.rest()
    assert (cross.takes(cross.one), cross.takes(cross.two)) == (0, 1)
    assert (cross.said().count("taken"), cross.subscribers(), cross.kept()) == (1, [], [])


def test_of_two_the_second_may_answer_before_the_first(cross):
    both(cross)
    cross.trigger()  # To the second, where it is a message.
    cross.offered(cross.two)
    cross.accepted()
    assert cross.said()[-1] == "taken"
    assert cross.waits(cross.one)[0] == "Correlate"
    cross.rest()
    assert (cross.takes(cross.one), cross.takes(cross.two)) == (1, 1)
    assert (cross.said().count("taken"), cross.subscribers(), cross.kept()) == (2, [], [])


def test_a_second_that_opens_while_the_first_is_asked_gets_only_what_is_turned_down(cross):
    cross.start(cross.one)
    cross.begin(cross.two)
    cross.trigger()
    cross.open()
    cross.say(cross.one, c.TerminateInstance("now"))
    cross.offered(cross.one)
    cross.rest()
    assert cross.said()[:3] == ["opened", "came", "opened"]
    assert cross.takes(cross.one) == 0
    assert cross.takes(cross.two) == (1 if cross.kind == "message" else 0)
    assert cross.subscribers() == ([] if cross.kind == "message" else [cross.two])


def test_two_that_defer_one_message_hold_it_up_for_nobody_else():
    cross = Crossing("message")
    both(cross)
    cross.say(cross.one, c.SuspendInstance())
    cross.offered(cross.one)
    cross.rejected()
    cross.trigger()
    cross.offered(cross.two)
    cross.accepted()
    assert cross.said() == ["opened", "opened", "came", "deferred", "came", "taken"]
    assert (cross.kept(), cross.subscribers()) == (["m1"], [cross.one])
    cross.say(cross.one, c.ResumeInstance())
    cross.rest()
    assert (cross.takes(cross.one), cross.takes(cross.two), cross.kept()) == (1, 1, [])


# A message's time, which signals and readings have not.


def test_a_message_whose_time_is_over_while_it_is_offered_is_taken_all_the_same():
    cross = Crossing("message")
    cross.start(cross.one)
    cross.trigger(ttl=1_000)
    cross.tick(cross.channel, 2_000)
    cross.offered(cross.one)
    cross.accepted()
    cross.rest()
    assert (cross.said(), cross.takes(cross.one), cross.kept()) == (TAKEN, 1, [])


def test_a_message_whose_time_is_over_while_it_is_offered_expires_when_it_is_turned_down():
    cross = Crossing("message")
    both_wait = (cross.one, cross.two)
    for name in both_wait:
        cross.start(name)
    cross.trigger(ttl=1_000)
    cross.say(cross.one, c.CancelInstance("enough"))
    cross.tick(cross.channel, 2_000)
    cross.rest()
    assert cross.said() == ["opened", "opened", "came", "ended", "rejected", "expired"]
    assert (cross.takes(cross.one), cross.takes(cross.two), cross.kept()) == (0, 0, [])


@pytest.mark.parametrize(("passed", "wanted"), [(999, "taken"), (1_000, "expired")])
def test_a_message_and_its_subscriber_meet_until_the_last_moment_and_not_after(passed, wanted):
    cross = Crossing("message")
    cross.begin(cross.one)
    cross.trigger(ttl=1_000)
    cross.sleep(passed)
    cross.open()
    cross.rest()
    assert cross.said()[0] == "came"
    assert wanted in cross.said()
    assert cross.takes(cross.one) == (1 if wanted == "taken" else 0)
    assert cross.subscribers() == ([] if wanted == "taken" else [cross.one])


def test_a_message_that_is_deferred_for_longer_than_its_time_is_still_its_owners():
    cross = Crossing("message")
    cross.start(cross.one)
    cross.say(cross.one, c.SuspendInstance())
    cross.trigger(ttl=1_000)
    cross.offered(cross.one)
    cross.rejected()
    for _ in range(9):
        cross.sleep(61_000)
        cross.settle()
    assert cross.said().count("deferred") > 3
    assert "expired" not in cross.said()
    cross.say(cross.one, c.ResumeInstance())
    cross.rest()
    assert (cross.takes(cross.one), cross.kept()) == (1, [])


def test_one_life_of_an_id_takes_nothing_that_was_offered_to_the_last(cross):
    cross.start(cross.one)
    cross.trigger(ttl=100 * HOUR)
    cross.say(cross.one, c.TerminateInstance("now"))
    cross.sleep(25 * HOUR)
    cross.say(cross.named(1, "other"), c.ResumeInstance())  # Time is seen by what arrives.
    cross.begin(cross.one)
    assert len({envelope.incarnation for envelope, _ in cross.events(cross.one)}) == 2
    assert cross.waits(cross.one) == ["Correlate"], "it is for the life before"
    cross.offered(cross.one)
    assert cross.takes(cross.one) == 0
    cross.rest()
    # A message goes to the new life in its turn; the signal and the reading were before it.
    assert cross.said().count("rejected") == 1
    assert cross.takes(cross.one) == (1 if cross.kind == "message" else 0)
    assert cross.subscribers() == ([] if cross.kind == "message" else [cross.one])
