"""Limits: what is too large is refused or waits; what is too long goes on later."""

import pytest

from schemas.commands import (
    CancelInstance,
    CompleteCall,
    Continue,
    DeleteInstance,
    FireTimer,
    ResumeInstance,
    RetryIncident,
    RunInstance,
    SuspendInstance,
    TerminateInstance,
)
from schemas.events import ActivityFailed, ErrorOccurred, Moves, WorkflowStarted
from schemas.results import CompleteActivity, FailActivity
from streams.domain.protocol import SendCommand
from streams.testing.spec import INCARNATION, NOW, has, instance


def flow(*nodes):
    lines = "".join(f"  {node}\n" for node in nodes)
    return instance(f"id: flow\nversion: 1.0.0\nnodes:\n{lines}  end: {{type: end}}\n")


START = "start: {type: start, next: work}"
WORK = "work: {type: activity, activity_type: a, next: end%s}"


@pytest.mark.parametrize(
    ("variables", "word"),
    [
        (b'{"v":"%s"}' % (b"x" * 99), "'v' has 101 bytes"),
        (b'{"a":"%s","b":"%s"}' % ((b"x" * 80,) * 2), "together"),
    ],
)
def test_variables_above_their_limit_are_refused_at_the_start(variables, word):
    spec = flow(START, WORK % "").with_limits(variable=100, state=120)
    spec.when(RunInstance("flow", "", variables)).then_rejected("limit_exceeded", word)


def test_a_result_above_the_limit_is_an_incident_and_the_activity_runs_again():
    spec = flow(START, WORK % "").with_limits(variable=100).given(RunInstance("flow"))
    spec = spec.when(CompleteActivity(2, 1, b'"%s"' % (b"x" * 99))).then(
        "activity.completed",
        has(ErrorOccurred, code="limit_exceeded", place=""),
    )
    assert "result" not in spec.state.variables
    assert spec.state.tokens == {1: "work"}
    spec.when(RetryIncident(0)).then("incident.resolved", "activity.scheduled")


@pytest.mark.parametrize(
    ("node", "step"),
    [
        (WORK % ', output: {v: "${n + n}"}', CompleteActivity(2, 1)),
        ('work: {type: timer, duration: 0, next: end, output: {v: "${n + n}"}}', FireTimer(NOW)),
        (
            'work: {type: call, definition: x, next: end, output: {v: "${n + n}"}}',
            CompleteCall(2, b"{}"),
        ),
    ],
)
def test_an_output_mapping_above_the_limit_is_an_incident(node, step):
    spec = flow(START, node).with_limits(variable=100)
    spec = spec.given(RunInstance("flow", "", b'{"n":"%s"}' % (b"x" * 60)), step)
    incident = spec.past[-1]
    assert (incident.code, incident.place) == ("limit_exceeded", "work/out")
    assert "'v' has 122 bytes" in incident.message
    assert "v" not in spec.state.variables
    spec.when(RetryIncident(0)).then("incident.resolved", "error.occurred")


def test_an_input_above_the_limit_is_an_incident():
    spec = flow(START, WORK % ', input: "${n + n}"').with_limits(variable=100)
    spec = spec.given(RunInstance("flow", "", b'{"n":"%s"}' % (b"x" * 60)))
    assert "has 122 bytes" in spec.past[-1].message


def chain(length):
    nodes = [f"n{i}: {{type: exclusive, next: n{i + 1}}}" for i in range(length)]
    last = f"n{length}: {{type: activity, activity_type: a, next: end}}"
    return flow("start: {type: start, next: n0}", *nodes, last)


def test_a_command_that_has_done_its_steps_asks_to_go_on():
    spec = chain(7).with_limits(steps_per_command=3)
    decided = spec.when(RunInstance("flow"))
    spec = decided.then(
        has(
            WorkflowStarted,
            moves=Moves(
                [],
                decided.events[0].moves.produced,
                ["start", "start->n0", "n0", "n0->n1", "n1", "n1->n2", "n2"],
            ),
        )
    )
    assert spec.state.tokens == {1: "n2->n3"}
    assert decided.effects == [SendCommand("instance", "one", INCARNATION, Continue())]
    rounds = 0
    while not spec.state.activities:
        spec = spec.given(Continue())
        rounds += 1
    assert rounds == 2
    assert spec.state.tokens == {3: "n7"}


def test_going_on_without_anything_held_changes_nothing():
    spec = chain(2).given(RunInstance("flow"))
    spec.when(Continue()).then_nothing()


def test_a_wide_split_is_done_in_shares_of_events():
    branches = [f"b{i}" for i in range(20)]
    nodes = [f"{b}: {{type: activity, activity_type: a, next: end}}" for b in branches]
    spec = flow(f"start: {{type: start, next: [{', '.join(branches)}]}}", *nodes)
    spec = spec.with_limits(steps_per_command=8).given(RunInstance("flow"))
    assert len(spec.state.activities) == 8
    assert len(spec.state.tokens) == 20
    spec = spec.given(Continue(), Continue())
    assert sorted(spec.state.tokens.values()) == sorted(branches)


def test_timers_that_are_due_together_fire_in_shares():
    names = [f"t{i}" for i in range(6)]
    nodes = [f"{n}: {{type: timer, duration: 1, next: end}}" for n in names]
    spec = flow(f"start: {{type: start, next: [{', '.join(names)}]}}", *nodes)
    spec = spec.given(RunInstance("flow")).with_limits(events_per_command=4).later(1_000)
    fired = []
    while spec.next_due():
        decided = spec.when(FireTimer(spec.next_due()))
        fired.append(len(decided.events))
        spec = decided.accepted()
    assert fired == [2, 2, 3]
    assert spec.state.status == "Completed"


