"""Compensation: what is done is undone, newest first, one after the other, once."""

import json

import pytest

from schemas import compensation_events as e
from schemas.commands import (
    CancelInstance,
    Continue,
    ResumeInstance,
    RetryIncident,
    RunInstance,
    SetVariables,
    SkipNode,
    SuspendInstance,
    TerminateInstance,
)
from schemas.events import ActivityScheduled, NodeExecuted, WorkflowFailed
from streams.testing.spec import has, instance
from streams.testing.steps import complete, fail, waiting

TRIP = """
id: trip
version: 1.0.0
variables: {n: integer}
nodes:
  start: {type: start, next: hotel}
  hotel: {type: activity, activity_type: hotel, output: {room: "${output.room}"},
          compensate_with: no_hotel, next: flight}
  no_hotel: {type: activity, activity_type: no-hotel, input: {room: "${room}", n: "${n}"}}
  flight: {type: activity, activity_type: flight, output: {n: "${n + 1}"},
           compensate_with: no_flight, next: car}
  no_flight: {type: activity, activity_type: no-flight, input: {n: "${n}"}}
  car: {type: activity, activity_type: car, next: which}
  which: {type: exclusive, next: [{to: undo, when: "${n > 0}"}, {to: end, default: true}]}
  undo: {type: throw, compensate: "*", next: after}
  after: {type: activity, activity_type: after, next: end}
  end: {type: end}
"""


def booked(source=TRIP, name="trip", **variables):
    text = json.dumps({"n": 0, **variables}).encode()
    return instance(source).given(RunInstance(name, "", text))


def task_inputs(spec, node):
    found = [one for one in spec.past if isinstance(one, ActivityScheduled)]
    return [json.loads(one.input) for one in found if one.activity_id == node]


def to_the_throw():
    spec = complete(booked(), "hotel", b'{"room":7}')
    return complete(complete(spec, "flight"), "car")


def test_what_is_done_is_undone_newest_first_and_one_after_the_other():
    spec = to_the_throw()
    assert waiting(spec) == ["no_flight"]
    spec = complete(spec, "no_flight")
    assert waiting(spec) == ["no_hotel"]
    spec = complete(spec, "no_hotel")
    assert waiting(spec) == ["after"]
    assert (spec.state.completions, spec.state.rollbacks, spec.state.scopes) == ({}, {}, {})
    assert complete(spec, "after").state.status == "Completed"


def test_a_handler_sees_the_variables_as_they_were_when_its_node_was_done():
    spec = complete(complete(to_the_throw(), "no_flight"), "no_hotel")
    assert task_inputs(spec, "no_flight") == [{"n": 1}]
    assert task_inputs(spec, "no_hotel") == [{"room": 7, "n": 0}]
    recorded = [one for one in spec.past if isinstance(one, e.CompensationRecorded)]
    assert [one.variables for one in recorded] == [{"n": b"0", "room": b"7"}, {"n": b"1"}]


def test_a_handlers_result_goes_nowhere():
    spec = to_the_throw()
    before = spec.state.variables
    assert complete(spec, "no_flight", b'{"n":99}').state.variables == before


def test_a_throw_with_nothing_to_undo_goes_on_at_once():
    spec = booked(TRIP.replace("type: start, next: hotel", "type: start, next: [hotel, undo]"))
    assert waiting(spec) == ["after", "hotel"]
    assert any(has_type(one, NodeExecuted, "undo") for one in spec.past)


def has_type(event, kind, node):
    return isinstance(event, kind) and event.node == node


def test_only_nodes_with_a_handler_are_remembered():
    spec = complete(booked(), "hotel", b'{"room":7}')
    assert [one.node for one in spec.state.completions.values()] == ["hotel"]
    spec = complete(spec, "flight")
    assert [one.node for one in spec.state.completions.values()] == ["hotel", "flight"]


def test_one_named_node_is_undone_and_the_others_stay():
    spec = complete(booked(TRIP.replace('"*"', "hotel")), "hotel", b'{"room":7}')
    spec = complete(complete(spec, "flight"), "car")
    assert waiting(spec) == ["no_hotel"]
    spec = complete(spec, "no_hotel")
    assert waiting(spec) == ["after"]
    assert [one.node for one in spec.state.completions.values()] == ["flight"]


