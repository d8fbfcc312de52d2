"""Parallel writes that merge: the laws of each policy, and what branches of a workflow give."""

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.commands import CompleteCall, CompleteNode, RetryIncident, RunInstance, SetVariables
from schemas.data_events import VariablesObserved
from schemas.results import CompleteActivity, FailActivity
from streams.domain.instance.fitting import UnfitError
from streams.domain.instance.policies import merge_add_wins, merge_counter
from streams.domain.net.graph import graph_of
from streams.forms import examine, read_definition, write_definition
from streams.testing.spec import instance
from streams.testing.steps import activity_of, complete, fire

EXAMPLE = (Path(__file__).resolve().parents[2] / "examples/nodes/merge.yaml").read_text()
numbers = st.integers(-(1 << 40), 1 << 40)
sets = st.lists(st.sampled_from(["a", "b", 1, 1.5, None, [2]]), max_size=4)
deltas = st.lists(st.tuples(numbers, numbers), max_size=5)


@given(deltas, numbers, st.randoms(use_true_random=False))
def test_counters_commute_and_group_as_they_will(writes, now, random):
    def all_of(order, value):
        for read, written in order:
            value = merge_counter(read, written, value)
        return value

    total = sum(written - read for read, written in writes)
    shuffled = random.sample(writes, len(writes))
    assert all_of(writes, now) == all_of(shuffled, now) == merge_counter(0, total, now)


@given(numbers, numbers)
def test_a_counter_alone_is_what_was_written(now, written):
    assert merge_counter(now, written, now) == written
    assert merge_counter(written, written, now) == now


@given(sets, st.lists(sets, max_size=5), sets, st.randoms(use_true_random=False))
def test_sets_commute_and_are_idempotent(read, writes, now, random):
    def all_of(order, value):
        for written in order:
            value = merge_add_wins(read, written, value)
        return value

    shuffled = random.sample(writes, len(writes))
    once = all_of(writes, now)
    assert once == all_of(shuffled, now)
    for written in writes[:1]:
        one = merge_add_wins(read, written, now)
        assert merge_add_wins(read, written, one) == one


@given(sets, sets)
def test_a_set_alone_is_what_was_written(now, written):
    alone = merge_add_wins(now, written, now)
    assert merge_add_wins([], alone, []) == alone
    assert sorted(map(json.dumps, alone)) == sorted({json.dumps(item) for item in written})
    assert merge_add_wins(written, written, alone) == alone


@given(sets, sets)
def test_an_addition_that_was_not_seen_stays(read, now):
    assert merge_add_wins(read, [], now, read) == merge_add_wins([], [], now)


@pytest.mark.parametrize("bad", ["x", True, 1.5, [1], {}])
def test_what_is_no_whole_number_does_not_count(bad):
    with pytest.raises(UnfitError, match="a counter is a whole number"):
        merge_counter(0, bad, 0)


def test_nothing_counts_as_zero_and_as_the_empty_set():
    assert merge_counter(None, 2.0, None) == 2
    assert merge_add_wins(None, ["a"], None) == ["a"]
    with pytest.raises(UnfitError, match="an add-wins set is a list, not 3"):
        merge_add_wins(None, 3, None)
    with pytest.raises(UnfitError, match="64-bit"):
        merge_counter(0, 1, (1 << 63) - 1)


# What branches of a workflow give.


def voting():
    return instance(EXAMPLE).given(RunInstance("count-votes", "", b'{"votes":5}'))


HALL = b'{"votes":6,"guests":["host","ann"]}'
GARDEN = b'{"more":10,"came":["bob"]}'


@pytest.mark.parametrize(
    "order", list(itertools.permutations([("hall", HALL), ("garden", GARDEN)]))
)
def test_in_whatever_order_branches_end_the_value_is_the_same(order):
    spec = voting()
    for node, output in order:
        spec = complete(spec, node, output)
    variables = json.loads(spec.past[-1].result)
    assert (variables["votes"], variables["guests"]) == (16, ["ann", "bob", "host"])
    assert spec.state.observed == {}


def test_what_work_sees_is_kept_until_its_node_is_left():
    spec = voting()
    seen = [event for event in spec.past if isinstance(event, VariablesObserved)]
    assert [(event.node, event.variables) for event in seen] == [
        (node, {"votes": b"5", "guests": b'["host"]'}) for node in ("hall", "garden")
    ]
    spec = complete(spec, "hall", HALL)
    assert [one.node for one in spec.state.observed.values()] == ["garden"]


def test_a_later_attempt_goes_on_from_what_the_first_saw():
    source = EXAMPLE.replace(
        "activity_type: count", "activity_type: count\n    retry: {max_attempts: 1}"
    )
    spec = instance(source).given(RunInstance("count-votes", "", b'{"votes":5}'))
    hall = activity_of(spec, "hall")
    spec = spec.given(FailActivity(hall, 1, "Busy", "later", retryable=True))
    spec = complete(fire(spec), "garden", GARDEN)
    spec = spec.given(CompleteActivity(hall, 2, HALL))
    assert json.loads(spec.past[-1].result)["votes"] == 16


