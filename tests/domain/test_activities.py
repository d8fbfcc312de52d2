"""Activities: results and mappings, failures and retries, time-outs, stale reports."""

import pytest

from schemas.commands import FireTimer, RetryIncident, RunInstance
from schemas.events import (
    ActivityCompleted,
    ActivityFailed,
    ActivityScheduled,
    ErrorOccurred,
    Moves,
    WorkflowFailed,
)
from schemas.results import (
    CompleteActivity,
    FailActivity,
    HeartbeatActivity,
    ReportActivityStarted,
)
from schemas.tasks import ActivityCancellation, ActivityTask
from streams.domain.protocol import CancelTask, DispatchActivity
from streams.testing.spec import NOW, has, instance

RUN = RunInstance("flow", "", b'{"n":1}')


def flow(more=""):
    """Return an instance of one activity, under way; its key is 2."""
    source = f"""
id: flow
version: 1.0.0
nodes:
  start: {{type: start, next: work}}
  work: {{type: activity, activity_type: job, next: end{more and ", " + more}}}
  end: {{type: end}}
"""
    return instance(source)


def test_the_task_carries_input_and_only_the_variables_that_are_read():
    decided = flow('queue: q, input: {k: "${n + 1}"}, reads: [n, gone], start_to_close: 30').when(
        RunInstance("flow", "", b'{"n":1,"secret":2}')
    )
    task = ActivityTask(
        2, "work", "job", 1, b'{"k":2}', "flow", "1.0.0", 30_000, variables=b'{"n":1}'
    )
    decided.then_effects(DispatchActivity("q", task))
    assert decided.events[1].close_by == NOW + 30_000


def test_a_completion_carries_everything_that_follows_from_it():
    spec = flow().given(RUN)
    spec.when(CompleteActivity(2, 1, b'{ "b":1, "a":2 }', "w", 77)).then(
        ActivityCompleted(
            2,
            "work",
            "job",
            1,
            b'{"a":2,"b":1}',
            "w",
            77,
            Moves([1], [], ["work", "work->end", "end"], {"result": b'{"a":2,"b":1}'}),
        ),
        "workflow.completed",
    )


@pytest.mark.parametrize(
    ("more", "writes"),
    [
        ("", {"result": b'{"x":5}'}),
        ("result_path: got", {"got": b'{"x":5}'}),
        ("result_path: got.deep.in", {"got": b'{"deep":{"in":{"x":5}}}'}),
        ('output: {sum: "${output.x + n}"}', {"result": b'{"x":5}', "sum": b"6"}),
        ('output: {n.m: "${output.x}"}', {"result": b'{"x":5}', "n": b'{"m":5}'}),
        # Mappings see the result, but not what the others write.
        (
            'result_path: r, output: {n: "${r.x}", b: "${n + 1}"}',
            {"r": b'{"x":5}', "n": b"5", "b": b"2"},
        ),
    ],
)
def test_result_and_output_mappings_write_variables(more, writes):
    event = flow(more).given(RUN).when(CompleteActivity(2, 1, b'{"x":5}')).events[0]
    assert event.moves.writes == writes


def test_an_output_mapping_that_fails_keeps_the_result_and_can_be_retried():
    spec = flow('output: {sum: "${output.x + n}"}').given(RUN)
    spec = spec.when(CompleteActivity(2, 1, b'{"x":"five"}')).then(
        has(ActivityCompleted, output=b'{"x":"five"}'),
        has(ErrorOccurred, code="expression_failed", node="work", place="work/out"),
    )
    assert spec.past[-1].values == b'{"n":1,"output":{"x":"five"}}'
    assert spec.state.variables["result"] == b'{"x":"five"}'
    assert spec.state.activities == {}
    spec.when(RetryIncident(4)).then("incident.resolved", "error.occurred")


def test_output_that_is_no_json_fails_the_attempt_without_a_retry():
    spec = flow("retry: {immediate: 3}").given(RUN)
    spec.when(CompleteActivity(2, 1, b"{oops")).then(
        has(ActivityFailed, code="Serialization", retry_at=0), WorkflowFailed
    )


def test_an_input_that_fails_becomes_an_incident_and_is_retried_by_an_operator():
    spec = flow('input: "${missing}"').given(RUN)
    assert spec.past[-1].code == "expression_failed"
    assert spec.state.tokens == {1: "work"}
    spec.when(RetryIncident(0)).then("incident.resolved", "error.occurred")


def test_a_missing_queue_becomes_an_incident_that_says_what_to_do():
    source = """
id: flow
version: 1.0.0
nodes:
  start: {type: start, next: work}
  work: {type: activity, activity_type: job, queue: mail, next: end}
  end: {type: end}
"""
    spec = instance(source, missing_queues=frozenset({"mail"})).given(RUN)
    assert spec.past[-1].code == "queue_missing"
    assert "tidemill topics apply --queue mail" in spec.past[-1].message
    there = instance(source).given(*spec.past)
    spec = there.when(RetryIncident(2)).then(
        "incident.resolved", has(ActivityScheduled, activity=4, token=1)
    )
    assert spec.state.tokens == {1: "work"}


