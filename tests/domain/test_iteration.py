"""A node that is run once for each item of a list: BPMN's multi-instance."""

import json
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.commands import (
    CompleteNode,
    Continue,
    ResumeInstance,
    RetryIncident,
    RunInstance,
    SetVariables,
    SkipNode,
    SuspendInstance,
)
from schemas.events import WorkflowFailed
from schemas.iteration_events import (
    ItemCompleted,
    ItemsListed,
    ItemStarted,
    IterationCompleted,
    IterationStarted,
)
from schemas.results import CompleteActivity, FailActivity
from streams.domain.protocol import CancelTask, SendCommand
from streams.forms import examine, read_definition
from streams.forms.write import write_definition
from streams.testing.spec import instance
from streams.testing.steps import complete, waiting

HEAD = "id: flow\nversion: 1.0.0\n"
EACH = f"""{HEAD}
nodes:
  start: {{type: start, next: ship}}
  ship:
    type: activity
    activity_type: job
    each: {{items: "${{orders}}", as: order, index: n, EXTRA}}
    input: {{order: "${{order}}", n: "${{n}}"}}
    ON_FAILURE
    next: after
  after: {{type: activity, activity_type: job, next: end}}
  EVENT
  end: {{type: end}}
"""
COLLECT = "collect: {into: costs, value: '${output.cost}'}"


def source(extra=COLLECT, on_failure="", event=""):
    text = EACH.replace("EXTRA", extra).replace("ON_FAILURE", on_failure)
    return text.replace("EVENT", event)


def started(text, orders=("a", "b", "c"), **variables):
    given = json.dumps({"orders": list(orders), **variables}).encode()
    return instance(text).given(RunInstance("flow", "", given))


def tasks(spec):
    """The open activities by what their input says: item to key."""
    return {json.loads(one.input).get("order"): key for key, one in spec.state.activities.items()}


def done(spec, item, **output):
    key = tasks(spec)[item]
    attempt = spec.state.activities[key].attempt
    return spec.given(CompleteActivity(key, attempt, json.dumps(output).encode()))


def failed(spec, item, code="Boom"):
    key = tasks(spec)[item]
    return spec.given(FailActivity(key, 1, code, "it broke", retryable=False))


def value(spec, name):
    return json.loads(spec.state.variables[name])


def counts(spec, body):
    return sum(type(event) is body for event in spec.past)


def test_every_item_runs_at_once_with_its_own_variables():
    spec = started(source())
    assert [json.loads(one.input) for one in spec.state.activities.values()] == [
        {"order": "a", "n": 0},
        {"order": "b", "n": 1},
        {"order": "c", "n": 2},
    ]
    names = ("workflow.started", "iteration.started", "items.listed")
    pairs = ("item.started", "activity.scheduled") * 3
    first = instance(source()).when(RunInstance("flow", "", b'{"orders":["a","b","c"]}'))
    first.then(*names, *pairs)
    assert set(spec.state.variables) == {"orders"}


@pytest.mark.parametrize("order", [*permutations("abc")])
def test_the_list_is_in_the_order_of_the_items_whatever_the_order_of_completion(order):
    spec = started(source())
    for item in order:
        assert waiting(spec) != ["after"]
        spec = done(spec, item, cost=ord(item))
    assert value(spec, "costs") == [97, 98, 99]
    assert waiting(spec) == ["after"]
    assert (spec.state.scopes, spec.state.iterations) == ({}, {})
    assert set(spec.state.variables) == {"orders", "costs"}
    assert complete(spec, "after").state.status == "Completed"


@settings(max_examples=10, deadline=None)
@given(st.data())
def test_any_order_and_any_window_give_the_same_list(data):
    count = data.draw(st.integers(0, 40))
    window = data.draw(st.integers(1, 30))
    spec = started(source(f"{COLLECT}, max_parallel: {window}"), range(count))
    while tasks(spec) and waiting(spec) != ["after"]:
        assert len(spec.state.activities) == min(window, count - counts(spec, ItemCompleted))
        item = data.draw(st.sampled_from(sorted(tasks(spec))))
        spec = done(spec, item, cost=item * 2)
    assert value(spec, "costs") == [2 * n for n in range(count)]
    assert spec.replayed() == spec.state


def test_a_long_list_keeps_its_order_too():
    spec = started(source(), range(130))
    for _ in range(130):
        item = max(tasks(spec))
        spec = done(spec, item, cost=item)
    assert value(spec, "costs") == list(range(130))


def test_one_after_the_other():
    spec = started(source(f"mode: sequential, {COLLECT}"))
    for item in "abc":
        assert list(tasks(spec)) == [item]
        spec = done(spec, item, cost=1)
    assert value(spec, "costs") == [1, 1, 1]


def test_a_completion_is_four_events_with_the_next_items():
    spec = started(source("max_parallel: 1"))
    spec.when(CompleteActivity(tasks(spec)["a"], 1, b"{}")).then(
        "activity.completed", "item.completed", "item.started", "activity.scheduled"
    )


