"""Sections that hold a lock: asked for before, extended while they run, returned at every end."""

import json
from pathlib import Path

import pytest

from schemas.commands import (
    CancelInstance,
    LockGranted,
    LockLost,
    LockRefused,
    RequestLock,
    ResumeInstance,
    RetryIncident,
    ReturnLock,
    RunInstance,
    SetVariables,
    SkipNode,
    SuspendInstance,
    TerminateInstance,
)
from schemas.lock_events import LockExtended
from schemas.section_events import SectionAwaited, SectionEnded, SectionLocked
from streams.domain.protocol import SendCommand
from streams.forms import examine, read_definition, write_definition
from streams.testing.spec import INCARNATION, NOW, has, instance, lock
from streams.testing.steps import complete, fail, fire, waiting

EXAMPLE = (Path(__file__).resolve().parents[2] / "examples/nodes/lock.yaml").read_text()
RUN = RunInstance("change-stock", "", b'{"article":"pen"}')
MINUTE = 60_000


def requests(spec):
    return sent(spec, RequestLock)


def returns(spec):
    return [(one.aggregate_id, one.body.section) for one in sent(spec, ReturnLock)]


def sent(spec, kind):
    return [e for e in spec.effects if isinstance(e, SendCommand) and isinstance(e.body, kind)]


def section_of(spec):
    (number,) = spec.state.sections
    return number


def asked(source=EXAMPLE):
    return instance(source).given(RUN)


def held(source=EXAMPLE):
    spec = asked(source)
    return spec.given(LockGranted("stock-pen", section_of(spec), 77, NOW + 5 * MINUTE))


def test_a_section_asks_for_its_lock_and_waits():
    spec = (
        instance(EXAMPLE)
        .when(RUN)
        .then(
            "workflow.started",
            has(SectionAwaited, lock="stock-pen", ttl_ms=300_000, wait_ms=60_000),
        )
    )
    (request,) = requests(spec)
    assert request.aggregate_id == "stock-pen"
    body = RequestLock("instance", spec.aggregate_id, INCARNATION, 2, 300_000, 60_000)
    assert (request.aggregate_type, request.body) == ("lock", body)


def test_a_section_begins_with_its_lock_and_sees_the_fencing_token():
    spec = asked()
    spec = spec.when(LockGranted("stock-pen", 2, 77, NOW + 5)).then(
        has(SectionLocked, section=2, fence=77), "scope.started", "activity.scheduled"
    )
    (activity,) = spec.state.activities.values()
    assert json.loads(activity.input) == {"article": "pen", "token": 77}


def test_a_section_that_is_done_returns_its_lock():
    spec = complete(held(), "change")
    assert (spec.state.status, returns(spec)) == ("Completed", [("stock-pen", 2)])


ENDS = [CancelInstance(), TerminateInstance()]


@pytest.mark.parametrize("begun", [asked, held])
@pytest.mark.parametrize("command", ENDS, ids=lambda one: type(one).__name__)
def test_an_instance_that_ends_returns_what_it_has_or_has_asked_for(begun, command):
    assert returns(begun().when(command)) == [("stock-pen", 2)]


def test_a_section_that_fails_returns_its_lock():
    spec = fail(held(), "change")
    assert (spec.state.status, returns(spec)) == ("Failed", [("stock-pen", 2)])


STOPPED = EXAMPLE.replace(
    "  busy:", "  stop: {type: boundary, on: section, signal: stop, next: end}\n  busy:"
).replace("error: LockAcquisition", "error: LockLost")
AROUND = """
id: change-stock
version: 1.0.0
nodes:
  start: {type: start, next: outer}
  outer:
    type: scope
    nodes:
      in: {type: start, next: section}
      section:
        type: scope
        lock: "stock-${article}"
        nodes:
          begin: {type: start, next: change}
          change: {type: activity, activity_type: a, next: done}
          done: {type: end}
        next: out
      out: {type: end}
    next: end
  late: {type: boundary, on: outer, duration: PT1H, next: end}
  caught: {type: boundary, on: outer, error: "*", next: mend}
  mend: {type: activity, activity_type: mend, next: end}
  end: {type: end}
"""


@pytest.mark.parametrize("begun", [asked, held])
def test_a_section_that_is_interrupted_from_outside_returns_its_lock(begun):
    spec = begun(AROUND)
    number = section_of(spec)
    spec = fire(spec)
    assert (spec.state.status, returns(spec)) == ("Completed", [("stock-pen", number)])


def test_a_lock_without_times_is_waited_for_and_held_as_long_as_it_takes():
    spec = asked(AROUND)
    (request,) = requests(spec)
    assert (request.body.ttl_ms, request.body.wait_ms) == (0, -1)
    assert [one.extend_at for one in held(AROUND).state.sections.values()] == [0]


def test_a_section_keeps_its_lock_by_itself():
    spec = held()
    assert spec.next_due() == NOW + 100_000
    spec = fire(spec)
    assert [(one.body.ttl_ms, one.body.wait_ms) for one in requests(spec)][1:] == [(300_000, 0)]
    assert spec.next_due() == NOW + 200_000
    spec.when(LockGranted("stock-pen", 2, 77, NOW + 400_000)).then_nothing()


def test_a_lock_is_extended_by_the_section_that_has_it():
    begun = lock().given(RequestLock("instance", "i", "life", 2, 300_000))
    again = begun.later(100_000).when(RequestLock("instance", "i", "life", 2, 300_000, 0))
    again.then(has(LockExtended, expires_at=NOW + 400_000))
    assert again.effects[0].body == LockGranted("one", 2, NOW, NOW + 400_000)


