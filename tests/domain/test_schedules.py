"""Schedules: cycles, cron expressions, time zones; what the clocks skip and show twice."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.expressions.moments import date_ms, due_after, duration_ms
from streams.domain.expressions.schedules import (
    begin,
    next_due,
    read_cron,
    read_cycle,
    read_schedule,
)
from streams.domain.expressions.zones import zone_of

NOW = 1_767_225_600_000
"""2026-01-01T00:00:00Z"""
BERLIN = "Europe/Berlin"


def ms(text):
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def shown(moment, zone="UTC"):
    return datetime.fromtimestamp(moment / 1000, ZoneInfo(zone)).isoformat()


def times(schedule, began, count, zone="UTC"):
    """Return the first due times on the clocks of a zone."""
    schedule = begin(schedule, began)
    found, due = [], began
    while len(found) < count:
        due, missed = next_due(schedule, due, due)
        assert missed == 0
        if not due:
            break
        found.append(shown(due, zone))
    return found


def test_a_cycle_without_a_start_comes_after_each_period_and_ends():
    assert times(read_cycle("R3/PT10S"), NOW, 9) == [
        "2026-01-01T00:00:10+00:00",
        "2026-01-01T00:00:20+00:00",
        "2026-01-01T00:00:30+00:00",
    ]


def test_a_cycle_with_a_start_comes_at_its_start_too():
    cycle = read_cycle("R2/2026-01-01T03:00:00+01:00/PT1H")
    assert times(cycle, NOW, 9) == ["2026-01-01T02:00:00+00:00", "2026-01-01T03:00:00+00:00"]


def test_times_before_the_beginning_are_used_up_but_not_missed():
    cycle = read_cycle("R3/2025-12-31T23:00:00Z/PT1H")
    # The second is the beginning itself: only what is later comes.
    assert times(cycle, NOW, 9) == ["2026-01-01T01:00:00+00:00"]
    with pytest.raises(ValueError, match="does not come any more"):
        begin(cycle, NOW + 3_600_000)


def test_a_month_counts_from_the_start_so_that_no_day_is_lost():
    cycle = read_cycle("R/2026-01-31T08:00/P1M", BERLIN)
    assert [one[:16] for one in times(cycle, NOW, 4, BERLIN)] == [
        "2026-01-31T08:00",
        "2026-02-28T08:00",
        "2026-03-31T08:00",
        "2026-04-30T08:00",
    ]


def test_a_day_keeps_the_hour_of_its_zone_and_24_hours_do_not():
    began = ms("2026-03-28T09:00:00+01:00")
    days = times(read_cycle("R/P1D", BERLIN), began, 2, BERLIN)
    hours = times(read_cycle("R/PT24H", BERLIN), began, 2, BERLIN)
    assert days == ["2026-03-29T09:00:00+02:00", "2026-03-30T09:00:00+02:00"]
    assert hours == ["2026-03-29T10:00:00+02:00", "2026-03-30T10:00:00+02:00"]


def test_what_was_missed_is_counted_and_the_next_is_due_as_if_nothing_had_been():
    cycle = begin(read_cycle("R10/PT1M"), NOW)
    assert next_due(cycle, NOW + 60_000, NOW + 200_500) == (NOW + 240_000, 2)
    assert next_due(cycle, NOW + 60_000, NOW + 10**9) == (0, 9)
    cron = read_cron("*/15 * * * *")
    assert next_due(cron, NOW, NOW + 3_600_000) == (NOW + 4_500_000, 4)


def test_a_long_pause_of_a_quick_schedule_is_counted_at_once():
    years = 10 * 365 * 86_400
    due, missed = next_due(read_cron("* * * * * *", BERLIN), NOW, NOW + years * 1000)
    assert (due, missed) == (NOW + years * 1000 + 1000, years)
    assert next_due(begin(read_cycle("R/PT1S"), NOW), NOW, NOW + years * 1000).missed == years


@pytest.mark.parametrize(
    ("source", "first"),
    [
        ("0 9 * * MON-FRI", "2026-01-01T09:00:00+00:00"),
        ("30 0 9 * * mon-fri", "2026-01-01T09:00:30+00:00"),
        ("0 0 1 jan,jul *", "2026-07-01T00:00:00+00:00"),
        ("@daily", "2026-01-02T00:00:00+00:00"),
        ("@hourly", "2026-01-01T01:00:00+00:00"),
        ("@weekly", "2026-01-04T00:00:00+00:00"),
        ("@monthly", "2026-02-01T00:00:00+00:00"),
        ("@yearly", "2027-01-01T00:00:00+00:00"),
        ("0 12 L * *", "2026-01-31T12:00:00+00:00"),
        ("0 12 * * FRI#2", "2026-01-09T12:00:00+00:00"),
        ("0 0 13 * FRI", "2026-01-02T00:00:00+00:00"),
        ("0 0 29 2 *", "2028-02-29T00:00:00+00:00"),
    ],
)
def test_cron_expressions(source, first):
    assert times(read_cron(source), NOW, 1) == [first]


SPRING, AUTUMN = ms("2026-03-29T00:00:00+01:00"), ms("2026-10-25T00:00:00+02:00")
CLOCKS = {
    "a fixed time in the skipped hour comes at its end": (
        "30 2 * * *", SPRING,
        ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"],
    ),
    "several fixed times in the skipped hour come once": (
        "0,20,40 2 * * *", SPRING,
        ["2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"],
    ),
    "six fields are treated like five": (
        "0 30 2 * * *", SPRING,
        ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"],
    ),
    "every second hour is a fixed hour": (
        "0 */2 * * *", SPRING,
        ["2026-03-29T03:00:00+02:00", "2026-03-29T04:00:00+02:00"],
    ),
    "every hour goes by the time that passes, in spring": (
        "30 * * * *", SPRING,
        ["2026-03-29T00:30:00+01:00", "2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00"],
    ),
    "a fixed time in the hour that is shown twice comes in the first": (
        "30 2 * * *", AUTUMN,
        ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"],
    ),
    "every hour goes by the time that passes, in autumn": (
        "30 * * * *", AUTUMN + 5_400_000,
        ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00", "2026-10-25T03:30:00+01:00"],
    ),
    "a fixed time does not come again when asked in the second of two hours": (
        "30 2 * * *", ms("2026-10-25T02:15:00+01:00"),
        ["2026-10-26T02:30:00+01:00"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("words", CLOCKS)
def test_when_the_clocks_are_changed(words):
    source, began, expected = CLOCKS[words]
    count = len(expected)
    found = times(read_cron(source, BERLIN), began, count + 1, BERLIN)
    assert [one for one in found if one[:10] >= expected[0][:10]][:count] == expected


# Around a change of each: an hour, half an hour, at midnight, a whole day, twice a year and back.
CHANGED = {
    BERLIN: ["2026-03-29", "2026-10-25"],
    "America/New_York": ["2026-03-08", "2026-11-01"],
    "Australia/Lord_Howe": ["2026-04-05", "2026-10-04"],
    "America/Santiago": ["2025-04-06", "2025-09-07"],
    "Pacific/Apia": ["2011-12-30"],
    "Africa/Casablanca": ["2025-02-23", "2025-04-06"],
    "Asia/Kolkata": ["2026-01-01"],
}
PLACES = [(zone, day) for zone, days in CHANGED.items() for day in days]
FIELD = st.sampled_from(["*", "*/7", "0", "0,30", "10-50/20", "59"])
HOURS = st.sampled_from(["*", "*", "0", "0-3", "*/2", "1,2,23", "3"])
DAYS = st.sampled_from(["* *", "* SUN", "* 1-5", "1-15 *", "30 *"])


def names(source):
    """Return a test of wall times, by the fields' sets as cron describes them."""
    minutes, hours, days, weekday = source.split()[0], source.split()[1], *source.split()[2::2]

    def values(text, top):
        found = set()
        for part in text.split(","):
            span, _, step = part.partition("/")
            low, _, high = ("0-" + str(top) if span == "*" else span).partition("-")
            last = int(high) if high else (top if step else int(low))
            found |= set(range(int(low), last + 1, int(step or 1)))
        return found

    wanted = values(minutes, 59), values(hours, 23), values(days, 31)
    weekdays = {"*": set(range(7)), "SUN": {6}, "1-5": set(range(5))}[weekday]
    return lambda wall: (
        wall.minute in wanted[0]
        and wall.hour in wanted[1]
        and wall.day in wanted[2]
        and wall.weekday() in weekdays
    )


