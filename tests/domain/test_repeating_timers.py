"""Timers by cycle and cron: nodes that wait for the first time, boundary events that come again."""

import json
from pathlib import Path

import pytest

from schemas.commands import FireTimer, ResumeInstance, RetryIncident, RunInstance, SuspendInstance
from schemas.events import EventAwaited, EventTriggered, TimerScheduled
from schemas.results import CompleteActivity
from streams.domain.net.together import together
from streams.forms import prove, read_definition
from streams.forms.write import write_definition
from streams.testing.spec import NOW, has, instance
from streams.testing.steps import complete, fire, waiting

ROOT = Path(__file__).resolve().parents[2]
HOUR = 3_600_000
# 2023-11-14T22:13:20Z, a Tuesday.


def timer(keys):
    return f"""
id: flow
version: 1.0.0
nodes:
  start: {{type: start, next: wait}}
  wait: {{type: timer, {keys}, next: end}}
  end: {{type: end}}
"""


def host(keys, nodes=""):
    return f"""
id: flow
version: 1.0.0
nodes:
  start: {{type: start, next: work}}
  work: {{type: activity, activity_type: job, next: end}}
  again: {{type: boundary, on: work, {keys}, interrupting: false, next: remind}}
  remind: {{type: activity, activity_type: remind, next: done}}
  {nodes}
  done: {{type: end}}
  end: {{type: end}}
"""


def started(source, **variables):
    return instance(source).given(RunInstance("flow", "", json.dumps(variables).encode()))


@pytest.mark.parametrize(
    ("keys", "variables", "after"),
    [
        ("cycle: R3/PT10S", {}, 10_000),
        ("cycle: R/2023-11-14T22:13:20Z/PT1H", {}, HOUR),
        ("cron: 30 22 * * *", {}, 1_000_000),
        (
            'cron: "${when}", zone: "${where}"',
            {"when": "@daily", "where": "Asia/Tokyo"},
            60_400_000,
        ),
        ("duration: P1M, zone: Europe/Berlin", {}, 30 * 24 * HOUR),
        ('date: "2023-11-15T00:13:20", zone: "${where}"', {"where": "Europe/Berlin"}, HOUR),
        ('date: "2023-11-15T00:13:20[Europe/Berlin]"', {}, HOUR),
    ],
)
def test_a_timer_waits_for_the_first_time_of_its_schedule(keys, variables, after):
    spec = started(timer(keys), **variables)
    assert spec.past[-1] == TimerScheduled("wait", 1, NOW + after)
    assert fire(spec).state.status == "Completed"
    assert read_definition(write_definition(read_definition(timer(keys)))) == read_definition(
        timer(keys)
    )


@pytest.mark.parametrize(
    ("keys", "variables", "words"),
    [
        ('cron: "${when}"', {"when": "soon"}, "no cron expression"),
        ('cycle: "${when}"', {"when": "R1/2020-01-01T00:00:00Z/P1D"}, "does not come any more"),
        ('duration: 1, zone: "${when}"', {"when": 5}, "no IANA time zone"),
    ],
)
def test_a_schedule_that_cannot_be_read_is_an_incident(keys, variables, words):
    spec = started(timer(keys), **variables)
    (incident,) = spec.state.incidents.values()
    assert (incident.node, incident.code) == ("wait", "InvalidInput")
    assert words in incident.message
    spec.when(RetryIncident(0)).then("incident.resolved", "error.occurred")


@pytest.mark.parametrize(
    ("source", "where", "words"),
    [
        (timer("cycle: R3/PT0S"), "wait.cycle", "at least one second"),
        (timer('cron: "0 9 * *"'), "wait.cron", "wrong number of fields"),
        (timer("cron: '@daily', zone: Europe/Berlim"), "wait.zone", "did you mean Europe/Berlin"),
        (timer("cron: '@daily', cycle: R/P1D"), "wait", "a timer has one of"),
        (timer("cycle: R/2026-01-01T00:00/P1D"), "wait.cycle", "has no offset"),
        (host("error: X, zone: UTC"), "again", "a zone belongs"),
        (host("duration: 1, missed: each"), "again", "`missed: each` belongs"),
        (host("cycle: R/PT1"), "again.cycle", "no ISO 8601"),
    ],
)  # fmt: skip
def test_a_bad_schedule_is_refused_with_its_line(source, where, words):
    problems = read_definition(source)
    assert isinstance(problems, list)
    assert [(where in str(one), words in str(one), one.line > 3) for one in problems] == [
        (True, True, True)
    ], list(map(str, problems))


