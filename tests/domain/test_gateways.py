"""Where tokens go: choices, parallel splits and joins, implicit splits and merges, loops."""

import pytest

from schemas.commands import (
    CompleteCall,
    FireTimer,
    ResumeInstance,
    RetryIncident,
    RunInstance,
    SuspendInstance,
)
from schemas.events import ActivityScheduled, ErrorOccurred, Moves, NodeExecuted, WorkflowCompleted
from schemas.results import CompleteActivity
from streams.testing.spec import NOW, has, instance

CHOICE = """
id: choice
version: 1.0.0
nodes:
  start: {type: start, next: pick}
  pick:
    type: exclusive
    next:
      - {to: low, when: "${n < 10}"}
      - {to: high, when: "${n > 100}", weight: 5}
      - {to: above, when: "${n > 50}"}
      - {to: other, default: true}
  low: {type: activity, activity_type: a, next: end}
  high: {type: activity, activity_type: a, next: end}
  above: {type: activity, activity_type: a, next: end}
  other: {type: activity, activity_type: a, next: end}
  end: {type: end}
"""
PARALLEL = """
id: parallel
version: 1.0.0
nodes:
  start: {type: start, next: fork}
  fork: {type: parallel, next: [a, b, c]}
  a: {type: activity, activity_type: a, result_path: a, next: join}
  b: {type: activity, activity_type: b, result_path: b, next: join}
  c: {type: activity, activity_type: c, result_path: c, next: join}
  join: {type: parallel, next: end}
  end: {type: end}
"""
IMPLICIT = """
id: implicit
version: 1.0.0
nodes:
  start: {type: start, next: [a, b]}
  a: {type: activity, activity_type: a, next: after}
  b:
    type: activity
    activity_type: b
    next:
      - {to: after, when: "${both}"}
      - {to: end, default: true}
  after: {type: activity, activity_type: after, next: end}
  end: {type: end}
"""
LOOP = """
id: loop
version: 1.0.0
variables:
  n: {type: integer, default: 0}
nodes:
  start: {type: start, next: step}
  step:
    type: activity
    activity_type: step
    output: {n: "${n + 1}"}
    next: more
  more:
    type: exclusive
    next:
      - {to: step, when: "${n < 3}"}
      - {to: end, default: true}
  end: {type: end}
"""


def places(spec):
    return sorted(spec.state.tokens.values())


@pytest.mark.parametrize(
    ("n", "taken"),
    [(5, "low"), (200, "high"), (60, "above"), (20, "other"), (10, "other"), (100, "above")],
)
def test_a_choice_takes_one_flow_by_weight_then_file_order_else_the_default(n, taken):
    spec = instance(CHOICE).given(RunInstance("choice", "", b'{"n":%d}' % n))
    assert places(spec) == [taken]


def test_a_condition_that_fails_becomes_an_incident_with_the_values_it_saw():
    run = instance(CHOICE).when(RunInstance("choice", "", b'{"n":"many"}'))
    spec = run.then("workflow.started", has(ErrorOccurred, code="expression_failed", node="pick"))
    incident = spec.past[-1]
    # The heavier condition is tried first.
    assert incident.expression == "n > 100"
    assert incident.values == b'{"n":"many"}'
    assert incident.place == "pick/out"
    assert spec.state.status == "Running"


def test_a_choice_without_a_true_branch_waits_for_an_operator():
    source = CHOICE.replace("      - {to: other, default: true}\n", "").replace(
        "  other: {type: activity, activity_type: a, next: end}\n", ""
    )
    spec = instance(source).given(RunInstance("choice", "", b'{"n":20}'))
    assert [i.code for i in spec.state.incidents.values()] == ["no_true_branch"]
    assert places(spec) == ["pick/out"]
    spec.when(RetryIncident(0)).then("incident.resolved", "node.executed", "error.occurred")


def test_a_parallel_split_takes_every_flow():
    spec = (
        instance(PARALLEL)
        .when(RunInstance("parallel"))
        .then(
            "workflow.started",
            has(ActivityScheduled, activity_id="a", token=1),
            has(ActivityScheduled, activity_id="b", token=2),
            has(ActivityScheduled, activity_id="c", token=3),
        )
    )
    assert places(spec) == ["a", "b", "c"]


@pytest.mark.parametrize("order", [(2, 3, 4), (4, 3, 2), (3, 4, 2)])
def test_a_join_waits_for_one_token_on_each_flow_in_any_order(order):
    spec = instance(PARALLEL).given(RunInstance("parallel"))
    first, second, last = order
    spec = spec.when(CompleteActivity(first, 1)).then("activity.completed")
    assert any("->join" in place for place in places(spec))
    spec = spec.when(CompleteActivity(second, 1)).then("activity.completed")
    assert len(spec.state.tokens) == 3
    spec = spec.when(CompleteActivity(last, 1)).then("activity.completed", "workflow.completed")
    assert spec.state.tokens == {}