def expected_times(source, zone, begin_at, hours):
    """Return when cron comes about, minute by minute: the rule of the module, said plainly."""
    matches, info = names(source), ZoneInfo(zone)
    reached = [(begin_at - timedelta(minutes=n)).astimezone(info) for n in range(1500)]
    furthest = max(one.replace(tzinfo=None) for one in reached)
    found = []
    for minute in range(1, hours * 60):
        moment = begin_at + timedelta(minutes=minute)
        wall = moment.astimezone(info).replace(tzinfo=None)
        if source.split()[1] == "*":
            if matches(wall):
                found.append(moment)
            continue
        steps = int((wall - furthest) / timedelta(minutes=1))
        if any(matches(furthest + timedelta(minutes=n)) for n in range(1, steps + 1)):
            found.append(moment)
        furthest = max(furthest, wall)
    return [int(moment.timestamp() * 1000) for moment in found]


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(PLACES), FIELD, HOURS, DAYS, st.integers(0, 30 * 60), st.data())
def test_cron_comes_when_the_rule_says_around_every_change(place, minute, hour, days, ahead, data):
    zone, day = place
    source = f"{minute} {hour} {days.split()[0]} * {days.split()[1]}"
    began = datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(hours=20)
    began += timedelta(minutes=ahead)
    expected = expected_times(source, zone, began, 40)
    schedule = read_cron(source, zone)
    moment, found = int(began.timestamp() * 1000), []
    while True:
        following, missed = next_due(schedule, moment, moment)
        assert missed == 0
        assert following > moment
        if following >= int(began.timestamp() * 1000) + 40 * 3_600_000:
            break
        found.append(following)
        moment = following
    assert found == expected
    begun = int(began.timestamp() * 1000)
    now = begun + data.draw(st.integers(0, 40 * 3_600_000 - 60_001))
    passed = [one for one in expected if one <= now]
    assert next_due(schedule, begun, now).missed == len(passed)


