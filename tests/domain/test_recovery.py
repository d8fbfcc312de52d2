"""What follows when a node has failed for good: events, compensation, fallback, strategy."""

import json

import pytest

from schemas.commands import (
    CompleteNode,
    FireTimer,
    ResumeInstance,
    RetryIncident,
    RunInstance,
    SkipNode,
    SuspendInstance,
)
from schemas.events import (
    ActivityFailed,
    CompensationStarted,
    ErrorOccurred,
    WorkflowFailed,
)
from schemas.results import CompleteActivity, FailActivity, HeartbeatActivity
from streams.domain.net.soundness import soundness
from streams.domain.protocol import DispatchActivity
from streams.forms import read_definition
from streams.testing.spec import has, instance
from streams.testing.steps import activity_of, complete, fail, fire, waiting

HEAD = "id: flow\nversion: 1.0.0\n"
BOUNDARY = 'own: {type: boundary, on: work, error: "*", next: mend}'


def source(strategy="", *, fallback=False, boundary=False, around=False, default="", retry=""):
    """Return an activity with a recovery; `around` puts it into a scope that catches errors."""
    fields = f"strategy: {strategy}" if strategy else ""
    if strategy == "compensate":
        fields += ", compensation_activity: undo"
    if fallback:
        fields += ", fallback: plan_b"
    on_failure = f"on_failure: {{{fields.removeprefix(', ')}}}," if fields else ""
    nodes = f"""
  work: {{type: activity, activity_type: job, {on_failure} {retry} next: after}}
  after: {{type: activity, activity_type: job, next: end}}
  {"undo: {type: activity, activity_type: undo}" if strategy == "compensate" else ""}
  {"plan_b: {type: activity, activity_type: job, next: end}" if fallback else ""}
  {BOUNDARY if boundary else ""}
  {"mend: {type: activity, activity_type: job, next: end}" if boundary else ""}
  end: {{type: end}}"""
    if around:
        nodes = f"""
  part: {{type: scope, next: done, nodes: {{begin: {{type: start, next: work}},
    {",".join(line.strip() for line in nodes.splitlines() if line.strip())} }}}}
  caught: {{type: boundary, on: part, error: "*", output: {{why: "${{error}}"}}, next: outer}}
  outer: {{type: activity, activity_type: job, next: done}}
  done: {{type: end}}"""
    top = f"on_failure: {default}" if default else ""
    start = "part" if around else "work"
    return f"{HEAD}{top}\nnodes:\n  start: {{type: start, next: {start}}}{nodes}\n"


def started(text, **limits):
    return instance(text).with_limits(**limits).given(RunInstance("flow"))


# strategy, fallback, own boundary event, scope around that catches: what follows, what waits then
TABLE = [
    ("", False, False, False, "fail_workflow", "Failed"),
    ("", False, False, True, "fail_workflow", ["outer"]),
    ("", False, True, False, "boundary", ["mend"]),
    ("", True, False, False, "fallback", ["plan_b"]),
    ("", True, False, True, "fallback", ["plan_b"]),
    ("fail_workflow", False, False, False, "fail_workflow", "Failed"),
    ("fail_workflow", False, False, True, "fail_workflow", ["outer"]),
    ("fail_workflow", False, True, True, "boundary", ["mend"]),
    ("fail_workflow", True, False, True, "fallback", ["plan_b"]),
    ("skip", False, False, False, "skip", ["after"]),
    ("skip", False, False, True, "skip", ["after"]),
    ("skip", False, True, False, "boundary", ["mend"]),
    ("manual_intervention", False, False, False, "manual_intervention", []),
    ("manual_intervention", False, False, True, "manual_intervention", []),
    ("manual_intervention", False, True, False, "boundary", ["mend"]),
    ("compensate", False, False, False, "compensate", ["undo"]),
    ("compensate", False, False, True, "compensate", ["undo"]),
    ("compensate", True, False, True, "compensate", ["undo"]),
    ("compensate", False, True, True, "boundary", ["mend"]),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: "-".join(map(str, row[:4])))
