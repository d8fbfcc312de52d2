"""Scopes, and ends that throw an error or take every token."""

import json

import pytest

from schemas.commands import (
    CancelInstance,
    FailCall,
    FireTimer,
    RetryIncident,
    RunInstance,
    SetVariables,
)
from schemas.events import ErrorOccurred, EventTriggered, WorkflowCompleted, WorkflowFailed
from schemas.results import CompleteActivity
from streams.domain.protocol import CancelTask, SendCommand
from streams.forms import read_definition
from streams.forms.write import write_definition
from streams.testing.spec import has, instance
from streams.testing.steps import complete, fail, fire, waiting

HEAD = "id: flow\nversion: 1.0.0\n"
SCOPE = f"""{HEAD}
variables: {{total: {{type: integer, default: 0}}}}
nodes:
  start: {{type: start, next: part}}
  part:
    type: scope
    variables: {{step: {{type: integer, default: 1}}}}
    input: {{given: "${{n * 2}}"}}
    output: {{total: "${{given + step}}"}}
    nodes:
      in: {{type: start, next: fork}}
      fork: {{type: parallel, next: [a, b]}}
      a:
        type: activity
        activity_type: job
        input: {{seen: "${{given}}"}}
        output: {{step: "${{step + output.by}}"}}
        next: both
      b: {{type: activity, activity_type: job, result_path: b, next: both}}
      both: {{type: parallel, next: out}}
      out: {{type: end}}
    next: after
  after: {{type: activity, activity_type: job, next: end}}
  end: {{type: end}}
"""


def started(source, **variables):
    return instance(source).given(RunInstance("flow", "", json.dumps(variables).encode()))


def test_a_scope_has_variables_of_its_own_and_gives_its_outputs():
    spec = started(SCOPE, n=5)
    assert waiting(spec) == ["a", "b"]
    task = spec.effects[0].task
    assert task.input == b'{"seen":10}'
    spec = complete(spec, "a", b'{"by":4}')
    (scope,) = spec.state.scopes.values()
    assert scope.variables == {"step": b"5", "given": b"10"}
    assert "step" not in spec.state.variables
    spec = complete(spec, "b", b'"free"')
    assert waiting(spec) == ["after"]
    assert spec.state.scopes == {}
    # What no scope declares is the workflow's own.
    assert spec.state.variables == {
        "n": b"5",
        "total": b"15",
        "result": b'{"by":4}',
        "b": b'"free"',
    }
    assert complete(spec, "after").state.status == "Completed"


def test_a_scope_whose_output_fails_waits_for_an_operator_and_can_be_retried():
    source = SCOPE.replace("${given + step}", "${given + missing}")
    spec = complete(complete(started(source, n=5), "a", b'{"by":4}'), "b")
    (incident,) = spec.state.incidents.values()
    assert (incident.code, incident.node) == ("expression_failed", "part")
    assert "output of part" in incident.message
    spec = spec.given(RetryIncident(0))
    assert len(spec.state.incidents) == 1
    assert len(spec.state.scopes) == 1


def test_a_scope_that_begins_again_is_another_one():
    source = f"""{HEAD}
variables: {{rounds: {{type: integer, default: 0}}}}
nodes:
  start: {{type: start, next: part}}
  part:
    type: scope
    variables: {{mine: {{type: integer, default: 0}}}}
    output: {{rounds: "${{rounds + 1}}"}}
    nodes:
      in: {{type: start, next: a}}
      a: {{type: activity, activity_type: job, output: {{mine: "${{mine + 1}}"}}, next: out}}
      out: {{type: end}}
    next: [{{to: part, when: "${{rounds < 3}}"}}, {{to: end, default: true}}]
  end: {{type: end}}
"""
    spec = started(source)
    for _ in range(3):
        assert next(iter(spec.state.scopes.values())).variables == {"mine": b"0"}
        spec = complete(spec, "a")
    assert (spec.state.status, spec.state.variables["rounds"]) == ("Completed", b"3")


NESTED = f"""{HEAD}
nodes:
  start: {{type: start, next: outer}}
  outer:
    type: scope
    variables: {{x: integer, y: integer}}
    input: {{x: "${{1}}"}}
    nodes:
      o_in: {{type: start, next: inner}}
      inner:
        type: scope
        variables: {{y: integer}}
        input: {{y: "${{x + 1}}"}}
        nodes:
          i_in: {{type: start, next: work}}
          work:
            type: activity
            activity_type: job
            input: {{x: "${{x}}", y: "${{y}}"}}
            output: {{x: "${{x + 10}}", y: "${{y + 10}}", z: "${{x + y}}"}}
            next: i_end
          i_end: {{type: end}}
        next: o_work
      o_work: {{type: activity, activity_type: job, input: {{x: "${{x}}"}}, next: o_end}}
      o_end: {{type: end}}
    next: end
  late: {{type: boundary, on: outer, duration: PT5S, next: end}}
  wrong:
    {{type: boundary, on: outer, error: Boom, output: {{why: "${{error.message}}"}}, next: end}}
  end: {{type: end}}
"""


