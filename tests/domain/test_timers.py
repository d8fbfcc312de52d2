"""Timer nodes: durations, dates, expressions; what fires, and in which order."""

import pytest

from schemas.commands import FireTimer, RetryIncident, RunInstance
from schemas.events import ErrorOccurred, Moves, NodeExecuted, TimerScheduled
from streams.testing.spec import NOW, has, instance

# 2023-11-14T22:13:20Z
DATE = "2023-11-14T22:14:20Z"


def waiting(timer, variables=b"{}"):
    source = f"""
id: flow
version: 1.0.0
nodes:
  start: {{type: start, next: wait}}
  wait: {{type: timer, {timer}, next: end}}
  end: {{type: end}}
"""
    return instance(source).when(RunInstance("flow", "", variables))


@pytest.mark.parametrize(
    ("timer", "variables", "due"),
    [
        ("duration: PT5M", b"{}", NOW + 300_000),
        ("duration: 1.5", b"{}", NOW + 1_500),
        ("duration: 0", b"{}", NOW),
        ('duration: "${pause}"', b'{"pause":"PT1H"}', NOW + 3_600_000),
        ('duration: "${pause * 2}"', b'{"pause":30}', NOW + 60_000),
        ('duration: "PT${n}S"', b'{"n":7}', NOW + 7_000),
        (f"date: {DATE}", b"{}", NOW + 60_000),
        (f'date: "{DATE}"', b"{}", NOW + 60_000),
        ('date: "${when}"', b'{"when":"2023-11-14T23:14:20+01:00"}', NOW + 60_000),
        ('date: "${when}"', b'{"when":"2020-01-01T00:00:00Z"}', 1_577_836_800_000),
        # 0 says that nothing is due.
        ('date: "${when}"', b'{"when":"1970-01-01T00:00:00Z"}', 1),
        ('date: "${when}"', b'{"when":"1903-01-01T00:00:00Z"}', 1),
    ],
)
def test_a_timer_is_due_at_a_moment(timer, variables, due):
    spec = waiting(timer, variables).then("workflow.started", TimerScheduled("wait", 1, due))
    assert spec.next_due() == due


@pytest.mark.parametrize(
    ("timer", "variables", "code", "word"),
    [
        ('duration: "${pause}"', b'{"pause":"soon"}', "InvalidInput", "ISO 8601"),
        ('duration: "${pause}"', b'{"pause":-1}', "InvalidInput", "between 0 and 100 years"),
        ('duration: "${pause}"', b'{"pause":[]}', "InvalidInput", "no duration"),
        ('duration: "${pause}"', b"{}", "expression_failed", "pause"),
        ('date: "${when}"', b'{"when":"2026-05-01T08:00:00"}', "InvalidInput", "offset"),
        ('date: "${when}"', b'{"when":5}', "InvalidInput", "ISO 8601"),
    ],
)
def test_a_moment_that_is_none_becomes_an_incident(timer, variables, code, word):
    spec = waiting(timer, variables).then("workflow.started", has(ErrorOccurred, code=code))
    assert word in spec.past[-1].message
    assert spec.state.tokens == {1: "wait"}
    spec.when(RetryIncident(0)).then("incident.resolved", "error.occurred")


def test_a_duration_longer_than_numbers_becomes_an_incident():
    variables = b'{"pause":"PT' + b"9" * 400 + b'S"}'
    waiting('duration: "${pause}"', variables).then(
        "workflow.started", has(ErrorOccurred, code="InvalidInput")
    )


def test_nothing_fires_before_it_is_due():
    spec = waiting("duration: PT1M").accepted()
    spec.later(59_999).when(FireTimer(NOW + 60_000)).then_nothing()


def test_a_timer_fires_and_its_token_goes_on():
    spec = waiting("duration: PT1M").accepted().later(70_000)
    spec = spec.when(FireTimer(NOW + 60_000)).then(
        NodeExecuted("wait", "timer", Moves([1], [], ["wait", "wait->end", "end"]), NOW + 60_000),
        "workflow.completed",
    )
    assert spec.next_due() == 0
    spec.when(FireTimer(NOW + 60_000)).then_nothing()


def test_a_timer_writes_its_output_mappings():
    spec = waiting('duration: 1, output: {n: "${n + 1}"}', b'{"n":1}').accepted().later(1_000)
    assert spec.when(FireTimer(NOW)).events[0].moves.writes == {"n": b"2"}


def test_an_output_mapping_of_a_timer_that_fails_is_retried_without_waiting_again():
    spec = waiting('duration: 1, output: {n: "${n + 1}"}').accepted().later(1_000)
    spec = spec.when(FireTimer(NOW)).then("node.executed", has(ErrorOccurred, place="wait/out"))
    assert spec.next_due() == 0
    spec.when(RetryIncident(0)).then("incident.resolved", "error.occurred")


def test_everything_due_fires_in_the_order_of_its_due_time():
    source = """
id: flow
version: 1.0.0
nodes:
  start: {type: start, next: [late, soon, never]}
  late: {type: timer, duration: 9, next: end}
  soon: {type: timer, duration: 3, next: end}
  never: {type: timer, duration: 999, next: end}
  end: {type: end}
"""
    spec = instance(source).given(RunInstance("flow")).later(10_000)
    events = spec.when(FireTimer(NOW + 3_000)).events
    assert [(event.node, event.due) for event in events] == [
        ("soon", NOW + 3_000),
        ("late", NOW + 9_000),
    ]