def test_a_boundary_cycle_comes_again_until_it_is_used_up():
    spec = started(host("cycle: R2/PT1H"))
    assert has(EventAwaited, due=NOW + HOUR).fields.items() <= vars_of(spec.past[-1]).items()
    assert spec.past[-1].schedule == f"R2/PT1H[UTC]@{NOW}"
    spec = fire(spec)
    first = spec.past[-2]
    assert (first.due, first.stays, first.next_due) == (NOW + HOUR, True, NOW + 2 * HOUR)
    spec = fire(complete(spec, "remind"))
    last = spec.past[-2]
    assert (last.due, last.stays, last.next_due) == (NOW + 2 * HOUR, False, 0)
    assert (waiting(spec), spec.state.subscriptions, spec.next_due()) == (["remind", "work"], {}, 0)
    assert complete(complete(spec, "work"), "remind").state.status == "Completed"


def vars_of(event):
    return {name: getattr(event, name) for name in event.__struct_fields__}


def test_the_host_ends_a_boundary_schedule():
    spec = complete(fire(started(host("cron: 0 * * * *"))), "work")
    assert (spec.state.subscriptions, spec.next_due()) == ({}, 0)
    assert complete(spec, "remind").state.status == "Completed"


def test_one_that_interrupts_comes_once():
    spec = fire(started(host("cycle: R5/PT1H").replace("interrupting: false", "output: {n: 1}")))
    assert (waiting(spec), spec.next_due()) == (["remind"], 0)


def test_what_was_missed_comes_once_with_its_number():
    spec = started(host("cycle: R9/PT1H, output: {seen: '${output}'}"))
    spec = spec.later(4 * HOUR + 1).given(FireTimer(spec.next_due()))
    event = next(one for one in spec.past if isinstance(one, EventTriggered))
    assert (event.due, event.missed, event.next_due) == (NOW + HOUR, 3, NOW + 5 * HOUR)
    assert json.loads(spec.state.variables["seen"]) == {"due": NOW + HOUR, "missed": 3}
    assert waiting(spec) == ["remind", "work"]


def test_what_was_missed_comes_each_by_itself_where_the_author_says_so():
    spec = started(host("cycle: R9/PT1H, missed: each")).later(4 * HOUR + 1)
    while spec.next_due() <= spec.now:
        spec = spec.given(FireTimer(spec.next_due()))
    events = [one for one in spec.past if isinstance(one, EventTriggered)]
    assert [(one.due - NOW, one.missed) for one in events] == [(n * HOUR, 0) for n in (1, 2, 3, 4)]


def test_what_passed_while_suspended_comes_once_when_resumed():
    spec = started(host("cycle: R/PT1H")).given(SuspendInstance()).later(10 * HOUR)
    assert spec.next_due() == 0
    spec = spec.given(ResumeInstance())
    spec = spec.given(FireTimer(spec.next_due()))
    events = [one for one in spec.past if isinstance(one, EventTriggered)]
    assert [(one.missed, one.next_due - NOW) for one in events] == [(9, 11 * HOUR)]


def test_a_timer_that_fires_late_does_not_drift():
    spec = started(host("cycle: R/PT1H"))
    for _ in range(5):
        spec = spec.later(max(0, spec.next_due() - spec.now) + 777).given(
            FireTimer(spec.next_due())
        )
    assert spec.next_due() == NOW + 6 * HOUR


def test_the_example_nags_and_reports():
    source = (ROOT / "examples" / "nodes" / "repeating.yaml").read_text()
    spec = instance(source).given(RunInstance("watched"))
    spec = fire(fire(spec))
    assert waiting(spec) == ["remind", "repair", "report"]
    # Wednesday, nine o'clock in Berlin.
    assert spec.state.variables["morning"] == b"1700035200000"


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("cycle: R/PT1H", ""),
        ("message: m", ""),
        ("signal: s", ""),
        # A node of the host's own way cannot be met: for every time a token more would pass.
        ("cycle: R/PT1H", "end is reached from work too"),
        ("message: m", "end is reached from work too"),
        ("duration: PT1H", "can be reached twice"),
    ],
)
def test_the_way_of_what_comes_again_has_to_end_by_itself(keys, words):
    source = host(keys)
    if words:
        source = source.replace("next: done", "next: end").replace("  done: {type: end}\n", "")
    _, problems, verdict = prove(source)
    assert [words in problem.message for problem in problems] == [True] * bool(words)
    assert (verdict is not None and verdict.sound) is not bool(words)


FORK = """
  f: {{type: {fork}, next: [a, b]}}
  a: {{type: activity, activity_type: job, next: j}}
  b: {{type: activity, activity_type: job, next: j}}
  j: {{type: {join}, next: done}}
"""