def test_the_path_keeps_its_newest_entries():
    spec = chain(300).given(RunInstance("flow"))
    assert len(spec.state.path) == 200
    assert spec.state.path[-1] == "n299->n300"


def test_a_childs_result_above_the_limit_is_an_incident_at_the_call():
    spec = flow(START, "work: {type: call, definition: x, next: end}").with_limits(variable=100)
    spec = spec.given(RunInstance("flow"), CompleteCall(2, b'{"v":"%s"}' % (b"x" * 99)))
    assert spec.past[-1].code == "limit_exceeded"
    assert spec.state.tokens == {1: "work"}
    spec.when(RetryIncident(0)).then("incident.resolved", "call.started")


def test_the_errors_keep_their_newest_entries_and_the_history_has_them_all():
    spec = flow(START, WORK % ", retry: {immediate: 300}").given(RunInstance("flow"))
    for attempt in range(1, 251):
        spec = spec.given(FailActivity(2, attempt, "Boom", f"no {attempt}"))
    assert len(spec.state.errors) == 200
    assert spec.state.errors[-1] == "work: Boom: no 250"
    assert sum(isinstance(event, ActivityFailed) for event in spec.past) == 250
    assert len(spec.state.activities[2].attempts) == 20


LONG = "long " * 1_000_000


def test_a_long_message_of_a_worker_is_cut_in_the_event_and_shorter_in_the_state():
    spec = flow(START, WORK % ", retry: {immediate: 300}").given(RunInstance("flow"))
    for attempt in range(1, 251):
        spec = spec.given(FailActivity(2, attempt, LONG, LONG, worker=LONG))
    failed = next(event for event in spec.past if isinstance(event, ActivityFailed))
    assert (len(failed.message), failed.message[-1]) == (4_000, "…")
    assert len(failed.code) == len(failed.worker) == 256
    assert len(spec.aggregate.encode(spec.state)) < 250_000
    assert spec.given(FailActivity(2, 251, "x", LONG, retryable=False)).state.status == "Failed"


def test_a_long_value_in_an_incidents_sentence_is_cut():
    spec = flow(START, 'work: {type: timer, duration: "${n}", next: end}')
    spec = spec.given(RunInstance("flow", "", b'{"n":"%s"}' % (b"x" * 200_000)))
    assert len(spec.past[-1].message) == 4_000


@pytest.mark.parametrize(
    ("command", "before"),
    [
        (SuspendInstance(LONG), ()),
        (ResumeInstance(LONG), (SuspendInstance(),)),
        (CancelInstance(LONG), ()),
        (TerminateInstance(LONG), ()),
        (DeleteInstance(LONG), (CancelInstance(),)),
    ],
)
def test_a_reason_that_every_worker_would_be_told_is_short(command, before):
    spec = flow(START, WORK % "").given(RunInstance("flow"), *before)
    spec.when(command).then_rejected("limit_exceeded", "5000000 characters", "1000")


def test_the_inputs_of_the_open_activities_are_bounded_together():
    names = [f"b{i}" for i in range(6)]
    nodes = [
        f'{n}: {{type: activity, activity_type: a, input: "${{v}}", next: end}}' for n in names
    ]
    spec = flow(f"start: {{type: start, next: [{', '.join(names)}]}}", *nodes)
    spec = spec.with_limits(variable=2_500, state=10_000)
    spec = spec.given(RunInstance("flow", "", b'{"v":"%s"}' % (b"x" * 2_400)))
    assert len(spec.state.activities) == 4
    incidents = list(spec.state.incidents.values())
    assert [i.code for i in incidents] == ["limit_exceeded"] * 2
    assert "12010 bytes of input" in incidents[0].message
    spec = spec.given(*(CompleteActivity(key, 1) for key in spec.state.activities))
    spec.when(RetryIncident(0)).then(*["incident.resolved", "activity.scheduled"] * 2)


def test_the_input_of_a_call_is_bounded():
    spec = flow(
        START, 'work: {type: call, definition: x, input: {a: "${v}", b: "${v}"}, next: end}'
    )
    spec = spec.with_limits(variable=100, state=150)
    spec = spec.given(RunInstance("flow", "", b'{"v":"%s"}' % (b"x" * 90)))
    assert (spec.past[-1].code, spec.state.calls) == ("limit_exceeded", {})
    assert "the input of work has 195 bytes" in spec.past[-1].message


def test_a_result_of_the_workflow_is_bounded():
    source = """
id: flow
version: 1.0.0
nodes:
  start: {type: start, next: end}
  end: {type: end}
result: {a: "${v}", b: "${v}"}
"""
    spec = instance(source).with_limits(variable=100, state=150)
    spec = spec.given(RunInstance("flow", "", b'{"v":"%s"}' % (b"x" * 90)))
    assert spec.past[-1].code == "limit_exceeded"
    assert "cannot be computed: it has 195 bytes" in spec.past[-1].message
    assert spec.state.status == "Running"
    spec.when(RetryIncident(0)).then("incident.resolved", "node.executed", "error.occurred")


def test_a_text_that_grows_without_measure_is_an_incident():
    spec = flow(START, WORK % f', input: "{"${v} " * 600}"')
    spec = spec.given(RunInstance("flow", "", b'{"v":"%s"}' % (b"x" * 200_000)))
    assert spec.past[-1].code == "expression_failed"
    assert "more than 1048576 characters" in spec.past[-1].message
