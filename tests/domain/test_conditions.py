"""Conditional events: when they act, how often, in which order, and what ends their chains."""

import json

import pytest

from schemas.commands import (
    Continue,
    ResumeInstance,
    RetryIncident,
    RunInstance,
    SetVariables,
    SuspendInstance,
)
from schemas.condition_events import ConditionEnded
from schemas.events import ErrorOccurred, EventTriggered, IncidentResolved, Moves, VariablesSet
from streams.domain.protocol import CancelTask, SendCommand
from streams.forms import prove, read_definition
from streams.forms.write import write_definition
from streams.testing.spec import has, instance
from streams.testing.steps import complete, fire, waiting

HEAD = "id: flow\nversion: 1.0.0\n"


def started(source, **variables):
    return instance(source).given(RunInstance("flow", "", json.dumps(variables).encode()))


def put(spec, scope=0, **variables):
    return spec.given(SetVariables(json.dumps(variables).encode(), scope))


def acted(spec):
    return [event.node for event in spec.past if isinstance(event, EventTriggered)]


CATCH = f"""{HEAD}
nodes:
  start: {{type: start, next: low}}
  low: {{type: catch, condition: "${{stock < 10}}", output: {{seen: "${{stock}}"}}, next: end}}
  end: {{type: end}}
"""


def test_a_catch_waits_until_its_condition_is_true():
    spec = put(started(CATCH, stock=12), stock=11)
    assert (spec.state.status, acted(spec)) == ("Running", [])
    spec = put(spec, stock=9)
    assert (spec.state.status, spec.state.variables["seen"]) == ("Completed", b"9")


def test_a_condition_that_is_true_when_the_token_comes_acts_at_once():
    instance(CATCH).when(RunInstance("flow", "", b'{"stock":3}')).then(
        "workflow.started",
        "event.awaited",
        has(EventTriggered, node="low", kind="condition", subscription=2),
        "workflow.completed",
    )


BOUNDARY = f"""{HEAD}
variables: {{stock: {{type: integer, default: 20}}}}
nodes:
  start: {{type: start, next: fork}}
  fork: {{type: parallel, next: [work, other]}}
  work: {{type: activity, activity_type: job, next: end}}
  other: {{type: activity, activity_type: job, output: {{stock: "${{output.left}}"}}, next: done}}
  low:
    {{type: boundary, on: work, condition: "${{stock < 10}}", interrupting: false, next: order}}
  none: {{type: boundary, on: work, condition: stock == 0, next: none_end}}
  order: {{type: activity, activity_type: job, next: ordered}}
  ordered: {{type: end}}
  none_end: {{type: end}}
  done: {{type: end}}
  end: {{type: end}}
"""


def test_one_that_does_not_interrupt_acts_each_time_it_becomes_true():
    spec = started(BOUNDARY)
    for stock in (9, 8, 20, 7):
        spec = put(spec, stock=stock)
    assert acted(spec) == ["low", "low"]
    assert waiting(spec) == ["order", "order", "other", "work"]
    assert [type(e) for e in spec.past].count(ConditionEnded) == 1


def test_one_that_interrupts_stops_its_host():
    spec = complete(started(BOUNDARY), "other", b'{"left":0}')
    # Both became true by one write: the one that began to wait first acts first.
    assert acted(spec) == ["low", "none"]
    assert waiting(spec) == ["order"]
    assert any(isinstance(effect, CancelTask) for effect in spec.effects)
    assert complete(spec, "order").state.status == "Completed"


def test_the_output_of_the_host_itself_does_not_make_its_boundary_act():
    source = BOUNDARY.replace("on: work", "on: other")
    spec = complete(started(source), "other", b'{"left":0}')
    assert (acted(spec), waiting(spec)) == ([], ["work"])


def test_a_write_that_the_condition_does_not_read_is_not_looked_at():
    # Were it evaluated, it would be true.
    spec = started(CATCH, stock=20).given(VariablesSet(moves=Moves(writes={"stock": b"1"})))
    assert [type(event).__name__ for event in put(spec, other=1).past[-2:]] == ["VariablesSet"] * 2
    assert acted(put(spec, stock=2)) == ["low"]


