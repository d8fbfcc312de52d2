"""Schemas in a workflow: no variable ever holds what its schema does not allow."""

import json
from pathlib import Path

import pytest

from schemas.commands import (
    CompleteCall,
    CompleteNode,
    CreateInstance,
    RetryIncident,
    RunInstance,
    SetVariables,
    StartChild,
)
from schemas.events import ActivityFailed, ErrorOccurred
from schemas.results import CompleteActivity
from streams.domain.net.graph import graph_of
from streams.forms import examine, read_definition, write_definition
from streams.testing.spec import has, instance
from streams.testing.steps import activity_of, complete

EXAMPLE = (Path(__file__).resolve().parents[2] / "examples/nodes/schemas.yaml").read_text()
PLAIN = "nodes: {s: {type: start, next: e}, e: {type: end}}"
ORDER = {"lines": [{"article": "pen", "count": 2}]}


def run(**variables):
    return RunInstance("quote-order", "", json.dumps(variables).encode())


def flow(nodes, variables="", rest=""):
    return instance(
        f"id: flow\nversion: 1.0.0\n{variables}\n{rest}\nnodes:\n"
        f"  start: {{type: start, next: work}}\n{nodes}\n  end: {{type: end}}\n"
    )


def number(spec):
    (found,) = spec.state.incidents
    return found


def places(spec):
    return list(spec.state.tokens.values())


def test_an_order_that_fits_is_priced():
    spec = complete(instance(EXAMPLE).given(run(order=ORDER)), "quote", b'{"price":3.5}')
    assert (spec.state.status, spec.past[-1].result) == ("Completed", b'{"price":3.5}')


START = [
    ({}, "the workflow's input does not fit: $: 'order' is a required property"),
    ({"order": 3}, "variable 'order' does not fit: $: object is needed, this is integer"),
    (
        {"order": {"lines": [{"article": "pen", "count": "2"}]}},
        "variable 'order' does not fit: $.lines[0].count: integer is needed, this is string",
    ),
    ({"order": ORDER, "price": -1}, "variable 'price' does not fit: $: -1 is less than"),
]


@pytest.mark.parametrize(("variables", "said"), START)
def test_a_start_whose_variables_do_not_fit_is_refused(variables, said):
    text = json.dumps(variables).encode()
    for command in (
        run(**variables),
        CreateInstance("quote-order", "", text),
        StartChild("quote-order", "", text, "parent", "first", 3),
    ):
        instance(EXAMPLE).when(command).then_rejected("InvalidInput", said)


def test_a_worker_whose_output_does_not_fit_has_failed():
    spec = instance(EXAMPLE).given(run(order=ORDER))
    spec = spec.when(CompleteActivity(activity_of(spec, "quote"), 1, b"7")).then(
        has(ActivityFailed, code="schema_violation", recovery="fail_workflow"), "workflow.failed"
    )
    assert "$: object is needed, this is integer" in spec.past[-2].message


def test_a_person_is_held_to_the_same_schema_as_the_worker():
    spec = instance(EXAMPLE).given(run(order=ORDER))
    given = CompleteNode(b"{}", activity=activity_of(spec, "quote"))
    spec.when(given).then_rejected("InvalidInput", "'price' is a required property")
    given = CompleteNode(b'{"price":-1}', activity=activity_of(spec, "quote"))
    spec.when(given).then_rejected("InvalidInput", "variable 'price' does not fit")


def test_a_mapping_that_does_not_fit_waits_behind_its_node_until_the_values_are_mended():
    spec = complete(instance(EXAMPLE).given(run(order=ORDER)), "quote", b'{"price":-1}')
    assert places(spec) == ["quote/out"]
    assert "price" not in spec.state.variables
    (found,) = spec.state.incidents.values()
    assert found.code == "schema_violation"
    assert found.message == (
        "output of quote: variable 'price' does not fit: $: -1 is less than the minimum of 0"
    )
    again = spec.given(RetryIncident(number(spec)))
    assert (places(again), len(again.state.incidents)) == (["quote/out"], 1)
    mended = spec.given(SetVariables(b'{"result":{"price":2}}'), RetryIncident(number(spec)))
    assert mended.past[-1].result == b'{"price":2.0}'


def test_a_variable_is_not_set_to_what_does_not_fit():
    spec = instance(EXAMPLE).given(run(order=ORDER))
    spec.when(SetVariables(b'{"price":"much"}')).then_rejected(
        "InvalidInput", "variable 'price' does not fit: $: number is needed, this is string"
    )
    assert spec.given(SetVariables(b'{"price":1}')).state.variables["price"] == b"1"


NUMBER = "variables: {got: {schema: {type: number}}}"
WORK = "  work: {type: activity, activity_type: job, result_path: got, next: end}"