def test_two_throws_at_once_undo_each_node_once():
    source = TRIP.replace("to: undo, when", "to: both, when").replace(
        "  undo:",
        "  both: {type: parallel, next: [undo, again]}\n"
        '  again: {type: throw, compensate: "*", next: other}\n'
        "  other: {type: activity, activity_type: other, next: end}\n  undo:",
    )
    spec = complete(complete(complete(booked(source), "hotel", b'{"room":7}'), "flight"), "car")
    assert waiting(spec) == ["no_flight", "other"]
    spec = complete(complete(spec, "no_flight"), "no_hotel")
    assert waiting(spec) == ["after", "other"]


# A handler that fails.


@pytest.mark.parametrize("common", ["", "on_failure: skip\n"])
def test_a_handler_that_fails_is_an_incident_and_a_retry_runs_it_again(common):
    spec = complete(booked(TRIP.replace("nodes:", common + "nodes:", 1)), "hotel", b'{"room":7}')
    spec = fail(complete(complete(spec, "flight"), "car"), "no_flight", "Gone", "no answer")
    (number,) = spec.state.incidents
    assert (spec.state.incidents[number].node, waiting(spec)) == ("no_flight", [])
    spec = spec.given(RetryIncident(number))
    assert task_inputs(spec, "no_flight") == [{"n": 1}, {"n": 1}]
    assert waiting(complete(spec, "no_flight")) == ["no_hotel"]


def test_an_operator_skips_a_handler():
    spec = fail(to_the_throw(), "no_flight")
    (number,) = spec.state.incidents
    assert waiting(spec.given(SkipNode(number))) == ["no_hotel"]


def test_a_handlers_own_on_failure_is_followed():
    skip = TRIP.replace("activity_type: no-flight,", "activity_type: no-flight, on_failure: skip,")
    spec = complete(complete(complete(booked(skip), "hotel", b'{"room":7}'), "flight"), "car")
    assert waiting(fail(spec, "no_flight")) == ["no_hotel"]
    hard = skip.replace("on_failure: skip", "on_failure: fail_workflow")
    spec = complete(complete(complete(booked(hard), "hotel", b'{"room":7}'), "flight"), "car")
    spec = fail(spec, "no_flight", "Gone")
    assert (spec.state.status, spec.past[-1].code) == ("Failed", "Gone")
    assert spec.state.rollbacks == {}


def test_a_handler_whose_input_cannot_be_computed_waits_for_its_variable():
    source = TRIP.replace('input: {n: "${n}"}', 'input: {n: "${n + more}"}')
    spec = complete(complete(complete(booked(source), "hotel", b'{"room":7}'), "flight"), "car")
    (number,) = spec.state.incidents
    spec = spec.given(SetVariables(b'{"more":5}'), RetryIncident(number))
    assert task_inputs(spec, "no_flight") == [{"n": 6}]


# Suspension, steps, bounds.


def test_a_suspended_instance_begins_no_handler():
    spec = to_the_throw().given(SuspendInstance())
    spec = complete(spec, "no_flight")
    assert waiting(spec) == []
    assert waiting(spec.given(ResumeInstance())) == ["no_hotel"]


def test_the_rest_of_a_long_undoing_is_left_to_another_command():
    spec = complete(complete(booked(), "hotel", b'{"room":7}'), "flight").with_limits(
        steps_per_command=60
    )
    spec = complete(complete(spec, "car").with_limits(steps_per_command=40), "no_flight")
    assert waiting(spec) == []
    assert isinstance(spec.effects[-1].body, Continue)
    assert waiting(spec.with_limits(steps_per_command=60).given(Continue())) == ["no_hotel"]


# Scopes.