def test_an_empty_list_passes_at_once_with_an_empty_list():
    spec = started(source(), [])
    assert waiting(spec) == ["after"]
    assert value(spec, "costs") == []
    (over,) = [one for one in spec.past if isinstance(one, IterationCompleted)]
    assert (over.reason, over.done) == ("all", 0)


def test_a_count_stands_for_a_list():
    text = source(COLLECT).replace('items: "${orders}", as: order,', 'count: "${many}",')
    text = text.replace('{order: "${order}", n: "${n}"}', '{order: "${n}"}')
    spec = started(text, (), many=3)
    assert sorted(tasks(spec)) == [0, 1, 2]
    assert counts(spec, ItemsListed) == 0
    for n in (2, 0, 1):
        spec = done(spec, n, cost=n)
    assert value(spec, "costs") == [0, 1, 2]


def test_what_the_condition_sees_and_what_it_stops():
    until = "until: '${each.done == 2 && each.active == 1 && each.total == 3 && output.cost > 0}'"
    spec = done(started(source(f"{until}, {COLLECT}")), "b", cost=5)
    assert sorted(tasks(spec)) == ["a", "c"]
    stopped = tasks(spec)["a"]
    spec = done(spec, "c", cost=7)
    assert value(spec, "costs") == [None, 5, 7]
    assert waiting(spec) == ["after"]
    assert [e.cancellation.activity for e in spec.effects if isinstance(e, CancelTask)] == [stopped]
    (over,) = [one for one in spec.past if isinstance(one, IterationCompleted)]
    assert (over.reason, over.done) == ("until", 2)
    spec.when(CompleteActivity(stopped, 1, b"{}")).then_rejected("already_closed")
    assert complete(spec, "after").state.status == "Completed"


def test_a_result_is_the_items_own_and_its_output_mapping_the_workflows():
    text = source(COLLECT, 'output: {sum: "${sum + output.cost}"}')
    spec = started(text, sum=0)
    for item, cost in (("b", 2), ("a", 1), ("c", 4)):
        spec = done(spec, item, cost=cost)
    assert (value(spec, "sum"), value(spec, "costs")) == (7, [1, 2, 4])
    assert "result" not in spec.state.variables


# What fails.


def test_an_item_that_fails_for_good_fails_the_workflow():
    spec = failed(started(source()), "b")
    assert spec.state.status == "Failed"
    last = spec.past[-1]
    assert isinstance(last, WorkflowFailed)
    assert (last.code, last.message, last.node) == ("Boom", "it broke", "ship")
    assert len([e for e in spec.effects if isinstance(e, CancelTask)]) == 2


def test_an_item_that_is_skipped_gives_null():
    spec = failed(started(source(on_failure="on_failure: skip")), "b")
    assert sorted(tasks(spec)) == ["a", "c"]
    spec = done(done(spec, "a", cost=1), "c", cost=3)
    assert value(spec, "costs") == [1, None, 3]
    assert [one.skipped for one in spec.past if isinstance(one, ItemCompleted)] == [1, 0, 0]


def test_an_error_of_an_item_leaves_by_the_boundary_of_the_whole():
    event = "bad: {type: boundary, on: ship, error: Boom, next: after}"
    spec = failed(done(started(source(event=event)), "a", cost=1), "c")
    assert waiting(spec) == ["after"]
    assert (spec.state.scopes, spec.state.iterations) == ({}, {})
    assert list(spec.state.tokens.values()) == ["after"]
    assert complete(spec, "after").state.status == "Completed"


def test_an_incident_names_the_item_and_is_completed_skipped_or_retried():
    spec = failed(started(source(on_failure="on_failure: manual_intervention")), "c")
    ((number, incident),) = spec.state.incidents.items()
    assert incident.message == "item 2 of ship: it broke"
    spec = done(done(spec, "a", cost=1), "b", cost=2)
    assert waiting(spec) == []
    by_hand = spec.given(CompleteNode(b'{"cost":9}', incident=number))
    assert value(by_hand, "costs") == [1, 2, 9]
    skipped = spec.given(SkipNode(number))
    assert value(skipped, "costs") == [1, 2, None]
    retried = spec.given(RetryIncident(0))
    assert list(tasks(retried)) == ["c"]
    assert value(done(retried, "c", cost=3), "costs") == [1, 2, 3]


def test_what_cannot_be_collected_is_the_items_incident_and_can_be_mended():
    text = source("collect: {into: costs, value: '${output.cost * rate}'}")
    spec = done(started(text), "b", cost=2)
    ((number, incident),) = spec.state.incidents.items()
    assert (incident.code, incident.node) == ("expression_failed", "ship")
    assert incident.message.startswith("item 1 of ship: ")
    spec = spec.given(SetVariables(b'{"rate":10}'), RetryIncident(number))
    spec = done(done(spec, "a", cost=1), "c", cost=3)
    assert value(spec, "costs") == [10, 20, 30]


