"""Waits for devices: which reading meets one, how long it must hold, when a device is silent."""

import pytest

from schemas.commands import FireTimer, SubscriptionClosed
from schemas.json_text import canonical
from schemas.telemetry import DeviceCheck
from schemas.watch_events import WatchEnded, WatchMatched
from streams.testing.watched import Watched

MINUTE = 60_000
ABOVE = {"metric": "t", "test": "above", "value": b"30"}


def hows(watched, owner="one"):
    return [one["how"] for one in watched.offers(owner)]


@pytest.mark.parametrize(
    ("test", "value", "no", "yes"),
    [
        ("above", 30, [30, 29.5, "31", True, None], [30.5, 31]),
        ("below", 5, [5, 5.5, "1", False], [4, -1.5]),
        ("equals", 3, [4, "3", None, 3.5], [3, 3.0]),
        ("equals", "open", ["shut", 1, None], ["open"]),
        ("equals", True, [1, "true", False], [True]),
    ],
)
def test_a_reading_meets_a_threshold_or_does_not(test, value, no, yes):
    for said in yes:
        watched = Watched().wait(metric="t", test=test, value=canonical(value))
        for other in no:
            watched.says(t=other)
        assert watched.offers() == [], (test, value)
        watched.says(t=said)
        (offer,) = watched.offers()
        assert (offer["device"], offer["metric"], offer["value"]) == ("d", "t", said)


def test_what_was_said_before_counts_only_with_initial():
    assert Watched().says(t=40).wait(**ABOVE).offers() == []
    (offer,) = Watched().says(t=40).wait(**ABOVE, initial=True).offers()
    assert (offer["how"], offer["value"]) == ("initial", 40)
    assert Watched().says(t=20).wait(**ABOVE, initial=True).says(h=1).offers() == []
    assert hows(Watched().wait(**ABOVE, initial=True).says(t=40)) == ["reading"]


def test_the_first_reading_after_the_opening_counts_by_its_level():
    assert hows(Watched().says(t=40).wait(**ABOVE).says(h=1).says(t=41)) == ["reading"]


def test_a_wait_is_met_once():
    watched = Watched().wait(**ABOVE).says(t=31).says(t=20).says(t=31)
    assert len(watched.offers()) == 1
    assert watched.take().says(t=20).says(t=31).watch.state.waits == {}
    assert (len(watched.offers()), watched.device.state.watched) == (1, 0)


def test_a_wait_that_takes_many_is_met_at_each_crossing_and_not_while_it_lasts():
    watched = Watched().wait(**ABOVE, once=False)
    for value in (31, 32, 33, 30, 31, 31):
        watched.says(t=value)
        if watched.watch.state.pending:
            watched.take()
    assert [one["value"] for one in watched.offers()] == [31, 31]


def test_a_redelivered_reading_is_no_crossing():
    watched = Watched().wait(**ABOVE, once=False).says(name="a", t=31).take().says(t=20)
    before = watched.device.state
    watched.says(name="a", t=31)
    assert watched.device.state == before
    assert len(watched.offers()) == 1


def test_a_reading_that_is_older_than_the_last_changes_no_level():
    watched = Watched().later(1_000).wait(**ABOVE)
    watched.says(t=20)
    watched.says(at=watched.now - 10, t=40)
    assert watched.offers() == []
    assert hows(watched.later(1).says(t=40)) == ["reading"]


def test_a_clock_that_is_ahead_does_not_keep_later_readings_out():
    watched = Watched().says(at=9_999_999_999_999, t=1).wait(**ABOVE).later(5)
    assert hows(watched.says(t=31)) == ["reading"]


def test_a_metric_that_is_no_number_any_more_is_a_new_beginning():
    watched = Watched().wait(**ABOVE, once=False).says(t=31).take().says(t="broken").says(t=31)
    assert len(watched.offers()) == 2