def test_inner_scopes_see_and_write_the_variables_of_those_around():
    spec = started(NESTED)
    assert spec.effects[-1].task.input == b'{"x":1,"y":2}'
    spec = complete(spec, "work")
    assert spec.effects[-1].task.input == b'{"x":11}'
    assert spec.state.variables["z"] == b"3"
    (outer,) = spec.state.scopes.values()
    assert outer.variables == {"x": b"11", "y": b"null"}
    spec = complete(spec, "o_work")
    assert spec.state.status == "Completed"


def test_an_interrupted_scope_stops_everything_inside():
    spec = started(NESTED)
    before = len(spec.effects)
    spec = fire(spec)
    assert spec.state.status == "Completed"
    (cancelled,) = [e for e in spec.effects[before:] if isinstance(e, CancelTask)]
    assert "late interrupted it" in cancelled.cancellation.reason
    names = [type(event).__name__ for event in spec.past]
    assert names[-3:] == ["ActivityCancelled", "EventTriggered", "WorkflowCompleted"]
    assert (spec.state.scopes, spec.state.subscriptions, spec.state.tokens) == ({}, {}, {})


def test_an_error_goes_out_to_the_nearest_handler():
    spec = fail(started(NESTED), "work")
    assert (spec.state.status, spec.state.variables["why"]) == ("Completed", b'"it went wrong"')
    caught = next(event for event in spec.past if isinstance(event, EventTriggered))
    assert (caught.node, caught.kind, caught.host) == ("wrong", "error", "outer")
    assert json.loads(caught.payload) == {
        "code": "Boom", "message": "it went wrong", "node": "work"
    }  # fmt: skip
    other = fail(started(NESTED), "work", "Other")
    assert other.state.status == "Failed"
    assert has(WorkflowFailed, code="Other", node="work").fields["code"] == other.past[-1].code


ENDS = f"""{HEAD}
nodes:
  start: {{type: start, next: part}}
  part:
    type: scope
    nodes:
      in: {{type: start, next: fork}}
      fork: {{type: parallel, next: [a, b]}}
      a: {{type: activity, activity_type: job, next: stop}}
      b: {{type: activity, activity_type: job, next: out}}
      stop: {{type: end, END}}
      out: {{type: end}}
    next: after
  HANDLER
  after: {{type: activity, activity_type: job, next: end}}
  end: {{type: end}}
"""


def test_a_terminate_end_takes_every_token_of_its_scope_only():
    source = ENDS.replace("END", "terminate: true").replace("HANDLER", "")
    spec = complete(started(source), "a")
    assert waiting(spec) == ["after"]
    assert any(isinstance(effect, CancelTask) for effect in spec.effects)
    spec.when(CompleteActivity(4, 1)).then_rejected("already_closed")
    assert complete(spec, "after").state.status == "Completed"


def test_nothing_waits_any_more_for_the_tokens_that_a_terminate_end_took():
    source = f"""{HEAD}
nodes:
  start: {{type: start, next: part}}
  part:
    type: scope
    nodes:
      in: {{type: start, next: [a, pause, sub, broken]}}
      a: {{type: activity, activity_type: job, next: stop}}
      pause: {{type: timer, duration: PT5S, next: out}}
      sub: {{type: call, definition: other, next: out}}
      broken: {{type: activity, activity_type: job, input: "${{missing}}", next: out}}
      stop: {{type: end, terminate: true}}
      out: {{type: end}}
    next: after
  after: {{type: activity, activity_type: job, next: end}}
  end: {{type: end}}
"""
    spec = started(source)
    (call,) = spec.state.calls
    spec = complete(spec, "a")
    state = spec.state
    assert (state.timers, state.calls, state.incidents) == ({}, {}, {})
    assert spec.next_due() == 0
    spec.when(FailCall(call, "State", "it was cancelled")).then_nothing()
    spec.later(6_000).when(FireTimer(0)).then_nothing()