@pytest.mark.parametrize(
    ("fork", "join", "words"),
    [
        ("parallel", "parallel", ""),
        ("parallel", "inclusive", "put the way of again into a scope"),
        ("parallel", "join, count: 1", "put the way of again into a scope"),
    ],
)
def test_only_parallel_gateways_may_join_on_such_a_way(fork, join, words):
    nodes = FORK.format(fork=fork, join=join)
    source = host("cycle: R/PT1H", nodes).replace("next: remind", "next: f")
    _, problems, _ = prove(source.replace("  remind: {", "  # {"))
    found = [one.message for one in problems if one.severity == "error"]
    assert [words in message for message in found] == [True] * bool(words), found


def test_many_times_at_once_all_end():
    nodes = FORK.format(fork="parallel", join="parallel")
    source = host("cycle: R4/PT1H", nodes).replace("next: remind", "next: f")
    spec = started(source.replace("  remind: {", "  # {"))
    for _ in range(4):
        spec = fire(spec)
    while spec.state.status == "Running":
        key, activity = next(iter(spec.state.activities.items()))
        spec = spec.given(CompleteActivity(key, activity.attempt, b"{}"))
    assert spec.state.status == "Completed"


RICH = """
  f: {type: parallel, next: [inner, part]}
  inner: {type: activity, activity_type: job, next: k}
  slow: {type: boundary, on: inner, duration: PT9H, interrupting: false, next: shout}
  called: {type: boundary, on: inner, signal: s, interrupting: false, next: shout2}
  late: {type: boundary, on: inner, duration: PT20H, next: k}
  k: {type: exclusive, next: j}
  shout: {type: activity, activity_type: job, next: done}
  shout2: {type: activity, activity_type: job, next: called_out}
  called_out: {type: end}
  part:
    type: scope
    nodes:
      in: {type: start, next: split}
      split: {type: inclusive, next: [{to: x, when: a}, {to: y, when: b}, {to: z, default: true}]}
      x: {type: activity, activity_type: job, next: merge}
      y: {type: activity, activity_type: job, next: merge}
      z: {type: activity, activity_type: job, next: merge}
      merge: {type: inclusive, next: out}
      out: {type: end}
    next: j
  j: {type: parallel, next: done}
"""


def test_a_way_with_hosts_and_scopes_of_its_own_may_begin_again_and_again():
    source = host("cycle: R4/PT1H", RICH).replace("next: remind", "next: f")
    source = source.replace("  remind: {", "  # {")
    _, problems, verdict = prove(source)
    assert ([one for one in problems if one.severity == "error"], verdict.sound) == ([], True)
    spec = started(source, a=True, b=True)
    for _ in range(14):  # The four times, and what is slow of some.
        spec = fire(spec) if spec.next_due() else spec
    while spec.state.status == "Running":
        key, activity = next(iter(spec.state.activities.items()))
        spec = spec.given(CompleteActivity(key, activity.attempt, b"{}"))
    assert (spec.state.status, spec.state.incidents) == ("Completed", {})


@pytest.mark.parametrize("event", ["message: m", "signal: m"])
def test_what_another_workflow_sends_twice_comes_twice(event):
    tells = f"""
id: tells
version: 1.0.0
nodes:
  start: {{type: start, next: one}}
  one: {{type: throw, {event}, next: two}}
  two: {{type: throw, {event}, next: end}}
  end: {{type: end}}
"""
    accord = together([read_definition(tells), read_definition(host(event))])
    assert (accord.sound, accord.parties) == (True, ["tells", "flow"])


def test_an_event_gateway_waits_for_the_first_time_of_a_schedule():
    spec = started(
        """
id: flow
version: 1.0.0
nodes:
  start: {type: start, next: first}
  first: {type: event_gateway, next: [paid, morning]}
  paid: {type: catch, message: paid, next: end}
  morning: {type: timer, cron: 0 9 * * *, zone: Europe/Berlin, next: end}
  end: {type: end}
"""
    )
    assert spec.next_due() == 1_700_035_200_000
    assert spec.past[-1].schedule == ""
    assert fire(spec).state.status == "Completed"


def test_a_property_sees_that_an_event_comes_again():
    source = host("cycle: R/PT1H", "ack: {type: activity, activity_type: job, next: done}")
    source = source.replace("activity_type: remind, next: done", "activity_type: remind, next: ack")
    stated = source + "properties: [{never: remind, after: ack}]\n"
    _, problems, _ = prove(stated)
    assert ["remind can act although ack has acted" in one.message for one in problems] == [True]
    once = stated.replace("cycle: R/PT1H", "duration: PT1H")
    assert prove(once)[1] == []


def test_a_host_in_a_loop_may_begin_while_a_reminder_is_under_way():
    source = host("cycle: R/PT1H", "more: {type: exclusive, next: [end, {to: work, when: w}]}")
    source = source.replace("activity_type: job, next: end", "activity_type: job, next: more")
    _, problems, verdict = prove(source.replace("[end,", "[{to: end, default: true},"))
    assert ([one for one in problems if one.severity == "error"], verdict.sound) == ([], True)