NESTED = """
id: nested
version: 1.0.0
nodes:
  start: {type: start, next: first}
  first: {type: activity, activity_type: a, compensate_with: un_first, next: part}
  un_first: {type: activity, activity_type: a}
  part:
    type: scope
    variables: {x: {type: integer, default: 1}}
    nodes:
      in: {type: start, next: one}
      one: {type: activity, activity_type: a, compensate_with: un_one, output: {x: "${x + 1}"},
            next: two}
      un_one: {type: activity, activity_type: a, input: {x: "${x}"}}
      two: {type: activity, activity_type: a, compensate_with: un_two, next: out}
      un_two: {type: activity, activity_type: a, input: {x: "${x}"}}
      out: {type: end}
    next: last
  failed: {type: boundary, on: part, error: "*", next: undo}
  last: {type: activity, activity_type: a, compensate_with: un_last, next: wait}
  un_last: {type: activity, activity_type: a}
  wait: {type: activity, activity_type: a, next: undo}
  undo: {type: throw, compensate: "*", next: end}
  end: {type: end}
"""


def nested(*nodes, source=NESTED):
    spec = instance(source).given(RunInstance("nested"))
    for node in nodes:
        spec = complete(spec, node)
    return spec


def undone(spec):
    """Complete one handler after the other; return their nodes in this order."""
    found = []
    while spec.state.status == "Running":
        (node,) = waiting(spec)
        found.append(node)
        spec = complete(spec, node)
    return found, spec


def test_a_scope_that_is_done_is_undone_from_inside_in_reverse_order():
    found, spec = undone(nested("first", "one", "two", "last", "wait"))
    assert found == ["un_last", "un_two", "un_one", "un_first"]
    # A scope's own variables are gone with it; its handlers see them still.
    assert (task_inputs(spec, "un_two"), task_inputs(spec, "un_one")) == ([{"x": 2}], [{"x": 2}])
    assert spec.state.status == "Completed"


def test_a_scopes_own_handler_runs_instead_of_those_inside():
    source = NESTED.replace("    type: scope\n", "    type: scope\n    compensate_with: un_part\n")
    source = source.replace("  last:", "  un_part: {type: activity, activity_type: a}\n  last:", 1)
    spec = nested("first", "one", "two", source=source)
    assert [one.node for one in spec.state.completions.values()] == ["first", "part"]
    spec = complete(complete(spec, "last"), "wait")
    assert undone(spec)[0] == ["un_last", "un_part", "un_first"]


def test_a_scope_is_undone_by_its_name():
    source = NESTED.replace('compensate: "*"', "compensate: part")
    spec = nested("first", "one", "two", "last", "wait", source=source)
    assert undone(spec)[0] == ["un_two", "un_one"]


def test_what_an_interrupted_scope_did_can_no_longer_be_undone():
    spec = fail(nested("first", "one"), "two")
    assert undone(spec)[0] == ["un_first"]


def test_a_throw_inside_a_scope_undoes_that_scope_only_and_an_end_may_do_so():
    source = NESTED.replace("      out: {type: end}", '      out: {type: end, compensate: "*"}')
    spec = nested("first", "one", "two", source=source)
    assert waiting(spec) == ["un_two"]
    spec = complete(complete(spec, "un_two"), "un_one")
    assert waiting(spec) == ["last"]
    assert [one.node for one in spec.state.completions.values()] == ["first"]


def test_an_end_that_undoes_may_throw_an_error_then():
    source = NESTED.replace(
        "      out: {type: end}", '      out: {type: end, compensate: "*", error: Gone}'
    )
    spec = nested("first", "one", "two", source=source)
    spec = complete(complete(spec, "un_two"), "un_one")
    assert waiting(spec) == ["un_first"]


def test_a_handler_may_be_a_scope_that_sees_everything_as_it_was():
    source = NESTED.replace(
        "  un_first: {type: activity, activity_type: a}",
        """  un_first:
    type: scope
    nodes:
      b: {type: start, next: work}
      work: {type: activity, activity_type: a, input: {r: "${result}"}, next: e}
      e: {type: end}""",
    )
    spec = instance(source).given(RunInstance("nested"))
    spec = complete(spec, "first", b"1")
    for node in ("one", "two", "last", "wait"):
        spec = complete(spec, node, b"2")
    found, spec = undone(spec)
    assert found == ["un_last", "un_two", "un_one", "work"]
    assert task_inputs(spec, "work") == [{"r": 1}]