def test_the_last_token_at_a_join_consumes_those_that_waited():
    spec = instance(PARALLEL).given(
        RunInstance("parallel"), CompleteActivity(2, 1), CompleteActivity(3, 1)
    )
    event = spec.when(CompleteActivity(4, 1)).events[0]
    assert event.moves == Moves(
        [3, 4, 5], [], ["c", "c->join", "join", "join->end", "end"], {"c": b"null"}
    )


def test_implicit_split_and_merge_pass_every_token():
    spec = instance(IMPLICIT).given(RunInstance("implicit", "", b'{"both":true}'))
    assert places(spec) == ["a", "b"]
    spec = spec.given(CompleteActivity(2, 1), CompleteActivity(3, 1))
    # The merge does not wait: `after` runs once for each token.
    assert places(spec) == ["after", "after"]
    keys = list(spec.state.activities)
    spec = spec.when(CompleteActivity(keys[0], 1)).then("activity.completed")
    spec.when(CompleteActivity(keys[1], 1)).then("activity.completed", "workflow.completed")


def test_the_default_flow_of_an_implicit_split_is_taken_only_without_a_true_condition():
    spec = instance(IMPLICIT).given(RunInstance("implicit", "", b'{"both":false}'))
    spec = spec.given(CompleteActivity(3, 1))
    assert places(spec) == ["a"]


def test_a_loop_runs_until_its_condition_is_false():
    spec = instance(LOOP).given(RunInstance("loop"))
    rounds = 0
    while spec.state.status == "Running":
        (key,) = spec.state.activities
        spec = spec.given(CompleteActivity(key, 1))
        rounds += 1
    assert rounds == 3
    assert spec.past[-1] == WorkflowCompleted(b'{"n":3,"result":null}')


def test_a_join_fires_as_often_as_its_tokens_allow_after_a_suspension():
    # The fork is passed twice, so that two tokens rest on each flow before the join.
    source = """
id: twice
version: 1.0.0
nodes:
  start: {type: start, next: [one, two]}
  one: {type: activity, activity_type: x, next: merge}
  two: {type: activity, activity_type: x, next: merge}
  merge: {type: exclusive, next: fork}
  fork: {type: parallel, next: [left, right]}
  left: {type: activity, activity_type: x, next: join}
  right: {type: activity, activity_type: x, next: join}
  join: {type: parallel, next: last}
  last: {type: activity, activity_type: x, next: end}
  end: {type: end}
"""
    spec = instance(source).given(
        RunInstance("twice"), CompleteActivity(2, 1), CompleteActivity(3, 1), SuspendInstance()
    )
    for key in list(spec.state.activities):
        spec = spec.given(CompleteActivity(key, 1))
    assert spec.state.activities == {}
    spec = spec.given(ResumeInstance())
    assert places(spec) == ["last", "last"]


def test_a_resumed_instance_notes_what_was_released():
    spec = instance(PARALLEL).given(
        RunInstance("parallel"), SuspendInstance(), CompleteActivity(2, 1)
    )
    spec.when(ResumeInstance()).then("workflow.resumed", has(NodeExecuted, node_type="release"))


SPLITS = {
    "start": "{type: start, next: [%s]}",
    "activity": "{type: activity, activity_type: a, next: [%s]}",
    "timer": "{type: timer, duration: 1, next: [%s]}",
    "call": "{type: call, definition: other, next: [%s]}",
}
DONE = {
    "start": (),
    "activity": (CompleteActivity(2, 1),),
    "timer": (FireTimer(NOW + 1_000),),
    "call": (CompleteCall(2, b"{}"),),
}


@pytest.mark.parametrize("kind", SPLITS)
@pytest.mark.parametrize(
    ("n", "taken"), [(1, ["a"]), (2, ["a", "b"]), (3, ["b"]), (9, ["other"]), (0, ["a"])]
)
def test_any_node_may_split_with_conditions_and_a_default_and_merge_again(kind, n, taken):
    arms = '{to: a, when: "${n <= 2}"}, {to: b, when: "${n == 2 || n == 3}"}'
    head = SPLITS[kind] % f"{arms}, {{to: other, default: true}}"
    lines = [f"node: {head}"] if kind != "start" else []
    first = "{type: start, next: node}" if kind != "start" else head
    lines += [f"{name}: {{type: activity, activity_type: x, next: end}}" for name in "ab"]
    source = f"id: flow\nversion: 1.0.0\nnodes:\n  start: {first}\n" + "".join(
        f"  {line}\n" for line in [*lines, "other: {type: call, definition: o, next: end}"]
    )
    spec = instance(source + "  end: {type: end}\n")
    spec = spec.given(RunInstance("flow", "", b'{"n":%d}' % n)).later(1_000).given(*DONE[kind])
    assert places(spec) == taken
    for key in list(spec.state.activities):
        spec = spec.given(CompleteActivity(key, 1))
    for key in list(spec.state.calls):
        spec = spec.given(CompleteCall(key, b"{}"))
    assert spec.state.status == "Completed"
