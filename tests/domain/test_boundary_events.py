"""Boundary events and event gateways: what they stop, what they begin, what they wait for."""

import json

import pytest

from schemas.commands import (
    CancelInstance,
    CompleteCall,
    FailCall,
    FireTimer,
    ResumeInstance,
    RetryIncident,
    RunInstance,
    SuspendInstance,
)
from schemas.results import CompleteActivity
from streams.domain.protocol import CancelTask
from streams.forms import read_definition
from streams.forms.write import write_definition
from streams.testing.spec import instance
from streams.testing.steps import complete, fail, fire, waiting

HEAD = "id: flow\nversion: 1.0.0\n"


def started(source, **variables):
    return instance(source).given(RunInstance("flow", "", json.dumps(variables).encode()))


ACTIVITY = f"""{HEAD}
nodes:
  start: {{type: start, next: work}}
  work: {{type: activity, activity_type: job, next: end}}
  any: {{type: boundary, on: work, error: "*", next: mend}}
  declined: {{type: boundary, on: work, error: Declined, next: end}}
  reminder: {{type: boundary, on: work, duration: PT1S, interrupting: false, next: remind}}
  late: {{type: boundary, on: work, duration: PT3S, next: end}}
  remind: {{type: activity, activity_type: job, next: done}}
  mend: {{type: activity, activity_type: job, next: end}}
  done: {{type: end}}
  end: {{type: end}}
"""


def test_an_activity_that_is_done_closes_its_boundary_events():
    spec = started(ACTIVITY)
    assert len(spec.state.subscriptions) == 2
    spec = complete(spec, "work")
    assert (spec.state.status, spec.next_due()) == ("Completed", 0)


def test_a_boundary_timer_that_does_not_interrupt_runs_beside_its_host():
    spec = fire(started(ACTIVITY))
    assert waiting(spec) == ["remind", "work"]
    assert len(spec.state.subscriptions) == 1
    spec = complete(complete(spec, "remind"), "work")
    assert spec.state.status == "Completed"


def test_a_boundary_timer_that_interrupts_cancels_the_task():
    spec = fire(fire(started(ACTIVITY)))
    assert waiting(spec) == ["remind"]
    assert isinstance(spec.effects[-1], CancelTask)
    late = CompleteActivity(2, 1, b"{}")
    spec.when(late).then_rejected("already_closed")
    assert complete(spec, "remind").state.status == "Completed"


def test_an_error_is_caught_by_its_code_before_by_any():
    spec = fail(started(ACTIVITY), "work", "Declined")
    assert spec.state.status == "Completed"
    spec = fail(started(ACTIVITY), "work", "Else")
    assert waiting(spec) == ["mend"]
    assert spec.state.subscriptions == {}


def test_a_boundary_timer_passes_while_suspended_and_acts_when_resumed():
    spec = started(ACTIVITY).given(SuspendInstance())
    assert spec.next_due() == 0
    spec = spec.later(10_000).given(ResumeInstance())
    spec = spec.given(FireTimer(spec.next_due()))
    assert waiting(spec) == ["remind"]


def test_an_error_while_suspended_is_caught_and_goes_on_when_resumed():
    spec = fail(started(ACTIVITY).given(SuspendInstance()), "work")
    assert (spec.state.status, waiting(spec)) == ("Suspended", [])
    assert waiting(spec.given(ResumeInstance())) == ["mend"]


GATEWAY = f"""{HEAD}
nodes:
  start: {{type: start, next: first}}
  first: {{type: event_gateway, next: [soon, late]}}
  soon: {{type: timer, duration: "${{a}}", output: {{which: soon}}, next: end}}
  late: {{type: timer, duration: "${{b}}", output: {{which: late}}, next: end}}
  end: {{type: end}}
"""


@pytest.mark.parametrize(("a", "b", "which"), [(1, 2, "soon"), (3, 2, "late"), (2, 2, "soon")])
def test_an_event_gateway_takes_the_first_event_only(a, b, which):
    spec = started(GATEWAY, a=a, b=b)
    assert list(spec.state.tokens.values()) == ["first"]
    spec = fire(spec)
    assert (spec.state.status, spec.state.variables["which"]) == (
        "Completed",
        f'"{which}"'.encode(),
    )
    path = spec.past[-2].moves.path
    assert path == ["first", f"first->{which}", which, f"{which}->end", "end"]