def test_a_person_s_result_is_merged_as_a_worker_s():
    spec = complete(voting(), "garden", GARDEN)
    spec = spec.given(CompleteNode(HALL, activity=activity_of(spec, "hall")))
    assert json.loads(spec.past[-1].result)["votes"] == 16


def test_what_does_not_count_waits_behind_its_node_and_still_merges_then():
    spec = complete(voting(), "hall", b'{"votes":"six","guests":[]}')
    (number,) = spec.state.incidents
    found = spec.state.incidents[number]
    assert (found.code, found.message) == (
        "schema_violation",
        "output of hall: variable 'votes': a counter is a whole number, not \"six\"",
    )
    assert spec.state.variables["votes"] == b"5"
    spec = complete(spec, "garden", GARDEN)
    mended = b'{"result":{"votes":6,"guests":["host","ann"]}}'
    spec = spec.given(SetVariables(mended), RetryIncident(number))
    assert json.loads(spec.past[-1].result)["votes"] == 16
    assert json.loads(spec.past[-1].result)["guests"] == ["ann", "bob", "host"]


def test_a_start_with_what_does_not_count_is_refused():
    command = RunInstance("count-votes", "", b'{"votes":"many"}')
    instance(EXAMPLE).when(command).then_rejected("InvalidInput", "variable 'votes' does not fit")


SCOPES = """
id: flow
version: 1.0.0
variables: {count: {type: integer, default: 5, merge: counter}}
nodes:
  start: {type: start, next: split}
  split: {type: parallel, next: [left, right, other]}
  left:
    type: scope
    input: {mine: "${count}"}
    output: {count: "${mine}"}
    nodes:
      lb: {type: start, next: lw}
      lw: {type: activity, activity_type: a, output: {mine: "${output}"}, next: le}
      le: {type: end}
    next: join
  right:
    type: scope
    variables: {count: {type: integer, default: 0, merge: counter}}
    output: {count: "${1000}"}
    nodes:
      rb: {type: start, next: [rw, rv]}
      rw: {type: activity, activity_type: a, output: {count: "${count + output}"}, next: re}
      rv: {type: activity, activity_type: a, output: {count: "${count + output}"}, next: re}
      re: {type: end}
    next: join
  other: {type: call, definition: child, output: {count: "${count + output}"}, next: join}
  join: {type: parallel, next: end}
  end: {type: end}
"""


@pytest.mark.parametrize("order", list(itertools.permutations(["lw", "rw", "rv", "other"])))
def test_scopes_with_copies_and_calls_merge_by_what_they_saw_when_they_began(order):
    spec = instance(SCOPES).given(RunInstance("flow"))
    for node in order:
        if node == "other":
            (call,) = spec.state.calls
            spec = spec.given(CompleteCall(call, b"100"))
        else:
            spec = complete(spec, node, b"8" if node == "lw" else b"1")
        inner = [
            one.variables["count"] for one in spec.state.scopes.values() if one.node == "right"
        ]
        assert inner in ([], [b"0"], [b"1"])
    # left adds 8 - 5, the call 100, right sets 1000 where it saw 5.
    assert json.loads(spec.past[-1].result)["count"] == 5 + 3 + 100 + 995


TAGS = """
id: flow
version: 1.0.0
variables: {tags: {type: list, default: [x], merge: add_wins_set}}
nodes:
  start: {type: start, next: split}
  split: {type: parallel, next: [a0, b0, c0]}
BRANCHES
  join: {type: parallel, next: end}
  end: {type: end}
"""
BRANCH = """
  a0: {type: activity, activity_type: wait, next: a1}
  a1: {type: activity, activity_type: work, output: {tags: "${output}"}, next: join}"""
TAGS = TAGS.replace(
    "BRANCHES", "".join(BRANCH.replace("a0", f"{n}0").replace("a1", f"{n}1") for n in "abc")
)


class Tagged:
    """An add-wins set by the book: each addition has a tag, a removal takes the tags it saw."""

    def __init__(self, items):
        self.tags = {(item, 0) for item in items}
        self.count = 0

    def read(self):
        return frozenset(self.tags)

    def write(self, read, written):
        had = {item for item, _ in read}
        self.tags -= {tag for tag in read if tag[0] not in written}
        for item in set(written) - had:
            self.count += 1
            self.tags.add((item, self.count))

    def value(self):
        return sorted({item for item, _ in self.tags})