LOOPED = """
id: looped
version: 1.0.0
nodes:
  start: {type: start, next: work}
  work: {type: activity, activity_type: a, output: {n: "${n + 1}"}, compensate_with: un_work,
         next: more}
  un_work: {type: activity, activity_type: a, input: {n: "${n}", big: "${big}"}}
  more: {type: exclusive, next: [{to: work, when: "${n < 3}"}, {to: undo, default: true}]}
  undo: {type: end, compensate: "*"}
"""


def looped(big=""):
    return instance(LOOPED).given(
        RunInstance("looped", "", json.dumps({"n": 0, "big": big}).encode())
    )


def test_a_node_of_a_loop_is_undone_once_for_each_time_it_was_done():
    spec = looped()
    for _ in range(3):
        spec = complete(spec, "work")
    spec = undone(spec)[1]
    assert [one["n"] for one in task_inputs(spec, "un_work")] == [3, 2, 1]
    assert spec.state.status == "Completed"


def test_what_the_handlers_will_see_is_bounded():
    spec = complete(complete(looped("x" * 40).with_limits(state=100), "work"), "work")
    spec = complete(spec, "work")
    incident = spec.past[-1]
    assert (incident.code, incident.place) == ("limit_exceeded", "work/out")
    assert "of work, the limit is 100 (state_bytes_max)" in incident.message
    spec = undone(spec.with_limits(state=1_000).given(RetryIncident(0)))[1]
    assert [one["n"] for one in task_inputs(spec, "un_work")] == [3, 2, 1]


# Cancelling.


def test_cancelling_stops_what_is_under_way_and_undoes_what_is_done():
    spec = complete(complete(booked(), "hotel", b'{"room":7}'), "flight")
    decided = spec.when(CancelInstance("enough"))
    decided.then(
        "activity.cancelled",
        has(e.CompensationTriggered, node="", cancels=True, reason="enough"),
        has(e.HandlerStarted, node="flight", handler="no_flight"),
        ActivityScheduled,
    )
    spec = decided.accepted()
    assert spec.state.status == "Running"
    spec.when(CancelInstance("again")).then_nothing()
    spec = complete(complete(spec, "no_flight"), "no_hotel")
    assert (spec.state.status, spec.state.reason) == ("Cancelled", "enough")


def test_cancelling_undoes_inside_a_scope_that_still_runs_too():
    spec = nested("first", "one").given(CancelInstance())
    found, spec = undone(spec)
    assert (found, spec.state.status) == (["un_one", "un_first"], "Cancelled")


def test_cancelling_goes_on_with_what_is_being_undone():
    spec = complete(to_the_throw().given(CancelInstance()), "no_flight")
    spec = complete(spec, "no_hotel")
    assert spec.state.status == "Cancelled"


def test_cancelling_what_is_suspended_resumes_it_to_undo_it():
    spec = complete(booked(), "hotel", b'{"room":7}').given(SuspendInstance(), CancelInstance())
    assert complete(spec, "no_hotel").state.status == "Cancelled"


@pytest.mark.parametrize("last", [CancelInstance("now", compensate=False), TerminateInstance()])
@pytest.mark.parametrize("before", [(), (CancelInstance(),)])
def test_nothing_is_undone_where_that_is_not_wanted(before, last):
    spec = complete(booked(), "hotel", b'{"room":7}').given(*before, last)
    assert spec.state.status in {"Cancelled", "Terminated"}
    assert (spec.state.completions, spec.state.rollbacks, waiting(spec)) == ({}, {}, [])


def test_an_instance_without_handlers_is_cancelled_at_once():
    nested().when(CancelInstance()).then("workflow.cancelled")


def test_a_handler_that_fails_the_workflow_ends_a_cancelling_too():
    source = TRIP.replace("type: no-hotel,", "type: no-hotel, on_failure: fail_workflow,")
    spec = complete(booked(source), "hotel", b'{"room":7}').given(CancelInstance())
    spec = fail(spec, "no_hotel", "Gone")
    assert (type(spec.past[-1]), spec.state.status) == (WorkflowFailed, "Failed")