@pytest.mark.parametrize("count", [3, 150])
def test_a_reading_meets_exactly_the_thresholds_that_it_crosses(count):
    watched = Watched(fan_out=7)
    for number in range(count):
        side = "above" if number % 2 else "below"
        watched.wait(f"w{number}", metric="t", test=side, value=canonical(number))
    watched.says(t=count / 2)
    met = {owner for owner, _ in watched.told}
    half = count / 2
    assert met == {f"w{n}" for n in range(count) if (n < half if n % 2 else n > half)}
    watched.says(t=half + 1.2)
    crossed = {owner for owner, _ in watched.told} - met
    assert crossed == {f"w{n}" for n in range(count) if n % 2 and half <= n < half + 1.2}


def test_one_reading_meets_all_in_events_of_bounded_size():
    watched = Watched(fan_out=4)
    for number in range(10):
        watched.wait(f"w{number}", **ABOVE)
    watched.says(t=31)
    matched = [one for one in watched.watch.past if isinstance(one, WatchMatched)]
    assert [len(one.matches) for one in matched] == [4, 4, 2]
    assert len(watched.told) == 10


# Conditions.


def condition(source, metric="t", **more):
    variables = {name: canonical(value) for name, value in more.pop("variables", {}).items()}
    return {
        "metric": metric,
        "test": "condition",
        "condition": source,
        "variables": variables,
        **more,
    }


def test_a_condition_sees_the_value_and_the_variables_of_the_opening():
    watched = Watched().wait(**condition("value > limit * 1.1", variables={"limit": 30.0}))
    assert hows(watched.says(t=33).says(t=33.5)) == ["reading"]


def test_a_condition_may_be_over_several_metrics():
    watched = Watched().wait(**condition("has(metrics.h) && metrics.t > metrics.h", metric=""))
    assert hows(watched.says(t=20.5).says(h=30.5).says(t=31.5)) == ["reading"]
    assert watched.offers()[0]["metrics"] == {"t": 31.5}


def test_a_condition_is_met_again_after_it_was_not():
    watched = Watched().wait(**condition("value > 30.0"), once=False)
    for value in (31, 32, 29, 31):
        watched.says(t=value)
        if watched.watch.state.pending:
            watched.take()
    assert [one["value"] for one in watched.offers()] == [31, 31]


def test_a_condition_that_fails_ends_the_wait_and_says_why():
    watched = Watched().wait(**condition("value > 30.0")).says(t="warm")
    ((_, body),) = watched.told
    assert isinstance(body, SubscriptionClosed)
    assert (body.code, "device d" in body.message) == ("expression_failed", True)
    assert (watched.watch.state.waits, watched.device.state.watched) == ({}, 0)


# Events.


def test_each_reading_of_an_event_type_counts_late_ones_too():
    watched = Watched().later(1_000).wait(event_type="button", once=False)
    watched.says(kind="telemetry", t=1).says(kind="button", n=1).take()
    watched.says(kind="button", at=watched.now - 500, n=2).take()
    assert [one["metrics"] for one in watched.offers()] == [{"n": 1}, {"n": 2}]
    assert watched.offers()[0]["event_type"] == "button"


def test_an_event_may_have_to_meet_a_threshold():
    watched = Watched().wait(event_type="alarm", metric="level", test="above", value=b"3")
    watched.says(kind="alarm", level=3).says(kind="telemetry", level=9).says(kind="alarm", x=1)
    assert watched.offers() == []
    assert hows(watched.says(kind="alarm", level=4)) == ["reading"]


# Holding.

HELD = {**ABOVE, "duration_ms": 5 * MINUTE}


def test_a_condition_that_holds_is_met_at_its_moment_without_another_reading():
    watched = Watched().wait(**HELD).says(t=31).later(MINUTE).says(t=35)
    begin = watched.now - MINUTE
    watched.fire()
    assert (watched.now, watched.offers()) == (begin + 5 * MINUTE, [])
    assert hows(watched.read_marks()) == ["held"]
    assert watched.take().device.next_due() == 0


def test_a_reading_that_breaks_it_starts_the_time_anew():
    watched = Watched().wait(**HELD).says(t=31).later(4 * MINUTE).says(t=30)
    assert watched.device.next_due() == 0
    watched.later(MINUTE).says(t=31)
    begin = watched.now
    assert hows(watched.fire().read_marks()) == ["held"]
    assert watched.now == begin + 5 * MINUTE