# Failures and retries.

FIXED = "retry: {fixed: {attempts: 2, delay: PT5S}}"
EXPONENTIAL = "retry: {max_attempts: 6, initial_delay: PT1S, backoff_factor: 2, max_delay: PT10S}"


def delays(spec):
    """Fail the activity until the workflow fails; return the delays before each retry."""
    seen = []
    while spec.state.status == "Running":
        attempt = spec.state.activities[2].attempt
        spec = spec.given(FailActivity(2, attempt, "Boom", "it broke"))
        failed = next(e for e in reversed(spec.past) if isinstance(e, ActivityFailed))
        if not failed.retry_at:
            break
        seen.append(failed.retry_at - spec.now)
        if failed.retry_at > spec.now:
            assert spec.next_due() == failed.retry_at
            spec = spec.later(failed.retry_at - spec.now).given(FireTimer(failed.retry_at))
        assert spec.state.activities[2].attempt == attempt + 1
    assert spec.state.status == "Failed"
    return seen


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("", []),
        ("retry: {immediate: 3}", [0, 0, 0]),
        (FIXED, [5_000, 5_000]),
        (EXPONENTIAL, [1_000, 2_000, 4_000, 8_000, 10_000, 10_000]),
        ("retry: {max_attempts: 2, initial_delay: 0.25, backoff_factor: 1.5}", [250, 375]),
    ],
)
def test_the_delays_of_the_retries(more, expected):
    assert delays(flow(more).given(RUN)) == expected


def test_a_backoff_beyond_numbers_is_capped():
    more = "retry: {max_attempts: 5000, initial_delay: 1, backoff_factor: 10, max_delay: 60}"
    assert set(delays(flow(more).given(RUN))[5:1_500]) == {60_000}


def test_no_delay_stays_no_delay_however_often_it_fails():
    more = "retry: {max_attempts: 1100, initial_delay: 0, backoff_factor: 2}"
    assert set(delays(flow(more).given(RUN))) == {0}


def test_the_definitions_retry_is_the_default_of_its_activities():
    source = """
id: flow
version: 1.0.0
retry: {immediate: 1}
nodes:
  start: {type: start, next: work}
  work: {type: activity, activity_type: job, next: end}
  end: {type: end}
"""
    assert delays(instance(source).given(RUN)) == [0]


def test_a_retry_at_once_schedules_the_next_attempt_in_the_same_decision():
    spec = flow('retry: {immediate: 1}, input: "${n}"').given(RUN)
    decided = spec.when(FailActivity(2, 1, "Boom", "it broke", worker="w"))
    decided.then(
        ActivityFailed(2, "work", "job", 1, "Boom", "it broke", NOW, "w", recovery="retry"),
        ActivityScheduled(2, "work", "job", "default", 1, 2, b"1"),
    )
    (effect,) = decided.effects
    assert (effect.task.activity, effect.task.attempt) == (2, 2)


def test_a_failure_that_is_not_retryable_ends_the_workflow():
    spec = flow("retry: {immediate: 5}").given(RUN)
    spec = spec.when(FailActivity(2, 1, "Boom", "it broke", retryable=False)).then(
        has(ActivityFailed, moves=Moves([1])),
        has(WorkflowFailed, code="Boom", message="it broke", node="work"),
    )
    assert spec.state.errors == ["work: Boom: it broke", "Boom: it broke"]


def test_former_attempts_stay_in_the_state():
    spec = flow(FIXED).given(RUN, FailActivity(2, 1, "Boom", "it broke", worker="w"))
    (attempt,) = spec.state.activities[2].attempts
    assert (attempt.number, attempt.code, attempt.worker, attempt.ended_at) == (1, "Boom", "w", NOW)


# Time-outs.


def timed_out(spec, due, word):
    """Expect that nothing happens before `due`, and a time-out then."""
    assert spec.next_due() == due
    spec.later(due - 1 - spec.now).when(FireTimer(due)).then_nothing()
    decided = spec.later(due - spec.now).when(FireTimer(due))
    failed = decided.events[0]
    assert (failed.code, word in failed.message) == ("Timeout", True)
    assert decided.effects[0] == CancelTask(ActivityCancellation(2, 1, failed.message))
    return decided.accepted()


def test_schedule_to_start_passes_when_no_worker_takes_the_task():
    spec = flow("schedule_to_start: PT5S").given(RUN)
    assert spec.effects[0].task.report_started
    assert timed_out(spec, NOW + 5_000, "schedule-to-start").state.status == "Failed"


def test_start_to_close_counts_from_the_start_where_the_start_is_reported():
    spec = flow("schedule_to_start: PT5S, start_to_close: PT30S").given(RUN)
    spec = spec.later(3_000).given(ReportActivityStarted(2, 1, "w", NOW + 2_900))
    timed_out(spec, NOW + 33_000, "start-to-close")


