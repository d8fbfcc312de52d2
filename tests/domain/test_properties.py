"""What an author states of every run: proved, or refuted by a run."""

import random

import pytest

from streams.domain.net.explore import explore
from streams.domain.net.model import Property
from streams.domain.net.properties import decide
from streams.domain.net.soundness import soundness
from streams.domain.net.translate import petri_net
from streams.forms import prove, read_definition, write_definition
from streams.testing.blocks import Blocks

ORDER = """id: order
version: 1.0.0
nodes:
  start: {type: start, next: fork}
  fork: {type: parallel, next: [pay, pack]}
  pay: {type: activity, activity_type: job, next: paid}
  paid: {type: exclusive, next: [{to: meet, when: "${ok}"}, {to: pay, default: true}]}
  pack: {type: activity, activity_type: job, next: meet}
  meet: {type: parallel, next: ship}
  ship: {type: activity, activity_type: job, next: check}
  check: {type: exclusive, next: [{to: refund, when: "${late}"}, {to: end, default: true}]}
  refund: {type: activity, activity_type: job, next: end}
  end: {type: end}
properties:
  - {STATED}
"""


def stated(text):
    return prove(ORDER.replace("STATED", text), "order.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "never: ship, before: pay",
        "never: ship, before: pack",
        "never: pack, after: ship",
        "never: pay, after: ship",
        "after: pack, always: ship",
        "after: refund, always: end",
        "never: refund, before: ship",
    ],
)
def test_what_holds_is_proved(text):
    definition, problems, verdict = stated(text)
    assert (problems, verdict.sound) == ([], True)
    assert read_definition(write_definition(definition)) == definition


@pytest.mark.parametrize(
    ("text", "message", "run"),
    [
        (
            "never: pack, before: pay",
            "never pack before pay: pack can act although pay has not acted yet",
            ["start", "fork", "pack"],
        ),
        (
            "never: pay, after: pack",
            "never pay after pack: pay can act although pack has acted",
            ["start", "fork", "pack", "pay"],
        ),
        (
            "after: pay, always: refund",
            "after pay always refund: a run can come to where pay has acted and refund cannot",
            None,
        ),
    ],
)
def test_what_does_not_hold_is_shown_by_a_run(text, message, run):
    _, (problem,), verdict = stated(text)
    assert verdict.sound is False
    assert str(problem).startswith(f"order.yaml:15:5 properties[0]: {message}")
    assert problem.property == message.split(":")[0]
    if run is None:
        assert problem.trace[-1] == "check (check->end)"
        assert {"pay", "pack", "ship"} < set(problem.trace)
    else:
        assert problem.trace == run


def test_a_loop_that_can_always_be_left_is_left_at_last():
    assert stated("after: fork, always: meet")[2].sound


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("never: ship, before: bill", "'bill' is no node of this definition"),
        ("never: ship, after: ship", "a property is of two nodes, this is of one"),
        ("never: ship", "a property is {never: A, before: B}"),
        ("never: ship, before: pay, after: pack", "a property is {never: A, before: B}"),
        ("never: ship, befor: pay", "the key 'befor' is not known here; did you mean 'before'?"),
    ],
)
def test_a_property_that_says_nothing_is_an_error_with_its_line(text, message):
    _, problems, verdict = stated(text)
    assert verdict is None
    assert any(message in str(one) and one.line == 15 for one in problems), problems


def test_nodes_of_different_scopes_have_no_common_run():
    source = ORDER.replace(
        "  ship: {type: activity, activity_type: job, next: check}",
        "  ship: {type: scope, next: check, nodes: {s: {type: start, next: load}, "
        "load: {type: activity, activity_type: job, next: e}, e: {type: end}}}",
    )
    assert soundness(read_definition(source.replace("STATED", "never: ship, before: pay"))).sound
    assert soundness(read_definition(source.replace("STATED", "never: e, before: load"))).sound
    (problem,) = read_definition(source.replace("STATED", "never: load, before: pay"))
    assert "both nodes have to be in the same scope" in problem.message


def test_past_the_budget_nothing_is_claimed():
    net = petri_net(read_definition(ORDER.replace("STATED", "never: ship, before: pay")))
    assert decide(net, Property("before", "ship", "pay"), 2).holds is None
    assert decide(net, Property("always", "pack", "ship"), 2).holds is None


def plainly(net, kind, node, other):
    """Whether a property holds, by a search that knows what has acted on the way."""
    first = (net.start, False)
    seen, queue, after = {first}, [first], {}
    while queue:
        state = queue.pop()
        marking, on = state
        after[state] = set()
        for firing in net.firings:
            if not firing.enabled(marking):
                continue
            name = firing.steps[0].node
            if kind != "always" and name == node and on == (kind == "after"):
                return False
            turned = on or name == (node if kind == "always" else other)
            if kind == "always" and name == other:
                turned = False
            follower = (marking ^ firing.pre | firing.post, turned)
            after[state].add(follower)
            if follower not in seen:
                seen.add(follower)
                queue.append(follower)
    able = {state for state in seen if not state[1]}
    while more := {state for state in seen - able if after[state] & able}:
        able |= more
    return kind != "always" or able == seen


def any_block(chance, depth=3):
    kind = chance.choice(
        ["task", "parallel", "exclusive", "sequence", "loop"] if depth else ["task"]
    )
    if kind == "task":
        return ("task",)
    if kind == "loop":
        return ("loop", any_block(chance, depth - 1))
    return (kind, [any_block(chance, depth - 1) for _ in range(chance.randint(2, 3))])


def test_a_decision_is_that_of_the_plainest_search():
    counted = {True: 0, False: 0}
    for seed in range(150):
        chance = random.Random(seed)
        definition = read_definition(Blocks().source(any_block(chance)))
        net = petri_net(definition)
        if explore(net, 2_000).complete is False:
            continue
        for _ in range(6):
            node, other = chance.sample(sorted(definition.nodes), 2)
            for kind in ("before", "after", "always"):
                decided = decide(net, Property(kind, node, other), 100_000)
                holds = plainly(net, kind, node, other)
                assert decided.holds == holds, f"seed {seed}: {kind} {node} {other}"
                counted[holds] += 1
    assert min(counted.values()) > 300