CYCLES = st.one_of(
    st.builds("PT{}S".format, st.integers(1, 200_000)),
    st.builds("P{}D".format, st.integers(1, 40)),
    st.builds("P{}M".format, st.integers(1, 14)),
    st.builds("P{}Y".format, st.integers(1, 3)),
    st.builds("P{}M{}DT{}H".format, st.integers(0, 3), st.integers(1, 9), st.integers(0, 30)),
)


@settings(deadline=None, max_examples=50)
@given(
    CYCLES,
    st.one_of(st.just(""), st.integers(1, 40)),
    st.sampled_from(list(CHANGED)),
    st.integers(0, 10**11),
    st.lists(st.integers(0, 10**10), min_size=1, max_size=8),
)
def test_a_cycle_fires_or_misses_each_of_its_times_once_and_never_drifts(
    period, count, zone, ahead, pauses
):
    began = NOW + ahead
    cycle = begin(read_cycle(f"R{count}/{period}", zone), began)
    assert read_schedule(cycle.text).text == cycle.text
    expected, due = [], began
    while due and len(expected) < 60:
        due = next_due(cycle, due, due).due
        if due:
            expected.append(due)
    assert all(one < other for one, other in pairwise(expected))
    # The same, when every firing is late: nothing is lost, nothing comes twice.
    due, total = next_due(cycle, began, began).due, 0
    for pause in pauses:
        if total >= len(expected) or not due:
            break
        assert due == expected[total]
        following, missed = next_due(cycle, due, due + pause)
        assert not following or following > due + pause
        total += 1 + missed
        due = following