def test_start_to_close_counts_from_the_dispatch_where_no_start_is_reported():
    spec = flow("start_to_close: PT30S").given(RUN)
    assert not spec.effects[0].task.report_started
    timed_out(spec, NOW + 30_000, "start-to-close")


def test_a_heartbeat_puts_its_time_out_off():
    spec = flow("heartbeat: PT10S").given(RUN)
    assert spec.next_due() == 0
    spec = spec.later(1_000).given(ReportActivityStarted(2, 1, "w"))
    assert spec.next_due() == NOW + 11_000
    spec = spec.later(8_000).when(HeartbeatActivity(2, 1)).then_nothing()
    assert spec.beats == {2: NOW + 9_000}
    timed_out(spec, NOW + 19_000, "heartbeat")


def test_a_start_that_is_reported_again_counts_as_a_heartbeat():
    spec = flow("heartbeat: PT10S").given(RUN, ReportActivityStarted(2, 1, "w"))
    spec = spec.later(5_000).when(ReportActivityStarted(2, 1, "w")).then_nothing()
    assert spec.next_due() == NOW + 15_000


def test_a_worker_may_promise_a_heartbeat_that_the_definition_does_not_ask_for():
    spec = flow().given(RUN, ReportActivityStarted(2, 1, "w", heartbeat_ms=4_000))
    lost = timed_out(spec, NOW + 4_000, "worker of attempt 1 is lost")
    assert lost.state.status == "Running"


def test_an_activity_runs_again_as_often_as_its_worker_is_lost_whatever_its_retry_says():
    spec = flow().given(RUN)
    for attempt, wait in ((1, 1_000), (2, 2_000), (3, 4_000)):
        spec = spec.given(ReportActivityStarted(2, attempt, "w", heartbeat_ms=9_000)).later(9_000)
        spec = spec.given(FireTimer(spec.now))
        assert spec.next_due() == spec.now + wait
        spec = spec.later(wait).given(FireTimer(spec.now + wait))
    spec.when(CompleteActivity(2, 4, b"{}")).then("activity.completed", "workflow.completed")


def test_a_failure_of_an_activity_whose_worker_was_lost_still_fails_the_workflow():
    spec = flow().given(RUN, ReportActivityStarted(2, 1, "w", heartbeat_ms=9_000)).later(9_000)
    spec = spec.given(FireTimer(spec.now)).later(1_000).given(FireTimer(spec.now + 1_000))
    spec.when(FailActivity(2, 2, "Boom")).then("activity.failed", "workflow.failed")


def test_a_time_out_is_retried_as_a_failure_is():
    spec = flow("schedule_to_start: PT5S, retry: {immediate: 1}").given(RUN)
    spec = timed_out(spec, NOW + 5_000, "schedule-to-start")
    assert spec.state.activities[2].attempt == 2
    assert spec.next_due() == NOW + 10_000


# Stale reports.


@pytest.mark.parametrize("more", ["retry: {immediate: 1}", FIXED])
def test_only_the_current_attempt_can_fail_start_or_beat(more):
    spec = flow(more).given(RUN, FailActivity(2, 1, "Boom"))
    spec.when(FailActivity(2, 1, "Boom")).then_rejected("already_closed")
    spec.when(ReportActivityStarted(2, 1)).then_rejected("already_closed")
    spec.when(HeartbeatActivity(2, 1)).then_rejected("already_closed")
    spec.when(FailActivity(2, 7, "Boom")).then_rejected("already_closed")


@pytest.mark.parametrize("more", ["retry: {immediate: 1}", FIXED])
def test_the_completion_of_a_former_attempt_counts_while_the_activity_is_open(more):
    spec = flow(more).given(RUN, FailActivity(2, 1, "Boom"))
    spec = spec.when(CompleteActivity(2, 1, b"1")).then(
        has(ActivityCompleted, attempt=1), "workflow.completed"
    )
    spec.when(CompleteActivity(2, 2, b"2")).then_rejected("already_closed", "Completed")


def test_what_was_for_another_life_of_the_id_is_closed():
    spec = flow().given(RUN)
    spec.when(CompleteActivity(2, 1), incarnation="former").then_rejected(
        "already_closed", "first", "former"
    )
    spec.when(CompleteActivity(2, 1), incarnation="first").accepted()


def test_an_expected_sequence_that_has_passed_is_a_conflict():
    spec = flow().given(RUN)
    spec.when(CompleteActivity(2, 1), expected_sequence=1).then_rejected("version_conflict", "2")
    spec.when(CompleteActivity(2, 1), expected_sequence=2).accepted()


def test_an_activity_that_never_was_is_closed():
    flow().given(RUN).when(CompleteActivity(99, 1)).then_rejected("already_closed", "99")
