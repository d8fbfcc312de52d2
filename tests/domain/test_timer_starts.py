"""Starts by timer: when they are due, what was missed, and how a newer version takes them over."""

import pytest

from schemas.commands import FireTimer, PublishDefinition, TriggerInstance
from schemas.definition_events import DefinitionPublished, ScheduleFired
from schemas.events import EventTriggered
from schemas.results import RecordVerdict
from streams.domain.definition.ids import started_id
from streams.domain.definition.state import source_hash
from streams.domain.protocol import SendCommand
from streams.forms import read_definition
from streams.forms.write import write_definition
from streams.testing.spec import NOW, definition, has, instance

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000


def source(times, version="1.0.0", node="tick"):
    return f"""
id: clock
version: {version}
nodes:
  {node}: {{type: start, {times}, output: {{when: "${{output.due}}"}}, next: end}}
  end: {{type: end}}
"""


def steps(*sources):
    found = []
    for text in sources:
        version = str(read_definition(text).version)
        found += [PublishDefinition(text), RecordVerdict(version, source_hash(text), "sound")]
    return found


def published(times, **parts):
    return definition("clock").given(*steps(source(times, **parts)))


def fired(decided):
    """Due and missed of what starts instances, and what is next due, in ms after the beginning."""
    runs = [e.body for e in decided.effects]
    assert [event.instance_id for event in decided.events if event.instance_id] == [
        e.aggregate_id for e in decided.effects
    ]
    spec = decided.accepted()
    return [((run.due - NOW), run.missed) for run in runs], max(0, spec.next_due() - NOW)


@pytest.mark.parametrize(
    ("times", "due"),
    [
        ("duration: PT1H", HOUR),
        ("date: 2023-11-15T00:00:00Z", 6_400_000),
        ("cycle: R/PT10S", 10 * SECOND),
        ('cron: "0 9 * * *", zone: Europe/Berlin', 35_200_000),
        ("date: 2023-11-14T00:00:00Z", 0),
        ("cycle: R2/2023-01-01T00:00:00Z/PT1H", 0),
    ],
    ids=["duration", "date", "cycle", "cron", "past date", "cycle that is over"],
)
def test_a_start_is_due_counted_from_its_publication_unless_that_is_past(times, due):
    spec = published(times)
    assert spec.next_due() == (NOW + due if due else 0)
    assert spec.past[-1].starts[0].due == spec.next_due()


def test_a_due_start_begins_an_instance_of_the_version_and_says_when_it_comes_again():
    spec = published("cycle: R2/PT10S").later(10 * SECOND)
    decided = spec.when(FireTimer(0))
    due = NOW + 10 * SECOND
    name = started_id("clock", "timer", "tick", str(due))
    spec = decided.then(ScheduleFired("clock", "1.0.0", "tick", due, 0, due + 10 * SECOND, name))
    body = TriggerInstance(
        "clock", "1.0.0", "tick", "timer", b'{"due":%d,"missed":0}' % due, due=due
    )
    decided.then_effects(SendCommand("instance", name, "", body, hop=True))
    # The last time of two: nothing is due after it.
    assert fired(spec.later(10 * SECOND).when(FireTimer(0))) == ([(20 * SECOND, 0)], 0)


@pytest.mark.parametrize(
    ("missed", "late", "runs", "due"),
    [
        ("once", 35 * SECOND, [(10 * SECOND, 2)], 40 * SECOND),
        ("each", 35 * SECOND, [(n * 10 * SECOND, 0) for n in (1, 2, 3)], 40 * SECOND),
        ("skip", 10 * SECOND, [(10 * SECOND, 0)], 20 * SECOND),
        ("skip", 70 * SECOND, [(n * 10 * SECOND, 0) for n in range(1, 8)], 80 * SECOND),
        ("skip", 75 * SECOND, [(n * 10 * SECOND, 0) for n in range(2, 8)], 80 * SECOND),
    ],
)
def test_what_was_missed_comes_once_or_each_or_not(missed, late, runs, due):
    spec = published(f"cycle: R/PT10S, missed: {missed}").later(late)
    assert fired(spec.when(FireTimer(0))) == (runs, due)


