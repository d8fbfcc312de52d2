"""Bodies that are run once for each item: scopes, calls, lists in lists."""

import json

import pytest

from schemas.approval_commands import ClaimApproval, CompleteApproval
from schemas.commands import (
    CancelInstance,
    CompleteCall,
    Continue,
    FailCall,
    RetryIncident,
    RunInstance,
    SetVariables,
)
from schemas.events import ActivityCancelled
from schemas.ids import child_id
from schemas.results import CompleteActivity
from streams.domain.protocol import SendCommand
from streams.forms import examine, read_definition
from streams.forms.write import write_definition
from streams.testing.spec import instance
from streams.testing.steps import fire, waiting

HEAD = "id: flow\nversion: 1.0.0\n"
CHILD = "id: child\nversion: 1.0.0\nnodes: {s: {type: start, next: e}, e: {type: end}}\n"


def started(text, orders=("a", "b", "c")):
    given = json.dumps({"orders": list(orders)}).encode()
    return instance(text, CHILD).given(RunInstance("flow", "", given))


def tasks(spec):
    """The open activities by what their input says: item to key."""
    return {json.loads(one.input).get("order"): key for key, one in spec.state.activities.items()}


def done(spec, item, **output):
    key = tasks(spec)[item]
    attempt = spec.state.activities[key].attempt
    return spec.given(CompleteActivity(key, attempt, json.dumps(output).encode()))


def value(spec, name):
    return json.loads(spec.state.variables[name])


def cancelled(spec):
    """The children that were told to end."""
    sent = [one for one in spec.effects if isinstance(one, SendCommand)]
    return [one.aggregate_id for one in sent if isinstance(one.body, CancelInstance)]


def counts(spec, body):
    return sum(type(event) is body for event in spec.past)


SCOPE = f"""{HEAD}
variables: {{seen: {{type: integer, default: 0}}}}
nodes:
  start: {{type: start, next: part}}
  part:
    type: scope
    each: {{items: "${{orders}}", as: order, collect: {{into: found, value: "${{order + label}}"}}}}
    variables: {{label: string}}
    output: {{seen: "${{seen + 1}}"}}
    nodes:
      in: {{type: start, next: fork}}
      fork: {{type: parallel, next: [pick, pack]}}
      pick:
        type: activity
        activity_type: job
        input: {{order: "${{order}}"}}
        output: {{label: "${{output.label}}"}}
        next: both
      pack: {{type: timer, duration: PT1M, next: both}}
      both: {{type: parallel, next: out}}
      out: {{type: end}}
    next: after
  late: {{type: boundary, on: part, duration: PT1H, next: after}}
  after: {{type: activity, activity_type: job, next: end}}
  end: {{type: end}}
"""


def test_a_scope_is_run_for_each_item_with_variables_of_its_own():
    spec = fire(started(SCOPE))
    for item in "cab":
        spec = done(spec, item, label="!")
    assert (value(spec, "found"), value(spec, "seen")) == (["a!", "b!", "c!"], 3)
    assert waiting(spec) == ["after"]
    assert (spec.state.scopes, spec.state.subscriptions, spec.state.timers) == ({}, {}, {})


def test_a_boundary_event_sits_on_the_whole_and_stops_every_item():
    spec = done(fire(started(SCOPE)), "b", label="!")
    spec = fire(spec)
    assert waiting(spec) == ["after"]
    assert counts(spec, ActivityCancelled) == 2
    assert (spec.state.scopes, spec.state.iterations) == ({}, {})
    assert len(spec.state.tokens) == 1


CALL = f"""{HEAD}
nodes:
  start: {{type: start, next: part}}
  part:
    type: call
    definition: child
    each: {{items: "${{orders}}", as: order, until: "${{each.done == 2}}", collect: all}}
    input: {{order: "${{order}}"}}
    next: end
  end: {{type: end}}
"""


def test_a_child_runs_for_each_item_and_those_that_are_left_are_cancelled():
    spec = started(CALL)
    first, second, third = spec.state.calls
    spec = spec.given(CompleteCall(third, b'{"x":3}'), CompleteCall(first, b'{"x":1}'))
    assert (value(spec, "all"), spec.state.status) == ([{"x": 1}, None, {"x": 3}], "Completed")
    assert cancelled(spec) == [child_id("one", second)]


def test_a_child_that_fails_asks_the_boundary_of_the_whole():
    spec = started(CALL + "  bad: {type: boundary, on: part, error: '*', next: end}\n")
    first, second, third = spec.state.calls
    spec = spec.given(FailCall(second, "Boom", "no"))
    assert (spec.state.status, spec.state.calls) == ("Completed", {})
    assert {child_id("one", first), child_id("one", third)} <= set(cancelled(spec))