@pytest.mark.parametrize("retries", [0, 2])
def test_what_follows_is_the_authors_most_specific_word(row, retries):
    strategy, fallback, boundary, around, recovery, then = row
    retry = f"retry: {{immediate: {retries}}}," if retries else ""
    text = source(strategy, fallback=fallback, boundary=boundary, around=around, retry=retry)
    spec = started(text)
    for attempt in range(1, retries + 1):  # Retries come first, whatever else is said.
        (key,) = spec.state.activities
        spec = spec.when(FailActivity(key, attempt, "Boom", "it broke")).then(
            has(ActivityFailed, recovery="retry"), "activity.scheduled"
        )
    (key,) = spec.state.activities
    spec = spec.given(FailActivity(key, retries + 1, "Boom", "it broke"))
    failures = [event for event in spec.past if isinstance(event, ActivityFailed)]
    assert failures[-1].recovery == recovery
    assert (waiting(spec) if spec.state.status == "Running" else spec.state.status) == then
    assert len(spec.state.incidents) == (recovery == "manual_intervention")
    assert soundness(read_definition(text)).sound


@pytest.mark.parametrize(
    ("default", "engine", "recovery"),
    [
        ("", "fail_workflow", "fail_workflow"),
        ("", "manual_intervention", "manual_intervention"),
        ("skip", "manual_intervention", "skip"),
        ("fail_workflow", "manual_intervention", "fail_workflow"),
    ],
)
def test_the_definition_has_a_default_and_the_engine_another(default, engine, recovery):
    spec = fail(started(source(default=default), failure_strategy=engine), "work")
    failed = next(event for event in spec.past if isinstance(event, ActivityFailed))
    assert failed.recovery == recovery
    # The log says what was done, so that it reads the same under another setting.
    assert spec.with_limits(failure_strategy="fail_workflow").replayed() == spec.state


def test_a_nodes_own_strategy_comes_before_the_default():
    spec = fail(started(source("skip", default="manual_intervention")), "work")
    assert waiting(spec) == ["after"]


def test_a_skipped_activity_is_done_without_a_result():
    text = source("skip").replace("job, on_failure", 'job, output: {x: "${output.y}"}, on_failure')
    spec = started(text)
    spec = spec.when(FailActivity(2, 1, "Boom", "it broke", retryable=False)).then(
        has(ActivityFailed, recovery="skip"), "activity.scheduled"
    )
    assert spec.past[2].moves.path == ["work", "work->after"]
    assert spec.state.variables == {}
    assert complete(spec, "after").state.status == "Completed"


def test_a_skipped_activity_goes_on_when_a_suspended_instance_is_resumed():
    spec = fail(started(source("skip")).given(SuspendInstance()), "work")
    assert waiting(spec) == []
    assert waiting(spec.given(ResumeInstance())) == ["after"]


def test_a_manual_intervention_waits_with_its_boundary_timers_and_is_retried():
    text = source("manual_intervention").replace(
        "nodes:\n",
        "nodes:\n  late: {type: boundary, on: work, duration: PT9S, next: end}\n",
    )
    spec = started(text)
    spec = spec.when(FailActivity(2, 1, "Boom", "it broke", retryable=False)).then(
        has(ActivityFailed, recovery="manual_intervention"), has(ErrorOccurred, code="Boom")
    )
    assert (spec.state.tokens, spec.state.activities) == ({1: "work"}, {})
    again = spec.given(RetryIncident(0))
    assert (waiting(again), len(again.state.subscriptions)) == (["work"], 1)
    assert complete(complete(again, "work"), "after").state.status == "Completed"
    assert fire(spec).state.status == "Completed"


# Compensation.


@pytest.mark.parametrize("around", [False, True])
def test_after_the_compensation_the_fallback_follows(around):
    spec = fail(started(source("compensate", fallback=True, around=around)), "work", "Boom")
    assert isinstance(spec.past[-2], CompensationStarted)
    spec = complete(spec, "undo", b'{"undone":true}')
    assert waiting(spec) == ["plan_b"]
    triggered = spec.past[-2]
    assert (triggered.host, json.loads(triggered.payload)["node"]) == ("work", "work")
    assert spec.state.compensations == {}
    assert "result" not in spec.state.variables
    assert complete(spec, "plan_b").state.status == "Completed"