@pytest.mark.parametrize(
    ("read", "source", "words"),
    [
        (read_cycle, "PT10S", "no ISO 8601 cycle"),
        (read_cycle, "R3/PT0S", "at least one second"),
        (read_cycle, "R0/PT1M", "comes 1 to"),
        (read_cycle, "R3/PTS", "no ISO 8601 duration"),
        (read_cycle, "R/2026-01-01T00:00/P1DX", "no ISO 8601 duration"),
        (read_cycle, "R/2026-13-01T00:00/P1D", "no ISO 8601 date"),
        (read_cycle, "R/2026-01-01T00:00/P1D", "has no offset"),
        (read_cycle, "R/P1D/2026-01-01T00:00Z", "no ISO 8601 cycle"),
        (read_cycle, "R/P101Y", "100 years"),
        (read_cycle, 5, "text is needed"),
        (read_cron, "* * * *", "wrong number of fields"),
        (read_cron, "61 * * * *", "bad minute"),
        (read_cron, "* 24 * * *", "bad hour"),
        (read_cron, "0 0 31 2 *", "bad day-of-month"),
        (read_cron, "0 0 */31 * MON#2", "never comes"),
        (read_cron, "@reboot", "no cron expression"),
        (read_cron, "", "no cron expression"),
        (read_cron, None, "text is needed"),
        (lambda text: read_cron("@daily", text), "Europe/Berlim", "did you mean Europe/Berlin"),
        (lambda text: read_cron("@daily", text), "../../secret", "no IANA time zone"),
        (read_schedule, "@daily", "SOURCE"),
    ],
)
def test_a_bad_schedule_says_what_to_write(read, source, words):
    with pytest.raises(ValueError, match=words):
        read(source)


@pytest.mark.parametrize(
    ("text", "zone", "moment"),
    [
        ("2026-03-29T02:30:00", BERLIN, "2026-03-29T03:00:00+02:00"),
        ("2026-03-29T02:30[Europe/Berlin]", "", "2026-03-29T03:00:00+02:00"),
        ("2026-10-25T02:30[Europe/Berlin]", "UTC", "2026-10-25T02:30:00+02:00"),
        ("2026-10-25T02:30+01:00[Europe/Berlin]", "", "2026-10-25T02:30:00+01:00"),
        ("2026-05-01T08:00:00.250+02:00", BERLIN, "2026-05-01T08:00:00.250+02:00"),
        ("2026-05-01", BERLIN, "2026-05-01T00:00:00+02:00"),
    ],
)
def test_a_date_may_be_what_the_clocks_of_a_zone_show(text, zone, moment):
    assert date_ms(text, zone) == ms(moment)


def test_a_duration_of_years_and_months_is_the_calendars():
    start = ms("2028-02-29T12:00:00+01:00")
    assert shown(due_after("P1Y", start, BERLIN), BERLIN) == "2029-02-28T12:00:00+01:00"
    assert shown(due_after("P1M1DT1H", start, BERLIN), BERLIN) == "2028-03-30T13:00:00+02:00"
    assert due_after("P1D", start) == due_after(86_400, start) == start + 86_400_000
    with pytest.raises(ValueError, match="no fixed length"):
        duration_ms("P1M")


def test_a_zone_knows_its_rules_whatever_the_machine_has(monkeypatch):
    monkeypatch.setattr("zoneinfo.TZPATH", ())
    assert zone_of("Pacific/Chatham").offset(NOW // 1000) == 13 * 3600 + 45 * 60