def test_a_reading_that_was_unread_when_the_time_was_over_still_breaks_it():
    """An engine was down: the timer is due at once, the readings lie before the mark."""
    watched = Watched().wait(**HELD).says(t=31)
    begin = watched.now
    watched.later(20 * MINUTE).to_device(FireTimer(watched.device.next_due()))
    assert watched.marks != []
    watched.says(at=begin + MINUTE, t=20)
    assert hows(watched.read_marks()) == []


def test_a_reading_of_a_later_time_shows_that_it_held():
    """A bridge was away: the readings of ten minutes arrive together."""
    watched = Watched().later(20 * MINUTE).wait(**HELD)
    begin = watched.now - 10 * MINUTE
    watched.says(at=begin, t=31).says(at=begin + 4 * MINUTE, t=32)
    assert watched.offers() == []
    assert hows(watched.says(at=begin + 6 * MINUTE, t=20)) == ["held"]


def test_a_condition_in_cel_must_hold_too():
    held = condition("value > 30.0", duration_ms=MINUTE)
    watched = Watched().wait(**held).says(t=31).says(t=29).says(t=31).later(MINUTE)
    assert hows(watched.says(t=20)) == ["held"]
    assert hows(Watched().wait(**held).says(t=31).says(t=29).later(MINUTE).says(t=29)) == []


def test_what_takes_many_holds_again_after_another_crossing():
    watched = Watched().wait(**HELD, once=False).says(t=31).fire().read_marks().take()
    assert watched.says(t=32).device.next_due() == 0
    watched.says(t=20).says(t=31).fire().read_marks()
    assert hows(watched) == ["held", "held"]


def test_with_initial_the_time_begins_at_the_opening():
    watched = Watched().says(t=40).later(MINUTE).wait(**HELD, initial=True)
    assert watched.device.next_due() == watched.now + 5 * MINUTE
    assert Watched().says(t=40).wait(**HELD).device.next_due() == 0


# Silence.

SILENT = {"test": "silent", "duration_ms": 10 * MINUTE}


def test_a_device_that_is_silent_is_found_by_the_clock():
    watched = Watched().wait(**SILENT).later(MINUTE).says(t=1)
    heard = watched.now
    watched.fire()  # The moment of the opening: the reading has put it off.
    assert (watched.marks, watched.device.next_due()) == ([], heard + 10 * MINUTE)
    (offer,) = watched.fire().read_marks().offers()
    assert (offer["how"], offer["time"], offer["metrics"]) == ("silent", heard, {"t": 1})
    assert watched.now == heard + 10 * MINUTE


def test_readings_move_no_timer_and_make_no_event():
    watched = Watched().wait(**SILENT).wait("two", **ABOVE).wait("three", **HELD)
    watched.says(t=20)
    due, events = watched.device.next_due(), len(watched.watch.past)
    for value in range(20, 30):
        watched.later(1_000).says(t=value)
    assert (watched.device.next_due(), len(watched.watch.past)) == (due, events)
    assert watched.device.past == ()


def test_readings_that_were_unread_when_the_time_was_over_are_no_silence():
    watched = Watched().wait(**SILENT).says(t=1)
    watched.later(30 * MINUTE).to_device(FireTimer(watched.device.next_due()))
    for minute in range(25, 0, -1):
        watched.later(-minute * MINUTE).says(t=minute).later(minute * MINUTE)
    watched.read_marks()
    assert (watched.offers(), watched.device.next_due()) == ([], watched.now - MINUTE + 10 * MINUTE)


def test_a_gap_between_readings_that_arrive_late_was_a_silence():
    watched = Watched().wait(**SILENT).says(t=1).later(11 * MINUTE)
    assert hows(watched.says(t=2)) == ["silent"]


