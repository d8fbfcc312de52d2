"""Incidents: what stops a token, and what a retry does."""

import pytest

from schemas.commands import PublishDefinition, RetryIncident, RunInstance, SetVariables
from schemas.events import (
    ActivityScheduled,
    ErrorOccurred,
    IncidentResolved,
    NodeExecuted,
    WorkflowCompleted,
)
from schemas.results import CompleteActivity
from streams.domain.protocol import RedriveCommand
from streams.testing.spec import has, instance

TWO = """
id: two
version: 1.0.0
nodes:
  start: {type: start, next: [a, b]}
  a: {type: activity, activity_type: a, input: "${x}", next: end}
  b: {type: activity, activity_type: b, input: "${x}", next: end}
  end: {type: end}
"""


def test_each_token_that_cannot_go_on_is_an_incident_of_its_own():
    spec = instance(TWO).given(RunInstance("two"))
    assert [(i.node, i.token) for i in spec.state.incidents.values()] == [("a", 1), ("b", 2)]
    assert sorted(spec.state.tokens.values()) == ["a", "b"]


@pytest.mark.parametrize(("wanted", "resolved"), [(2, [2]), (3, [3]), (0, [2, 3])])
def test_one_incident_or_all_are_retried(wanted, resolved):
    spec = instance(TWO).given(RunInstance("two"))
    events = spec.when(RetryIncident(wanted)).events
    found = [e.incident for e in events if isinstance(e, IncidentResolved)]
    assert found == resolved


def test_an_incident_that_is_not_open_is_not_found():
    spec = instance(TWO).given(RunInstance("two"))
    spec.when(RetryIncident(9)).then_rejected("NotFound", "9")


def test_a_result_that_cannot_be_computed_waits_and_is_computed_again():
    source = """
id: flow
version: 1.0.0
nodes:
  start: {type: start, next: end}
  end: {type: end}
result: {total: "${x}"}
"""
    spec = instance(source).given(RunInstance("flow"))
    assert spec.state.status == "Running"
    spec = spec.when(RetryIncident(0)).then(
        "incident.resolved", has(NodeExecuted, node_type="result"), "error.occurred"
    )
    assert len(spec.state.tokens) == 1


def test_a_node_named_result_is_not_taken_for_the_workflows_result():
    source = """
id: flow
version: 1.0.0
nodes:
  start: {type: start, next: result}
  result: {type: activity, activity_type: a, output: {y: "${output.x}"}, next: more}
  more: {type: activity, activity_type: b, next: end}
  end: {type: end}
"""
    spec = instance(source).given(RunInstance("flow"), CompleteActivity(2, 1, b"{}"))
    assert spec.state.tokens == {1: "result/out"}
    spec = spec.when(RetryIncident(0)).then("incident.resolved", "error.occurred")
    assert list(spec.state.tokens.values()) == ["result/out"]


def test_a_retry_computes_the_outputs_with_the_result_that_was_kept():
    source = """
id: flow
version: 1.0.0
nodes:
  start: {type: start, next: one}
  one:
    type: activity
    activity_type: a
    result_path: r.in
    output: {y: "${output.x + n}"}
    next: end
  end: {type: end}
"""
    spec = instance(source).given(RunInstance("flow"), CompleteActivity(2, 1, b'{"x":4}'))
    assert spec.state.variables == {"r": b'{"in":{"x":4}}'}
    mended = spec.given(SetVariables(b'{"n":3}'))
    mended.when(RetryIncident(0)).then(
        "incident.resolved",
        has(NodeExecuted, node="one", node_type="retry"),
        WorkflowCompleted(b'{"n":3,"r":{"in":{"x":4}},"y":7}'),
    )


def test_a_retried_choice_goes_on_where_the_variable_is_there():
    source = """
id: flow
version: 1.0.0
nodes:
  start: {type: start, next: pick}
  pick: {type: exclusive, next: [{to: work, when: "${n > 0}"}, {to: end, default: true}]}
  work: {type: activity, activity_type: a, next: end}
  end: {type: end}
"""
    spec = instance(source).given(RunInstance("flow"))
    mended = spec.given(SetVariables(b'{"n":1}'))
    mended.when(RetryIncident(0)).then(
        "incident.resolved", "node.executed", has(ActivityScheduled, activity_id="work")
    )


def test_an_incident_that_kept_a_command_applies_it_again():
    spec = instance(TWO).given(
        RunInstance("two", "", b'{"x":1}'), ErrorOccurred("stalled", "a defect", command=b"cmd")
    )
    decided = spec.when(RetryIncident(0))
    decided.then("incident.resolved")
    decided.then_effects(RedriveCommand(b"cmd"))


def test_a_command_that_is_none_of_an_instances_is_refused():
    spec = instance(TWO).given(RunInstance("two"))
    spec.when(PublishDefinition("x")).then_rejected("UnsupportedOperation", "PublishDefinition")