def test_all_variables_are_read_by_a_condition_over_the_workflow():
    source = CATCH.replace("${stock < 10}", "${size(workflow) > 1}")
    assert put(started(source, stock=1), more=2).state.status == "Completed"


GATEWAY = f"""{HEAD}
nodes:
  start: {{type: start, next: first}}
  first: {{type: event_gateway, next: [low, late]}}
  low: {{type: catch, condition: "${{stock < 10}}", next: order}}
  late: {{type: timer, duration: PT1H, next: end}}
  order: {{type: activity, activity_type: job, next: end}}
  end: {{type: end}}
"""


def test_behind_an_event_gateway_the_first_event_wins():
    assert fire(started(GATEWAY, stock=10)).state.status == "Completed"
    spec = put(started(GATEWAY, stock=10), stock=1)
    assert (waiting(spec), spec.state.subscriptions) == (["order"], {})
    assert waiting(started(GATEWAY, stock=1)) == ["order"]


def test_a_condition_that_cannot_be_computed_is_an_incident_that_its_mending_ends():
    spec = started(CATCH)
    (error,) = [event for event in spec.past if isinstance(event, ErrorOccurred)]
    assert (error.node, error.code, error.expression) == ("low", "expression_failed", "stock < 10")
    assert spec.state.tokens[error.token] == "low"
    spec = put(spec, stock="few")
    assert len(spec.state.incidents) == 1
    again = spec.when(RetryIncident(0)).events
    assert [type(event).__name__ for event in again] == ["IncidentResolved", "ErrorOccurred"]
    assert json.loads(again[-1].values) == {"stock": "few"}
    assert len(spec.given(RetryIncident(0)).state.subscriptions) == 1
    spec = put(spec, stock=11)
    assert (spec.state.incidents, type(spec.past[-1])) == ({}, IncidentResolved)
    assert put(spec, stock=9).state.status == "Completed"


def test_a_boundary_condition_that_fails_leaves_the_work_of_its_host_alone():
    source = BOUNDARY.replace("stock == 0", "missing == 0")
    spec = started(source)
    (incident,) = spec.state.incidents.values()
    assert (incident.node, incident.token) == ("none", 0)
    assert waiting(spec) == ["other", "work"]
    spec = put(spec, missing=0)
    assert (acted(spec), waiting(spec)) == (["none"], ["other"])


def test_while_suspended_nothing_acts_and_the_values_of_the_resume_decide():
    spec = started(BOUNDARY).given(SuspendInstance())
    spec = put(put(spec, stock=0), stock=5)
    assert acted(spec) == []
    spec = spec.given(ResumeInstance())
    assert acted(spec) == ["low"]
    assert acted(put(started(CATCH, stock=20).given(SuspendInstance()), stock=1)) == []


SCOPED = f"""{HEAD}
nodes:
  start: {{type: start, next: part}}
  part:
    type: scope
    variables: {{n: {{type: integer, default: 0}}}}
    nodes:
      in: {{type: start, next: fork}}
      fork: {{type: parallel, next: [work, full]}}
      work: {{type: activity, activity_type: job, output: {{n: "${{output.n}}"}}, next: done}}
      full: {{type: catch, condition: "${{n > 2}}", next: out}}
      done: {{type: end}}
      out: {{type: end}}
    next: end
  end: {{type: end}}
"""


def test_a_condition_in_a_scope_reads_the_variables_of_the_scope():
    spec = put(started(SCOPED, n=9), n=10)
    assert acted(spec) == []
    (scope,) = spec.state.scopes
    assert acted(put(spec, scope, n=3)) == ["full"]
    assert complete(spec, "work", b'{"n":3}').state.status == "Completed"