def test_silence_is_met_again_only_after_another_reading():
    watched = Watched().wait(**SILENT, once=False).fire().read_marks().take()
    assert watched.device.next_due() == 0
    watched.says(t=1)
    assert watched.device.next_due() == watched.now + 10 * MINUTE
    assert hows(watched.fire().read_marks()) == ["silent", "silent"]


def test_with_initial_silence_counts_from_the_last_reading():
    watched = Watched().says(t=1).later(9 * MINUTE).wait(**SILENT, initial=True)
    assert watched.device.next_due() == watched.now + MINUTE
    assert Watched().wait(**SILENT, initial=True).device.next_due() == watched.now + MINUTE


def test_a_mark_that_does_not_come_back_is_written_again():
    watched = Watched().wait(**SILENT).fire()
    first = watched.marks[0]
    watched.fire()
    assert watched.marks == [first, DeviceCheck(first.asked_at + MINUTE)]
    assert hows(watched.read_marks()) == ["silent"]


# Owners.


def test_an_owner_that_defers_is_asked_again_and_at_once_when_it_says_so():
    watched = Watched().wait(**ABOVE).says(t=31).defer()
    assert watched.watch.next_due() == watched.now + 1_000
    watched.later(1_000).to_watch(FireTimer(0))
    watched.defer()
    assert watched.watch.next_due() == watched.now + 2_000
    watched.wait(**ABOVE)
    assert len(watched.offers()) == 3
    assert watched.take().watch.state.waits == {}


def test_what_an_owner_misses_meanwhile_waits_in_bounds_and_is_counted():
    watched = Watched().wait(**ABOVE, once=False)
    for _ in range(105):
        watched.says(t=31).says(t=20)
    (pending,) = watched.watch.state.pending.values()
    assert len(pending.matches) == 100
    for _ in range(100):
        watched.take()
    assert [one.get("missed", 0) for one in watched.offers()[-2:]] == [0, 5]
    assert watched.watch.state.pending == {}


def test_a_wait_is_closed_at_once_or_with_the_answer_that_is_to_come():
    watched = Watched().wait(**ABOVE).close()
    assert watched.told == [("one", SubscriptionClosed(1))]
    watched = Watched().wait(**ABOVE).says(t=31).close()
    assert len(watched.told) == 1
    watched.take()
    assert watched.told[-1] == ("one", SubscriptionClosed(1))
    watched = Watched().wait(**ABOVE).says(t=31).close().defer(final=True)
    assert (watched.told[-1], watched.watch.state.waits) == (("one", SubscriptionClosed(1)), {})


def test_a_wait_that_was_deferred_needs_no_answer_to_be_closed():
    watched = Watched().wait(**ABOVE).says(t=31).defer().close()
    assert watched.told[-1] == ("one", SubscriptionClosed(1))
    assert watched.close().told[-1] == ("one", SubscriptionClosed(1))


def test_a_watch_refuses_what_it_cannot_hold_or_judge():
    watched = Watched(subscriptions=1).wait(**ABOVE)
    with pytest.raises(AssertionError, match=r"limit_exceeded.*signal"):
        watched.wait("two", **ABOVE)
    with pytest.raises(AssertionError, match="InvalidInput"):
        Watched().wait(metric="t", test="around", value=b"1")
    with pytest.raises(AssertionError, match="InvalidInput"):
        Watched().wait(**condition("value >"))


def test_a_device_forgets_a_wait_that_is_closed():
    watched = Watched().wait(**HELD).wait("two", **SILENT).says(t=31).close().close("two")
    state = watched.device.state
    assert (state.watched, state.holds, state.silences, state.fresh) == (0, {}, {}, {})
    assert watched.device.next_due() == 0
    assert watched.watch.aggregate.is_finished(watched.watch.state)


def test_the_history_of_a_watch_folds_to_its_state():
    watched = Watched().wait(**ABOVE).wait("two", **HELD, once=False).says(t=31).defer()
    watched.wait(**ABOVE).take().fire().read_marks().take("two").close("two")
    assert watched.watch.replayed() == watched.watch.state
    assert watched.watch.past[-1] == WatchEnded("instance", "two", "life", 1, "wait")