def test_what_is_skipped_is_told():
    spec = published("cycle: R/PT1H, missed: skip").later(5 * HOUR - MINUTE // 2)
    spec = spec.when(FireTimer(0)).then(
        has(ScheduleFired, due=NOW + HOUR, missed=3, next_due=NOW + 5 * HOUR, instance_id="")
    )
    late = published("duration: PT1H, missed: skip").later(2 * HOUR)
    late.when(FireTimer(0)).then(has(ScheduleFired, next_due=0, instance_id=""))


def test_what_is_more_than_one_command_does_is_done_by_the_next():
    spec = published("cycle: R/PT1S, missed: each").with_limits(fan_out=2).later(5 * SECOND)
    runs, due = fired(spec.when(FireTimer(0)))
    assert (runs, due) == ([(SECOND, 0), (2 * SECOND, 0)], 3 * SECOND)


def test_a_newer_version_takes_the_same_times_over_and_begins_others_anew():
    spec = published("cycle: R3/PT1H").later(HOUR).given(FireTimer(0)).later(HOUR // 2)
    same = spec.given(*steps(source("cycle: R3/PT1H", version="2.0.0")))
    assert same.next_due() - NOW == 2 * HOUR
    decided = same.later(HOUR).when(FireTimer(0))
    assert decided.events[0].version == "2.0.0"
    other = spec.given(*steps(source("cycle: R3/PT2H", version="2.0.0")))
    assert other.next_due() - NOW == HOUR // 2 * 7
    none = spec.given(*steps(source("message: m", version="2.0.0")))
    assert none.next_due() == 0


def test_a_date_that_came_does_not_come_again_with_a_newer_version():
    spec = published("duration: PT1H").later(HOUR).given(FireTimer(0))
    assert spec.given(*steps(source("duration: PT1H", version="2.0.0"))).next_due() == 0


def test_a_version_that_is_refused_leaves_the_times_alone():
    spec = published("cycle: R/PT1H")
    text = source("cycle: R/PT9H", version="2.0.0")
    verdict = RecordVerdict("2.0.0", source_hash(text), "unsound", "why")
    assert spec.given(PublishDefinition(text), verdict).next_due() == NOW + HOUR


def test_an_instance_sees_when_it_was_due():
    text = source("cycle: R/PT10S")
    body = TriggerInstance(
        "clock", "1.0.0", "tick", "timer", b'{"due":7,"missed":2}', due=7, missed=2
    )
    spec = instance(text).when(body).accepted()
    assert (spec.past[1].due, spec.past[1].missed) == (7, 2)
    assert isinstance(spec.past[1], EventTriggered)
    assert spec.state.variables == {"when": b"7"}


def test_nothing_is_asked_of_a_definition_without_timers():
    spec = published("message: m")
    assert isinstance(spec.past[-1], DefinitionPublished)
    assert spec.next_due() == 0


@pytest.mark.parametrize(
    "times",
    ["duration: PT1H", "cycle: R/PT1H, missed: each", 'cron: "@daily", zone: Asia/Tokyo'],
)
def test_timers_are_written_as_they_are_read(times):
    read = read_definition(source(times))
    assert read_definition(write_definition(read)) == read


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ("duration: soon", "soon"),
        ('date: "${x}"', "no expressions"),
        ("cycle: R/PT1H, cron: '@daily'", "a start for each"),
        ("message: m, zone: UTC", "belong to a timer"),
        ("message: m, missed: skip", "belong to a timer"),
        ("cron: '@daily', zone: Berlin", "Berlin"),
        ("cycle: R/PT1H, missed: never", "once"),
    ],
)
def test_what_is_wrong_with_a_timer_is_said(times, words):
    problems = read_definition(source(times))
    assert isinstance(problems, list)
    assert words in str(problems[0])
    assert problems[0].line == 5