CHAIN = f"""{HEAD}
nodes:
  start: {{type: start, next: work}}
  work: {{type: activity, activity_type: job, next: end}}
  even: {{type: boundary, on: work, condition: "${{n % 2 == 0}}", interrupting: false,
         output: {{n: "${{n + 1}}"}}, next: one}}
  odd: {{type: boundary, on: work, condition: "${{n % 2 == 1 && n < top}}", interrupting: false,
        output: {{n: "${{n + 1}}"}}, next: two}}
  one: {{type: end}}
  two: {{type: end}}
  end: {{type: end}}
"""


def test_what_one_writes_makes_the_other_true_in_the_same_command():
    spec = started(CHAIN, n=0, top=4)
    assert acted(spec) == ["even", "odd", "even", "odd", "even"]
    assert (spec.state.variables["n"], spec.state.status) == (b"5", "Running")


def test_a_chain_without_an_end_is_stopped_by_an_incident():
    limited = instance(CHAIN).with_limits(steps_per_command=50)
    spec = limited.given(RunInstance("flow", "", b'{"n":0,"top":1000000}'))
    (incident,) = spec.state.incidents.values()
    assert incident.code == "limit_exceeded"
    assert "again and again" in incident.message
    assert not any(isinstance(effect, SendCommand) for effect in spec.effects)
    count = len(acted(spec))
    assert count == 50
    # It stays stopped whatever is written, until an operator says so.
    spec = put(spec, n=2)
    assert len(acted(spec)) - count < 3
    mended = put(spec, top=0, n=1)
    spec = mended.given(RetryIncident(0))
    assert spec.state.incidents == {}


def test_many_that_are_true_at_once_take_several_commands():
    waits = "\n".join(
        f'  c{n}: {{type: catch, condition: "${{go}}", next: both}}' for n in range(30)
    )
    names = ", ".join(f"c{n}" for n in range(30))
    source = f"""{HEAD}
nodes:
  start: {{type: start, next: fork}}
  fork: {{type: parallel, next: [{names}]}}
{waits}
  both: {{type: parallel, next: end}}
  end: {{type: end}}
"""
    spec = instance(source).with_limits(steps_per_command=35)
    spec = put(spec.given(RunInstance("flow", "", b'{"go":false}'), Continue()), go=True)
    assert spec.state.incidents == {}
    while spec.state.status == "Running":
        assert isinstance(spec.effects[-1], SendCommand)
        spec = spec.given(Continue())
    assert sorted(acted(spec)) == sorted(f"c{n}" for n in range(30))


def test_a_loop_that_its_condition_never_ends_is_stopped():
    source = CATCH.replace("next: end", "next: [{to: low, when: true}, {to: end, default: true}]")
    spec = started(source, stock=1)
    (incident,) = spec.state.incidents.values()
    assert (incident.node, incident.code) == ("low", "limit_exceeded")
    assert list(spec.state.tokens.values()) == ["low"]


@pytest.mark.parametrize("source", [CATCH, BOUNDARY, GATEWAY, SCOPED, CHAIN])
def test_what_is_read_is_written_as_it_was_and_is_proved(source):
    read = read_definition(source)
    assert read_definition(write_definition(read)) == read
    _, problems, verdict = prove(source)
    assert [str(one) for one in problems if one.severity == "error"] == []
    assert verdict.sound


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ('{type: catch, condition: "${stock <}", next: end}', "stock <"),
        ("{type: catch, condition: '', next: end}", "must not be empty"),
        (
            "{type: catch, condition: a, signal: b, next: end}",
            "one of message, signal, condition and device",
        ),
        ("{type: catch, condition: a, key: b, next: end}", "only a message has a key"),
    ],
)
def test_what_is_no_condition_is_refused_with_its_line(node, words):
    source = (
        f"{HEAD}nodes:\n  start: {{type: start, next: low}}\n  low: {node}\n  end: {{type: end}}\n"
    )
    problems = read_definition(source)
    assert isinstance(problems, list)
    assert any(words in str(one) and one.line == 5 for one in problems), list(map(str, problems))