ASKS = f"""{HEAD}
nodes:
  start: {{type: start, next: part}}
  part:
    type: approval
    assignee: ann
    each: {{items: "${{orders}}", as: order, collect: COLLECT}}
    next: end
  end: {{type: end}}
"""
DECISIONS = {
    "all": [{"completed_by": "ann", "data": {}, "outcome": one} for one in ("approve", "reject")],
    "{into: all, value: '${output.outcome}'}": ["approve", "reject"],
    "{into: all, value: '${order + result.outcome}'}": ["aapprove", "breject"],
}


@pytest.mark.parametrize("collect", DECISIONS)
def test_what_is_decided_of_each_item_is_collected(collect):
    spec = started(ASKS.replace("COLLECT", collect), ("a", "b")).by("ann")
    first, second = spec.state.approvals
    for key, outcome in ((second, "reject"), (first, "approve")):
        spec = spec.given(ClaimApproval(key), CompleteApproval(key, outcome))
    assert (value(spec, "all"), spec.state.status) == (DECISIONS[collect], "Completed")


def test_a_scopes_value_that_cannot_be_collected_can_be_mended_too():
    text = SCOPE.replace("${order + label}", "${order + label + mark}")
    spec = done(fire(started(text, "a")), "a", label="!")
    (incident,) = spec.state.incidents.values()
    assert incident.message.startswith("item 0 of part: ")
    spec = spec.given(SetVariables(b'{"mark":"?"}'), RetryIncident(0))
    assert (value(spec, "found"), waiting(spec)) == (["a!?"], ["after"])


BUSY = f"""{HEAD}
nodes:
  start: {{type: start, next: part}}
  part:
    type: scope
    each: {{count: 300, mode: sequential, collect: {{into: all, value: "${{index}}"}}}}
    nodes:
      in: {{type: start, next: out}}
      out: {{type: end}}
    next: end
  end: {{type: end}}
"""


def test_a_body_that_never_waits_needs_no_deep_stack_and_no_endless_command():
    spec = instance(BUSY).with_limits(events_per_command=400).given(RunInstance("flow"))
    rounds = 0
    while spec.state.status == "Running":
        decided = spec.when(Continue())
        assert len(decided.events) <= spec.limits.events_per_command
        spec, rounds = decided.accepted(), rounds + 1
    assert value(spec, "all") == list(range(300))
    assert rounds > 2


def test_a_list_in_a_list():
    text = f"""{HEAD}
nodes:
  start: {{type: start, next: rows}}
  rows:
    type: scope
    each: {{items: "${{orders}}", as: row, index: r, collect: {{into: table, value: "${{cells}}"}}}}
    variables: {{cells: list}}
    nodes:
      in: {{type: start, next: cell}}
      cell:
        type: activity
        activity_type: job
        each: {{items: "${{row}}", as: one, collect: {{into: cells, value: "${{output.x}}"}}}}
        input: {{order: "${{one}}"}}
        next: out
      out: {{type: end}}
    next: end
  end: {{type: end}}
"""
    spec = started(text, [[1, 2], [], [3]])
    for item in (3, 1, 2):
        spec = done(spec, item, x=item * 10)
    assert (value(spec, "table"), spec.state.status) == ([[10, 20], [], [30]], "Completed")


def test_a_scope_says_what_is_collected():
    text = SCOPE.replace(', value: "${order + label}"', "")
    _, problems = examine(text)
    assert any("say which `value` is collected" in problem.message for problem in problems)


@pytest.mark.parametrize("text", [SCOPE, CALL, BUSY])
def test_a_definition_is_written_as_it_is_read(text):
    definition = read_definition(text)
    assert read_definition(write_definition(definition)).nodes == definition.nodes


UNDONE = f"""{HEAD}
nodes:
  start: {{type: start, next: book}}
  book:
    type: activity
    activity_type: job
    each: {{items: "${{orders}}", as: order}}
    input: {{order: "${{order}}"}}
    compensate_with: undo
    next: back
  undo: {{type: activity, activity_type: job, input: {{order: "${{order}}"}}}}
  back: {{type: end, compensate: "*"}}
"""


def test_each_run_is_undone_with_its_own_item_the_newest_first():
    spec = done(done(started(UNDONE, "ab"), "b"), "a")
    undone = []
    while spec.state.activities:
        (item,) = tasks(spec)
        undone.append(item)
        spec = done(spec, item)
    assert (undone, spec.state.status) == (["a", "b"], "Completed")