def test_a_terminate_end_of_the_workflow_completes_it():
    source = f"""{HEAD}
nodes:
  start: {{type: start, next: fork}}
  fork: {{type: parallel, next: [a, b]}}
  a: {{type: activity, activity_type: job, next: stop}}
  b: {{type: activity, activity_type: job, next: stop}}
  stop: {{type: end, terminate: true}}
"""
    spec = complete(started(source), "b")
    assert isinstance(spec.past[-1], WorkflowCompleted)
    assert spec.state.tokens == {}


def test_a_terminate_end_takes_the_other_tokens_even_where_the_result_cannot_be_computed():
    source = f"""{HEAD}
result: {{total: "${{missing}}"}}
nodes:
  start: {{type: start, next: fork}}
  fork: {{type: parallel, next: [a, b, pause]}}
  a: {{type: activity, activity_type: job, next: stop}}
  b: {{type: activity, activity_type: job, next: stop}}
  pause: {{type: timer, duration: PT5S, next: stop}}
  stop: {{type: end, terminate: true}}
"""
    spec = complete(started(source), "b")
    (token,) = spec.state.tokens
    assert [found.token for found in spec.state.incidents.values()] == [token]
    assert (spec.state.activities, spec.state.timers) == ({}, {})
    mended = spec.given(SetVariables(b'{"missing":7}'), RetryIncident(0))
    assert (mended.state.status, mended.state.tokens) == ("Completed", {})


def test_an_error_end_is_caught_by_the_boundary_of_its_scope():
    handler = (
        'oops: {type: boundary, on: part, error: Full, output: {w: "${error.message}"}, next: end}'
    )
    source = ENDS.replace("END", 'error: {code: Full, message: "${n} is too many"}')
    spec = complete(started(source.replace("HANDLER", handler), n=7), "a")
    assert (spec.state.status, spec.state.variables["w"]) == ("Completed", b'"7 is too many"')
    unhandled = complete(started(source.replace("HANDLER", ""), n=7), "a")
    assert unhandled.state.status == "Failed"
    assert (unhandled.past[-1].code, unhandled.past[-1].message) == ("Full", "7 is too many")


def test_cancelling_an_instance_stops_what_runs_in_its_scopes():
    spec = started(NESTED).given(CancelInstance("enough"))
    assert (spec.state.status, spec.state.scopes, spec.state.subscriptions) == ("Cancelled", {}, {})
    assert isinstance(spec.effects[-1], CancelTask)
    assert not [e for e in spec.effects if isinstance(e, SendCommand)]


def test_a_scope_goes_on_after_a_break_for_its_steps():
    names = [f"g{n}" for n in range(30)]
    inner = "\n".join(
        f"      {name}: {{type: exclusive, next: {after}}}"
        for name, after in zip(names, [*names[1:], "a"], strict=True)
    )
    source = f"""{HEAD}
nodes:
  start: {{type: start, next: part}}
  part:
    type: scope
    nodes:
      in: {{type: start, next: g0}}
{inner}
      a: {{type: activity, activity_type: job, next: out}}
      out: {{type: end}}
    next: end
  end: {{type: end}}
"""
    spec = instance(source).with_limits(steps_per_command=10).given(RunInstance("flow"))
    for _ in range(5):
        effects = [e for e in spec.effects if isinstance(e, SendCommand)]
        if waiting(spec):
            break
        spec = spec.given(effects[-1].body)
    assert waiting(spec) == ["a"]
    assert complete(spec, "a").state.status == "Completed"


def test_a_variable_of_a_start_may_not_look_like_a_local_one():
    run = RunInstance("flow", "", b'{"n":1,"@3/x":2}')
    instance(SCOPE).when(run).then_rejected("InvalidInput", "'@3/x'")


@pytest.mark.parametrize("source", [SCOPE, NESTED])
def test_a_definition_with_scopes_is_written_as_it_is_read(source):
    read = read_definition(source)
    assert read_definition(write_definition(read)) == read


def test_an_incident_in_a_scope_stays_in_it_and_can_be_retried():
    source = NESTED.replace('output: {x: "${x + 10}"', 'output: {x: "${x + output}"')
    spec = complete(started(source), "work", b'"no number"')
    (incident,) = spec.state.incidents.values()
    place = spec.state.tokens[incident.token]
    assert place.startswith("work/out@")
    spec = spec.given(RetryIncident(0))
    assert [one.node for one in spec.state.incidents.values()] == ["work"]
    assert has(ErrorOccurred, node="work").fields["node"] == spec.past[-1].node
    queue = instance(NESTED, missing_queues=frozenset(["default"])).given(RunInstance("flow"))
    (incident,) = queue.state.incidents.values()
    assert queue.state.tokens[incident.token].startswith("work@")