def test_a_refusal_is_an_error_that_a_boundary_event_catches():
    spec = (
        asked()
        .when(LockRefused("stock-pen", 2, "LockAcquisition", "a has it"))
        .then(has(SectionEnded, how="refused"), "event.triggered", "activity.scheduled")
    )
    assert waiting(spec) == ["later"]
    assert returns(spec) == [("stock-pen", 2)]
    spec.when(LockGranted("stock-pen", 2, 80)).then_rejected("already_closed")


def test_a_refusal_is_caught_by_a_scope_around():
    spec = asked(AROUND)
    spec = spec.given(LockRefused("stock-pen", section_of(spec), "LockAcquisition", "no"))
    assert waiting(spec) == ["mend"]


def incident_of(spec):
    (number,) = spec.state.incidents
    return number, spec.state.incidents[number]


def test_a_refusal_that_nothing_catches_is_an_incident_whose_retry_asks_again():
    spec = asked(STOPPED)
    spec = spec.given(LockRefused("stock-pen", 2, "LockAcquisition", "a has it"))
    number, found = incident_of(spec)
    assert (found.code, found.message) == ("LockAcquisition", "a has it")
    assert list(spec.state.tokens.values()) == ["section"]
    spec = spec.given(RetryIncident(number))
    assert (len(requests(spec)), spec.state.incidents) == (2, {})
    spec = spec.given(LockGranted("stock-pen", section_of(spec), 90))
    assert waiting(spec) == ["change"]


def test_a_lost_lock_is_an_error_that_stops_what_it_protected():
    spec = (
        held(STOPPED)
        .when(LockLost("stock-pen", 2, 77, "expired"))
        .then(
            has(SectionEnded, how="expired"),
            "activity.cancelled",
            "event.triggered",
            "activity.scheduled",
        )
    )
    assert waiting(spec) == ["later"]


def test_a_lost_lock_that_nothing_catches_is_an_incident_with_nothing_left_running():
    spec = held().given(LockLost("stock-pen", 2, 77, "forced"))
    number, found = incident_of(spec)
    assert (found.code, found.message) == (
        "LockLost",
        "section has lost lock 'stock-pen': an operator released it",
    )
    state = spec.state
    assert (state.activities, state.scopes, state.sections, state.subscriptions) == ({}, {}, {}, {})
    assert list(state.tokens.values()) == ["section"]
    again = spec.given(RetryIncident(number))
    again = again.given(LockGranted("stock-pen", section_of(again), 90))
    assert complete(again, "change").state.status == "Completed"
    assert spec.given(SkipNode(number)).state.status == "Completed"


def test_what_a_former_lock_says_changes_nothing():
    spec = held()
    spec.when(LockLost("stock-pen", 2, 76, "expired")).then_nothing()
    spec.when(LockLost("stock-pen", 9, 77, "expired")).then_nothing()
    spec.when(LockRefused("stock-pen", 2, "LockAcquisition", "late")).then_nothing()


def test_a_suspended_section_begins_when_the_instance_is_resumed():
    spec = asked().given(SuspendInstance())
    spec = spec.given(LockGranted("stock-pen", 2, 77, NOW + 5 * MINUTE))
    assert (waiting(spec), spec.next_due()) == ([], 0)
    spec = spec.given(ResumeInstance())
    assert waiting(spec) == ["change"]
    assert waiting(spec.given(SuspendInstance(), ResumeInstance())) == ["change"]


def test_each_run_of_a_scope_is_a_section_of_its_own():
    each = AROUND.replace('lock: "stock-${article}"', "each: {count: 2}\n        lock: stock-pen")
    spec = asked(each)
    first, second = sorted(spec.state.sections)
    spec = spec.given(LockGranted("stock-pen", first, 77))
    assert waiting(spec) == ["change"]
    spec = complete(spec, "change")
    assert returns(spec) == [("stock-pen", first)]
    spec = spec.given(LockLost("stock-pen", first, 77, "forced"))
    spec = complete(spec.given(LockGranted("stock-pen", second, 78)), "change")
    assert spec.state.status == "Completed"


def test_a_lock_without_a_name_is_an_incident():
    spec = instance(EXAMPLE).given(RunInstance("change-stock", "", b'{"article":"a pen"}'))
    number, found = incident_of(spec)
    assert (found.code, "'stock-a pen' is no name of a lock" in found.message) == (
        "InvalidInput",
        True,
    )
    spec = spec.given(SetVariables(b'{"article":"pen"}'), RetryIncident(number))
    assert len(requests(spec)) == 1


@pytest.mark.parametrize(
    ("lock", "said"),
    [
        ("{name: a, ttl: soon}", "'soon' is no ISO 8601 duration"),
        ('{name: "${1 +"}', "never closed"),
        ("{ttl: PT1S}", "'name' is missing"),
        ("{name: a, token: '1'}", "String should match pattern"),
    ],
)
def test_a_lock_that_cannot_be_held_is_refused_with_its_line(lock, said):
    line = next(n for n, text in enumerate(EXAMPLE.splitlines(), 1) if "lock:" in text)
    given = '{name: "stock-${article}", ttl: PT5M, wait: PT1M}'
    _, problems = examine(EXAMPLE.replace(given, lock))
    assert [(one.line, said in one.message) for one in problems][:1] == [(line, True)]


def test_locks_are_written_as_they_were_read():
    named = EXAMPLE.replace("wait: PT1M", "token: fence")
    for source in (EXAMPLE, AROUND, named.replace("lock_token", "fence")):
        definition = read_definition(source)
        assert read_definition(write_definition(definition)) == definition