def test_after_the_compensation_the_workflow_fails_with_the_first_error():
    spec = fail(started(source("compensate")), "work", "Boom", "it broke")
    spec = complete(spec, "undo")
    failed = spec.past[-1]
    assert isinstance(failed, WorkflowFailed)
    assert (failed.code, failed.message, failed.node) == ("Boom", "it broke", "work")
    assert spec.state.path[-1] == "undo"


def test_after_the_compensation_a_scope_around_may_catch_the_first_error():
    spec = fail(started(source("compensate", around=True)), "work", "Boom", "it broke")
    spec = complete(spec, "undo")
    assert waiting(spec) == ["outer"]
    assert json.loads(spec.state.variables["why"]) == {
        "code": "Boom",
        "message": "it broke",
        "node": "work",
    }
    assert (spec.state.compensations, spec.state.scopes) == ({}, {})


def test_a_compensation_that_fails_throws_its_own_error_and_names_the_first():
    spec = fail(started(source("compensate", fallback=True)), "work", "Boom", "it broke")
    spec = fail(spec, "undo", "Worse", "no way back")
    failed = spec.past[-1]
    assert (failed.code, failed.node) == ("Worse", "undo")
    assert failed.message == (
        "no way back; it was to compensate work, which had failed with Boom: it broke"
    )


def test_a_compensation_is_retried_skipped_or_left_to_an_operator_as_any_activity():
    text = source("compensate", fallback=True)
    skipped = text.replace("activity_type: undo", "activity_type: undo, on_failure: skip")
    spec = fail(fail(started(skipped), "work"), "undo")
    assert waiting(spec) == ["plan_b"]
    manual = text.replace(
        "activity_type: undo", "activity_type: undo, on_failure: manual_intervention"
    )
    spec = fail(fail(started(manual), "work"), "undo")
    assert len(spec.state.incidents) == 1
    spec = complete(spec.given(RetryIncident(0)), "undo")
    assert waiting(spec) == ["plan_b"]
    retried = text.replace(
        "activity_type: undo", "activity_type: undo, retry: {fixed: {attempts: 1, delay: 5}}"
    )
    spec = fail(started(retried), "work")
    (key,) = spec.state.activities
    spec = complete(fire(spec.given(FailActivity(key, 1, "Worse"))), "undo")
    assert waiting(spec) == ["plan_b"]


@pytest.mark.parametrize("fallback", [False, True])
@pytest.mark.parametrize("by_hand", ["open", "incident", "skipped"])
def test_after_a_compensation_that_people_did_what_was_to_follow_follows(fallback, by_hand):
    text = source("compensate", fallback=fallback).replace(
        "activity_type: undo", "activity_type: undo, on_failure: manual_intervention"
    )
    spec = fail(started(text), "work", "Boom", "it broke")
    if by_hand == "open":
        spec = spec.given(CompleteNode(b"1", activity=activity_of(spec, "undo")))
    else:
        spec = fail(spec, "undo", "Worse")
        (number,) = spec.state.incidents
        done = CompleteNode(b"1", incident=number) if by_hand == "incident" else SkipNode(number)
        spec = spec.given(done)
    if fallback:
        assert waiting(spec) == ["plan_b"]
    else:
        assert (spec.state.status, spec.past[-1].code) == ("Failed", "Boom")
    assert (spec.state.compensations, spec.state.incidents) == ({}, {})


def test_a_compensation_waits_while_the_instance_is_suspended():
    spec = fail(started(source("compensate")).given(SuspendInstance()), "work")
    assert (spec.state.status, waiting(spec)) == ("Suspended", [])
    spec = spec.given(ResumeInstance())
    assert waiting(spec) == ["undo"]
    assert waiting(spec.given(SuspendInstance(), ResumeInstance())) == ["undo"]
    spec = complete(spec.given(SuspendInstance()), "undo")
    assert spec.state.status == "Failed"


def test_a_scope_that_is_stopped_takes_a_compensation_with_it():
    text = source("compensate", around=True).replace(
        "  outer:", "  late: {type: boundary, on: part, duration: PT9S, next: done}\n  outer:"
    )
    spec = fire(fail(started(text), "work"))
    assert (spec.state.status, spec.state.compensations) == ("Completed", {})