def test_an_event_gateway_that_cannot_begin_is_an_incident():
    spec = started(GATEWAY, a=1)
    (incident,) = spec.state.incidents.values()
    assert (incident.node, incident.code) == ("first", "expression_failed")
    assert spec.state.subscriptions == {}


def test_the_error_of_a_called_workflow_is_caught_by_the_call():
    source = f"""{HEAD}
nodes:
  start: {{type: start, next: sub}}
  sub: {{type: call, definition: other, next: end}}
  oops: {{type: boundary, on: sub, error: Declined, next: mend}}
  late: {{type: boundary, on: sub, duration: PT9S, next: mend}}
  mend: {{type: activity, activity_type: job, next: end}}
  end: {{type: end}}
"""
    spec = started(source)
    (call,) = spec.state.calls
    assert waiting(spec.given(FailCall(call, "Declined", "no"))) == ["mend"]
    other = spec.given(FailCall(call, "Else", "no"))
    assert (other.state.status, other.past[-1].code) == ("Failed", "Else")
    late = fire(spec)
    assert waiting(late) == ["mend"]
    assert isinstance(late.effects[-2].body, CancelInstance)
    late.when(CompleteCall(call, b"{}")).then_nothing()
    # The incident's retry calls again; the timer on the boundary still counts from the first.
    missing = spec.given(FailCall(call, "NotFound", "no such definition", refused=True))
    again = missing.given(RetryIncident(0))
    assert (len(again.state.calls), len(again.state.subscriptions)) == (1, 1)


@pytest.mark.parametrize("source", [ACTIVITY, GATEWAY])
def test_a_definition_with_events_is_written_as_it_is_read(source):
    read = read_definition(source)
    assert read_definition(write_definition(read)) == read


WRONG = {
    "a boundary event has one of": ("late: {type: boundary, on: work, next: end}", ""),
    "is no activity, approval, call, scope, catch, timer or wait": (
        "late: {type: boundary, on: end, duration: 1, next: end}", "",
    ),
    "an error always interrupts": (
        "late: {type: boundary, on: work, error: X, interrupting: false, next: end}", "",
    ),
    "has no incoming flow": (
        "late: {type: boundary, on: work, duration: 1, next: end}",
        "flows: [{from: work, to: late}]",
    ),
    "after an event gateway come events": ("g: {type: event_gateway, next: work}", ""),
    "a flow stays in its scope": (
        "s: {type: scope, nodes: {i: {type: start, next: o}, o: {type: end}}, next: end}",
        "flows: [{from: work, to: s}, {from: work, to: o}]",
    ),
    "exactly one start is needed in the scope s": (
        "s: {type: scope, nodes: {o: {type: end}}, next: end}", "flows: [{from: work, to: s}]",
    ),
    "2 handlers of the error X": (
        """l: {type: boundary, on: work, error: X, next: end}
  m: {type: boundary, on: work, error: X, next: end}""", "",
    ),
    "throws an error or terminates or": ("e: {type: end, error: X, terminate: true}", ""),
    "this cycle never waits": (
        "s: {type: scope, nodes: {i: {type: start, next: o}, o: {type: end}}, next: [s, end]}",
        "flows: [{from: work, to: s}]",
    ),
}  # fmt: skip


@pytest.mark.parametrize("words", WRONG)
def test_what_does_not_belong_together_is_refused_with_its_line(words):
    nodes, rest = WRONG[words]
    source = f"""{HEAD}
nodes:
  start: {{type: start, next: work}}
  work: {{type: activity, activity_type: job, next: end}}
  {nodes}
  end: {{type: end}}
{rest}
"""
    problems = read_definition(source)
    assert isinstance(problems, list)
    assert any(words in str(problem) for problem in problems), list(map(str, problems))
    assert all(problem.line > 1 for problem in problems)