def test_a_result_that_does_not_fit_is_not_written_and_a_retry_needs_one_that_does():
    spec = complete(flow(WORK, NUMBER).given(RunInstance("flow")), "work", b'"x"')
    assert (places(spec), spec.state.variables) == (["work/out"], {})
    assert spec.past[-2].output == b'"x"'
    assert places(spec.given(RetryIncident(number(spec)))) == ["work/out"]
    spec = spec.given(SetVariables(b'{"got":4}'), RetryIncident(number(spec)))
    assert spec.past[-1].result == b'{"got":4}'


def test_what_fits_beside_what_does_not_is_kept():
    nodes = """
  work:
    type: activity
    activity_type: job
    result_path: raw
    output: {got: "${output.x}"}
    next: end"""
    spec = complete(flow(nodes, NUMBER).given(RunInstance("flow")), "work", b'{"x":"?"}')
    assert spec.state.variables == {"raw": b'{"x":"?"}'}


def test_the_result_of_a_call_is_held_to_the_variable_s_schema():
    nodes = "  work: {type: call, definition: other, result_path: got, next: end}"
    spec = flow(nodes, NUMBER).given(RunInstance("flow"))
    (call,) = spec.state.calls
    assert places(spec.given(CompleteCall(call, b'"x"'))) == ["work/out"]
    assert spec.given(CompleteCall(call, b"7")).past[-1].result == b'{"got":7}'


INSIDE = """
  work:
    type: scope
    variables: {n: {schema: {type: integer}}, later: {schema: {type: string}}}
    input: {n: "${start_n}"}
    output: {got: "${n}"}
    nodes:
      begin: {type: start, next: inner}
      inner: {type: activity, activity_type: job, result_path: n, next: stop}
      stop: {type: end}
    next: end"""


def inside(start, outer=""):
    return flow(INSIDE, outer).given(RunInstance("flow", "", b'{"start_n":%s}' % start))


def test_a_scope_does_not_begin_with_what_does_not_fit():
    spec = inside(b'"x"')
    (found,) = spec.state.incidents.values()
    assert (found.code, places(spec)) == ("schema_violation", ["work"])
    spec = spec.given(SetVariables(b'{"start_n":1}'), RetryIncident(number(spec)))
    assert [one.variables for one in spec.state.scopes.values()] == [{"later": b"null", "n": b"1"}]


def test_a_local_variable_is_held_to_the_scope_s_schema():
    spec = inside(b"1")
    (scope,) = spec.state.scopes
    spec.when(SetVariables(b'{"n":"x"}', scope)).then_rejected("InvalidInput", "variable 'n'")
    spec = complete(spec, "inner", b"1.5")
    assert [one.variables["n"] for one in spec.state.scopes.values()] == [b"1"]
    assert spec.past[-1].message == (
        "output of inner: variable 'n' does not fit: $: integer is needed, this is number"
    )


def test_what_a_scope_writes_outside_is_held_to_the_schema_outside():
    spec = complete(inside(b"1", "variables: {got: {schema: {type: boolean}}}"), "inner", b"2")
    assert isinstance(spec.past[-1], ErrorOccurred)
    assert (spec.past[-1].code, "got" in spec.state.variables) == ("schema_violation", False)


def test_a_workflow_does_not_end_with_a_result_that_does_not_fit():
    rest = "result_schema: {required: [paid]}"
    spec = complete(flow(WORK, "", rest).given(RunInstance("flow")), "work", b"1")
    assert spec.past[-1].code == "schema_violation"
    spec = spec.given(SetVariables(b'{"paid":true}'), RetryIncident(number(spec)))
    assert spec.past[-1].result == b'{"got":1,"paid":true}'


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("variables: {a: {schema: {type: nothing}}}", 3, "no usable JSON Schema: at $.type: "),
        ("variables:\n  a:\n    schema:\n      pattern: '('", 6, "no look-around"),
        ("variables: {a: {schema: {type: string}, default: 3}}", 3, "the default is refused: $: "),
        ("input_schema:\n  $ref: other.json", 4, "of the same schema"),
        ("\n\nresult_schema: 3", 5, "an object, or true or false"),
    ],
)
def test_what_is_no_schema_is_refused_with_its_line(text, line, said):
    _, problems = examine(f"id: a\nversion: 1.0.0\n{text}\n{PLAIN}")
    assert [(one.line, said in one.message) for one in problems] == [(line, True)]


def test_an_activity_s_schema_is_refused_with_its_line():
    broken = EXAMPLE.replace("output_schema: {type: object", "output_schema: {type: thing")
    _, (problem,) = examine(broken)
    assert problem.path == "nodes.quote.output_schema.type"
    assert EXAMPLE.splitlines()[problem.line - 1].strip().startswith("output_schema")


def test_schemas_are_written_as_they_were_read():
    for source in (EXAMPLE, EXAMPLE.replace("{type: number, minimum: 0}", "{}")):
        definition = read_definition(source)
        assert read_definition(write_definition(definition)) == definition


def test_a_definition_without_schemas_has_none_compiled():
    assert graph_of(read_definition(f"id: a\nversion: 1.0.0\n{PLAIN}")).schemas is None