@pytest.mark.parametrize(
    ("orders", "said"), [(3, "3: a list is needed"), ({"a": 1}, '{"a":1}: a list is needed')]
)
def test_items_that_are_no_list_are_an_incident_that_can_be_mended(orders, said):
    given = json.dumps({"orders": orders}).encode()
    spec = instance(source()).given(RunInstance("flow", "", given))
    (incident,) = spec.state.incidents.values()
    assert (incident.node, incident.code) == ("ship", "InvalidInput")
    assert said in incident.message
    spec = spec.given(SetVariables(b'{"orders":["x"]}'), RetryIncident(0))
    assert list(tasks(spec)) == ["x"]


def test_a_list_that_grows_too_large_is_an_incident_of_the_item():
    spec = started(source()).with_limits(variable=40)
    spec = done(spec, "a", cost="x" * 20)
    spec = done(spec, "b", cost="y" * 20)
    (incident,) = spec.state.incidents.values()
    assert incident.code == "limit_exceeded"
    assert "collect less of each item" in incident.message
    assert "item 1 of ship" in incident.message


def test_items_larger_than_an_instance_are_an_incident():
    spec = instance(source()).with_limits(state=300)
    spec = spec.given(RunInstance("flow", "", json.dumps({"orders": ["x" * 50] * 5}).encode()))
    spec2 = spec.with_limits(state=200)
    assert counts(spec2, ItemStarted) == 5
    text = source().replace('"${orders}"', '"${orders + orders}"')
    spec = instance(text).with_limits(state=300)
    spec = spec.given(RunInstance("flow", "", json.dumps({"orders": ["x" * 50] * 5}).encode()))
    (incident,) = spec.state.incidents.values()
    assert incident.code == "limit_exceeded"
    assert counts(spec, IterationStarted) == 0


# Holding on.


def test_while_suspended_no_item_begins():
    spec = started(source(f"max_parallel: 2, {COLLECT}")).given(SuspendInstance("pause"))
    spec = done(done(spec, "a", cost=1), "b", cost=2)
    assert tasks(spec) == {}
    spec = spec.given(ResumeInstance())
    assert list(tasks(spec)) == ["c"]
    assert value(done(spec, "c", cost=3), "costs") == [1, 2, 3]


def test_items_beyond_a_commands_share_begin_with_the_next_one():
    spec = started(source("max_parallel: 50"), ()).with_limits(events_per_command=40)
    spec = instance(source("max_parallel: 50")).with_limits(events_per_command=40)
    spec = spec.given(RunInstance("flow", "", json.dumps({"orders": [*range(50)]}).encode()))
    assert 0 < len(tasks(spec)) < 50
    assert spec.effects[-1] == SendCommand("instance", "one", "first", Continue(), hop=True)
    while spec.effects[-1] == SendCommand("instance", "one", "first", Continue(), hop=True):
        decided = spec.when(Continue())
        assert len(decided.events) <= 40
        spec = decided.accepted()
    assert len(tasks(spec)) == 50


# What an author writes.


@pytest.mark.parametrize("text", [source(), source("mode: sequential, until: '${each.done > 1}'")])
def test_a_definition_is_written_as_it_is_read(text):
    definition = read_definition(text)
    assert read_definition(write_definition(definition)).nodes == definition.nodes


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ('items: "${orders}", ', "", "one of items and count is needed"),
        ('"${orders}"', "5", "a list is needed, or an expression"),
        ("index: n", "index: order", "'order' means something else here"),
        ("index: n", "index: result", "'result' means something else here"),
        (COLLECT, "until: '${each.}'", "at "),
        (COLLECT, "mode: sequential, max_parallel: 3", "max_parallel belongs to the mode parallel"),
        (COLLECT, "max_parallel: 100000", "less than or equal to 1000"),
        (COLLECT, "upto: 3", "'upto' is not known here"),
        (HEAD, f"{HEAD}variables: {{order: string}}\n", "'order' is a declared variable already"),
    ],
)
def test_a_definition_that_cannot_run_says_where_and_why(was, becomes, said):
    text = source().replace(was, becomes)
    _, problems = examine(text, "flow.yaml")
    errors = [problem for problem in problems if problem.severity == "error"]
    assert said in " ".join(map(str, errors)), errors
    line = next(n for n, one in enumerate(text.splitlines(), 1) if " each:" in one)
    assert any(problem.line == line for problem in errors), (errors, line)


def test_a_short_form_is_the_list_alone():
    short = source("").replace('{items: "${orders}", as: order, index: n, }', '"${orders}"')
    assert read_definition(short).nodes["ship"].repeat.items.source == "${orders}"


PLAIN = f"""{HEAD}
nodes:
  start: {{type: start, next: work}}
  work: {{type: activity, activity_type: job, next: end}}
  end: {{type: end}}
"""


def test_a_definition_without_it_has_no_further_event():
    spec = complete(instance(PLAIN).given(RunInstance("flow")), "work")
    assert len(spec.past) == 4