def test_an_inclusive_join_waits_for_the_fallback_of_a_compensated_node():
    text = f"""{HEAD}
nodes:
  start: {{type: start, next: fork}}
  fork: {{type: inclusive, next: [work, other]}}
  work:
    type: activity
    activity_type: job
    on_failure: {{compensation_activity: undo, fallback: join}}
    next: end
  undo: {{type: activity, activity_type: undo}}
  other: {{type: activity, activity_type: job, next: join}}
  join: {{type: inclusive, next: last}}
  last: {{type: activity, activity_type: job, next: end}}
  end: {{type: end}}
"""
    spec = complete(fail(started(text), "work"), "other")
    assert waiting(spec) == ["undo"]
    assert waiting(complete(spec, "undo")) == ["last"]


# Telling people.


TOLD = source("manual_intervention, notification_recipients: [a@x.org, b@x.org]")


def told(**limits):
    """Return an instance with an incident (4) and two mails under way (5 and 6)."""
    return fail(started(TOLD, **limits), "work", "Boom", "it broke")


def tasks(spec):
    return [effect for effect in spec.effects if isinstance(effect, DispatchActivity)]


def test_each_recipient_of_an_incident_has_a_task_with_the_ids_that_lead_to_it():
    spec = told(notification_queue="mail")
    first, second = tasks(spec)[-2:]
    assert (first.queue, first.task.activity_type) == ("mail", "notification_activity")
    assert (first.task.activity, second.task.activity) == (5, 6)
    given = json.loads(first.task.input)
    assert given["recipients"] == ["a@x.org"]
    assert given["incident"] == {
        "instance": "one",
        "tenant": "default",
        "incident": 4,
        "node": "work",
        "code": "Boom",
        "message": "it broke",
    }
    assert "work" in given["subject"]
    assert "Boom: it broke" in given["body_template"]


def test_a_mail_that_is_sent_is_noted_once_and_holds_nothing_up():
    spec = told().when(CompleteActivity(5, 1, b"{}", "w")).then("notification.completed")
    spec.when(CompleteActivity(5, 1, b"{}", "w")).then_rejected("already_closed")
    spec.when(HeartbeatActivity(6, 1)).then_nothing()
    spec = complete(complete(spec.given(RetryIncident(4)), "work"), "after")
    assert (spec.state.status, spec.state.notifications) == ("Completed", {})
    spec.when(CompleteActivity(6, 1, b"{}")).then_rejected("already_closed")


def test_a_mail_that_is_not_sent_is_tried_again_with_the_same_task_id_while_the_incident_is_open():
    spec = told().given(FailActivity(5, 1, "ConnectionError", "away"))
    spec.when(FailActivity(5, 1, "ConnectionError", "away")).then_nothing()
    again = fire(spec)
    assert (tasks(again)[-1].task.activity, tasks(again)[-1].task.attempt) == (5, 2)
    assert again.next_due() == 0
    over = spec.given(RetryIncident(4))
    due = over.next_due()
    over.later(due - over.now).when(FireTimer(due)).then("notification.failed")


def test_a_mail_is_given_up_at_some_time_and_at_once_where_it_makes_no_sense():
    spec = told()
    for attempt in range(1, 13):
        spec = fire(spec.given(FailActivity(5, attempt, "ConnectionError", "away")))
    spec = spec.given(FailActivity(5, 13, "ConnectionError", "away"))
    assert 5 not in spec.state.notifications
    assert spec.past[-1].retry_at == 0
    spec = spec.given(FailActivity(6, 1, "InvalidInput", "no address", retryable=False))
    assert (spec.state.notifications, len(spec.state.incidents)) == ({}, 1)


def test_where_the_queue_is_missing_the_history_says_so():
    spec = instance(TOLD, missing_queues=["mail"]).with_limits(notification_queue="mail")
    spec = fail(spec.given(RunInstance("flow")), "work")
    failed = spec.past[-1]
    assert failed.code == "queue_missing"
    assert "tidemill topics apply --queue mail" in failed.message
    assert spec.next_due() == failed.retry_at
