"""A call with `retry:` starts another child where one has failed."""

import pytest

from schemas.call_events import CallFailed, CallStarted
from schemas.commands import (
    CancelInstance,
    CompleteCall,
    CompleteNode,
    FailCall,
    ResumeInstance,
    RetryIncident,
    RunInstance,
    SetVariables,
    SuspendInstance,
    TerminateInstance,
)
from streams.forms import read_definition
from streams.forms.write import write_definition
from streams.testing.spec import has, instance
from streams.testing.steps import fire

RETRY = "retry: {max_attempts: 2, initial_delay: PT10S, backoff_factor: 3, max_delay: PT20S}"
SOURCE = f"""
id: flow
version: 1.0.0
variables: {{n: integer}}
nodes:
  start: {{type: start, next: sub}}
  sub: {{type: call, definition: other, input: {{n: "${{n}}"}}, {RETRY}, next: end}}
  late: {{type: boundary, on: sub, duration: PT1H, next: end}}
  end: {{type: end}}
"""


def started(source=SOURCE):
    return instance(source).given(RunInstance("flow", "", b'{"n":1}'))


def failed(spec, code="Boom", **more):
    (key,) = spec.state.calls
    return spec.given(FailCall(key, code, "it broke", **more))


def test_another_child_starts_after_each_delay_as_often_as_the_author_says():
    spec, delays = started(), []
    for attempt in (2, 3):
        spec = failed(spec)
        assert spec.past[-1].recovery == "retry"
        delays.append(spec.next_due() - spec.now)
        spec = fire(spec)
        (call,) = spec.state.calls.values()
        assert (call.attempt, call.retry_at) == (attempt, 0)
    assert delays == [10_000, 20_000]
    children = [event.child_id for event in spec.past if isinstance(event, CallStarted)]
    assert len({*children}) == 3
    spec = failed(spec)
    assert (spec.state.status, spec.past[-1].code) == ("Failed", "Boom")


def test_the_next_child_may_complete_the_call_and_the_former_has_no_say():
    spec = started()
    (former,) = spec.state.calls
    spec = failed(spec)
    spec.when(CompleteNode(call=former, result=b"1")).then("node.completed", "workflow.completed")
    spec.when(FailCall(former, "Boom", "again")).then_nothing()
    spec = fire(spec)
    spec.when(CompleteCall(former, b"{}")).then_nothing()
    (key,) = spec.state.calls
    spec.when(CompleteCall(key, b"{}")).then("node.executed", "workflow.completed")


def test_without_a_delay_it_starts_at_once_and_while_suspended_when_that_is_over():
    source = SOURCE.replace(RETRY, "retry: {immediate: 1}")
    spec = started(source)
    (key,) = spec.state.calls
    spec.when(FailCall(key, "Boom", "it broke")).then(
        has(CallFailed, recovery="retry", retry_at=spec.now), has(CallStarted, attempt=2)
    )
    spec = failed(spec.given(SuspendInstance()))
    assert (spec.next_due(), spec.past[-1].recovery) == (0, "retry")
    spec = fire(spec.given(ResumeInstance()))
    assert [call.attempt for call in spec.state.calls.values()] == [2]


def test_what_could_not_start_and_what_people_stopped_is_not_repeated():
    spec = failed(started(), "NotFound", refused=True)
    assert ([one.code for one in spec.state.incidents.values()], spec.state.calls) == (
        ["NotFound"],
        {},
    )
    assert [call.attempt for call in spec.given(RetryIncident(0)).state.calls.values()] == [1]
    assert failed(started(), "State").state.status == "Failed"


def test_a_boundary_event_counts_over_all_children_and_ends_the_repeating():
    spec = failed(fire(failed(started())))
    assert len(spec.state.subscriptions) == 1
    (late,) = spec.state.subscriptions.values()
    assert late.due == spec.times[0] + 3_600_000
    spec = fire(fire(spec))  # Another child, then the hour is over.
    assert (spec.state.status, spec.past[-2].node) == ("Completed", "late")
    assert [one.aggregate_id for one in spec.effects if isinstance(one.body, CancelInstance)]


@pytest.mark.parametrize("end", [CancelInstance("off"), TerminateInstance("off")])
def test_a_child_that_has_failed_is_not_told_that_its_caller_ends(end):
    spec = failed(started()).given(end)
    assert not [one for one in spec.effects if isinstance(one.body, type(end))]
    assert (spec.state.calls, spec.next_due()) == ({}, 0)


def test_the_input_that_cannot_be_computed_any_more_is_an_incident():
    spec = failed(started(SOURCE.replace("${n}", "${10 / n}")))
    spec = fire(spec.given(SetVariables(b'{"n":0}')))
    assert ([one.code for one in spec.state.incidents.values()], spec.state.calls) == (
        ["expression_failed"],
        {},
    )
    spec = spec.given(SetVariables(b'{"n":5}'), RetryIncident(0))
    assert [call.attempt for call in spec.state.calls.values()] == [1]


def test_retry_is_read_and_written():
    definition = read_definition(SOURCE)
    assert definition.nodes["sub"].kind.retry.max_attempts == 2
    assert read_definition(write_definition(definition)) == definition