@given(
    st.permutations(["a0", "b0", "c0", "a1", "b1", "c1"]),
    st.fixed_dictionaries({one: st.sets(st.sampled_from("xyz")).map(sorted) for one in "abc"}),
)
@settings(max_examples=60, deadline=None)
def test_a_set_is_what_tags_would_make_of_it_in_every_interleaving(order, written):
    spec, model, seen = instance(TAGS).given(RunInstance("flow")), Tagged(["x"]), {}
    queue = list(order)
    while queue:
        node = queue.pop(0)
        one = node[0]
        if node[1] == "1" and one not in seen:
            queue.append(node)
            continue
        if node[1] == "0":
            spec, seen[one] = complete(spec, node), model.read()
        else:
            spec = complete(spec, node, json.dumps(written[one]).encode())
            model.write(seen[one], written[one])
    assert json.loads(spec.past[-1].result)["tags"] == model.value()


def test_an_element_that_was_put_in_again_is_not_taken_out_by_who_had_seen_the_former():
    spec = complete(instance(TAGS).given(RunInstance("flow")), "a0")  # a sees x
    spec = complete(complete(spec, "b0"), "b1", b"[]")  # b takes x out
    spec = complete(complete(spec, "c0"), "c1", b'["x"]')  # c puts x in again
    spec = complete(spec, "a1", b"[]")  # a takes out the x that it saw
    assert json.loads(spec.past[-1].result)["tags"] == ["x"]


def test_who_keeps_an_element_that_another_takes_out_does_not_put_it_in():
    spec = instance(TAGS).given(RunInstance("flow"))
    for node in ("a0", "b0", "c0"):
        spec = complete(spec, node)
    for node, tags in (("a1", b"[]"), ("b1", b'["x","y"]'), ("c1", b'["x"]')):
        spec = complete(spec, node, tags)
    assert json.loads(spec.past[-1].result)["tags"] == ["y"]


EACH = """
id: flow
version: 1.0.0
variables:
  count: {type: integer, default: 5, merge: counter}
  lists: {schema: {maxItems: 2}}
nodes:
  start: {type: start, next: all}
  all:
    type: activity
    activity_type: a
    each: {count: "${n}", collect: {into: lists}}
    output: {count: "${output}"}
    next: end
  end: {type: end}
"""


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_items_side_by_side_merge_as_branches_do(order):
    spec = instance(EACH).given(RunInstance("flow", "", b'{"n":2}'))
    keys = sorted(spec.state.activities)
    for place in order:
        spec = spec.given(CompleteActivity(keys[place], 1, b"6"))
    assert json.loads(spec.past[-1].result)["count"] == 7


def test_a_list_that_does_not_fit_its_variable_is_not_collected():
    spec = instance(EACH).given(RunInstance("flow", "", b'{"n":3}'))
    for key in sorted(spec.state.activities):
        spec = spec.given(CompleteActivity(key, 1, b"6"))
    (found,) = spec.state.incidents.values()
    assert (found.code, "lists" in spec.state.variables) == ("schema_violation", False)


# Definitions.

HEAD = "id: a\nversion: 1.0.0\n"
WORK = (
    "nodes: {s: {type: start, next: w}, w: {type: activity, activity_type: a, %s}, e: {type: end}}"
)
REFUSED = [
    ("variables: {n: {type: string, merge: counter}}", "next: e", "is of type integer: n is not"),
    ("variables: {n: {type: map, merge: add_wins_set}}", "next: e", "is of type list: n is not"),
    ("variables: {n: {merge: counter}}", "result_path: n, next: e", "write it under `output`"),
    ("variables: {result: {merge: counter}}", "next: e", "name another as result_path"),
    ("variables: {n: {merge: counter}}", "output: {n.x: 1}, next: e", "write it whole, not n.x"),
    (
        "variables: {n: {merge: add_wins_set}}",
        "each: {count: 2, collect: {into: n}}, result_path: r, next: e",
        "a list is collected into a variable that does not",
    ),
    ("variables: {n: {merge: counter, default: x}}", "next: e", "the default is refused"),
]


@pytest.mark.parametrize(("variables", "rest", "said"), REFUSED)
def test_a_policy_that_cannot_hold_is_refused_with_its_line(variables, rest, said):
    _, problems = examine(f"{HEAD}{variables}\n{WORK % rest}")
    errors = [problem for problem in problems if problem.severity == "error"]
    assert [said in problem.message for problem in errors] == [True]
    assert errors[0].line in {3, 4}


def test_policies_are_written_as_they_were_read():
    for source in (EXAMPLE, SCOPES):
        definition = read_definition(source)
        assert read_definition(write_definition(definition)) == definition


def test_a_definition_without_policies_has_no_event_more():
    plain = EXAMPLE.replace(", merge: counter", "").replace(", merge: add_wins_set", "")
    assert graph_of(read_definition(plain)).merges == {}
    spec = instance(plain).given(RunInstance("count-votes"))
    assert not any(isinstance(event, VariablesObserved) for event in spec.past)


def test_a_variable_that_is_absent_is_seen_as_nothing_by_all():
    source = SCOPES.replace("default: 5, ", "").replace("${mine}", "${mine == null ? 1 : 2}")
    spec = instance(source).given(RunInstance("flow"))
    (call,) = spec.state.calls
    assert json.loads(spec.given(CompleteCall(call, b"4")).state.variables["count"]) == 4
