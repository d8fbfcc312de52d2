"""Inclusive gateways and partial joins: when they go on, and what they leave behind."""

import json
import random

import pytest

from schemas.commands import ResumeInstance, RetryIncident, RunInstance, SuspendInstance
from schemas.events import ErrorOccurred
from schemas.results import CompleteActivity
from streams.domain.net.explore import explore
from streams.domain.net.reduce import reduced
from streams.domain.net.soundness import soundness, violations_of
from streams.domain.net.translate import petri_net
from streams.domain.net.validate import structure_problems
from streams.forms import read_definition
from streams.testing.spec import has, instance
from streams.testing.steps import complete, waiting

INCLUSIVE = """
id: flow
version: 1.0.0
nodes:
  start: {type: start, next: split}
  split:
    type: inclusive
    next:
      - {to: a, when: "${n % 2 == 0}"}
      - {to: b, when: "${n % 3 == 0}"}
      - {to: c, default: true}
  a: {type: activity, activity_type: job, next: meet}
  b: {type: activity, activity_type: job, next: meet}
  c: {type: activity, activity_type: job, next: meet}
  meet: {type: inclusive, next: after}
  after: {type: activity, activity_type: job, next: end}
  end: {type: end}
"""
PARTIAL = """
id: flow
version: 1.0.0
nodes:
  start: {type: start, next: fork}
  fork: {type: parallel, next: [a, b, c]}
  a: {type: activity, activity_type: job, next: meet}
  b: {type: activity, activity_type: job, next: meet}
  c: {type: activity, activity_type: job, next: meet}
  meet: {type: join, count: 2, next: after}
  after: {type: activity, activity_type: job, next: end}
  end: {type: end}
"""


def started(source, **variables):
    return instance(source).given(RunInstance("flow", "", json.dumps(variables).encode()))


@pytest.mark.parametrize(("n", "taken"), [(2, "a"), (3, "b"), (6, "ab"), (5, "c")])
def test_an_inclusive_split_takes_every_true_flow_else_the_default_and_all_are_joined(n, taken):
    spec = started(INCLUSIVE, n=n)
    assert waiting(spec) == list(taken)
    for number, node in enumerate(taken, 1):
        spec = complete(spec, node)
        assert (waiting(spec) == ["after"]) == (number == len(taken))
    assert complete(spec, "after").state.status == "Completed"


def test_an_inclusive_split_without_a_true_flow_waits_for_an_operator():
    source = INCLUSIVE.replace("      - {to: c, default: true}\n", "").replace(
        "  c: {type: activity, activity_type: job, next: meet}\n", ""
    )
    (warning,) = structure_problems(read_definition(source))
    assert warning.severity == "warning"
    spec = instance(source).when(RunInstance("flow", "", b'{"n":5}'))
    spec = spec.then("workflow.started", has(ErrorOccurred, code="no_true_branch", node="split"))
    spec.when(RetryIncident(0)).then("incident.resolved", "node.executed", "error.occurred")


def test_an_inclusive_join_goes_on_when_the_token_it_waited_for_goes_elsewhere():
    source = INCLUSIVE.replace(
        "  b: {type: activity, activity_type: job, next: meet}",
        "  b: {type: activity, activity_type: job, "
        'next: [{to: meet, when: "${back}"}, {to: gone, default: true}]}\n  gone: {type: end}',
    )
    spec = complete(started(source, n=6, back=False), "a")
    assert waiting(spec) == ["b"]
    assert waiting(complete(spec, "b")) == ["after"]


def test_a_joined_loop_waits_for_the_branch_that_goes_round_again():
    source = """
id: flow
version: 1.0.0
variables: {again: {type: boolean, default: true}}
nodes:
  start: {type: start, next: split}
  split: {type: parallel, next: [a, b]}
  a: {type: activity, activity_type: job, next: meet}
  b:
    type: activity
    activity_type: job
    output: {again: "${output.again}"}
    next: [{to: b, when: "${again}"}, {to: meet, when: "${!again}"}]
  meet: {type: inclusive, next: end}
  end: {type: end}
"""
    spec = complete(started(source), "a")
    spec = complete(spec, "b", b'{"again":true}')
    assert waiting(spec) == ["b"]
    assert complete(spec, "b", b'{"again":false}').state.status == "Completed"


def test_inner_joins_go_on_before_outer_ones():
    source = """
id: flow
version: 1.0.0
nodes:
  start: {type: start, next: outer}
  outer: {type: inclusive, next: [{to: inner, when: "${true}"}, {to: c, when: "${c}"}]}
  inner: {type: inclusive, next: [{to: a, when: "${true}"}, {to: b, when: "${b}"}]}
  a: {type: activity, activity_type: job, next: near}
  b: {type: activity, activity_type: job, next: near}
  c: {type: activity, activity_type: job, next: far}
  near: {type: inclusive, next: between}
  between: {type: activity, activity_type: job, next: far}
  far: {type: inclusive, next: end}
  end: {type: end}
"""
    spec = started(source, b=True, c=True)
    spec = complete(complete(spec, "c"), "a")
    assert waiting(spec) == ["b"]
    spec = complete(spec, "b")
    assert waiting(spec) == ["between"]
    assert complete(spec, "between").state.status == "Completed"
    spec = started(source, b=False, c=False)
    assert complete(complete(spec, "a"), "between").state.status == "Completed"


VICIOUS = """
id: flow
version: 1.0.0
nodes:
  start: {type: start, next: fork}
  fork: {type: parallel, next: [a, b]}
  a: {type: activity, activity_type: job, next: left}
  b: {type: activity, activity_type: job, next: right}
  left: {type: inclusive, next: x}
  x:
    {type: activity, activity_type: job, next: [{to: right, when: "${no}"}, {to: e, default: true}]}
  right: {type: inclusive, next: y}
  y:
    {type: activity, activity_type: job, next: [{to: left, when: "${no}"}, {to: e, default: true}]}
  e: {type: inclusive, next: end}
  end: {type: end}
"""


def test_joins_that_wait_for_each_other_are_refused_and_the_engine_shows_why():
    """BPMN's rule lets neither go on (a vicious circle), so it must not be published."""
    verdict = soundness(read_definition(VICIOUS))
    assert verdict.violations[0].property == "option to complete"
    spec = complete(complete(started(VICIOUS, no=False), "a"), "b")
    assert (spec.state.status, waiting(spec)) == ("Running", [])


def test_an_inclusive_join_does_not_go_on_while_suspended():
    spec = started(INCLUSIVE, n=6).given(SuspendInstance())
    spec = complete(complete(spec, "a"), "b")
    assert waiting(spec) == []
    assert waiting(spec.given(ResumeInstance())) == ["after"]


def test_a_partial_join_goes_on_at_its_count_and_absorbs_the_rest():
    spec = complete(started(PARTIAL), "b")
    assert waiting(spec) == ["a", "c"]
    spec = complete(spec, "c")
    assert waiting(spec) == ["a", "after"]
    late = complete(complete(spec, "after"), "a")
    assert (late.state.status, late.state.tokens) == ("Completed", {})
    early = complete(complete(spec, "a"), "after")
    assert (early.state.status, early.state.tokens) == ("Completed", {})


def test_marks_of_a_partial_join_hold_nothing_up():
    """A branch that ends elsewhere never comes: the workflow is over all the same."""
    source = PARTIAL.replace("a: {type: activity, activity_type: job, next: meet}", "").replace(
        "next: [a, b, c]}",
        "next: [a, b, c]}\n  a: {type: activity, activity_type: job, next: "
        '[{to: meet, when: "${back}"}, {to: end, default: true}]}',
    )
    spec = complete(complete(started(source, back=False), "b"), "c")
    spec = complete(complete(spec, "after"), "a")
    assert spec.state.status == "Completed"


def test_a_discriminator_in_a_loop_begins_again_when_every_branch_has_come():
    source = """
id: flow
version: 1.0.0
variables: {round: {type: integer, default: 0}}
nodes:
  start: {type: start, next: again}
  again: {type: exclusive, next: fork}
  fork: {type: parallel, next: [a, b]}
  a: {type: activity, activity_type: job, next: meet}
  b: {type: activity, activity_type: job, next: meet}
  meet: {type: join, count: 1, next: count}
  count:
    type: activity
    activity_type: job
    output: {round: "${round + 1}"}
    next: [{to: again, when: "${round < 2}"}, {to: end, default: true}]
  end: {type: end}
"""
    spec = complete(started(source), "a")
    assert waiting(spec) == ["b", "count"]
    spec = complete(complete(spec, "b"), "count")
    assert waiting(spec) == ["a", "b"]
    spec = complete(spec, "b")
    assert waiting(spec) == ["a", "count"]
    spec = complete(complete(spec, "count"), "a")
    assert (spec.state.status, spec.state.tokens) == ("Completed", {})


@pytest.mark.parametrize(("count", "words"), [(4, "waits for 4 tokens on 3"), (0, "greater than")])
def test_a_count_that_cannot_be_reached_is_refused(count, words):
    problems = read_definition(PARTIAL.replace("count: 2", f"count: {count}"))
    assert words in str(problems[0])


def anything(chance):
    """Gateways of all kinds with an activity on every flow between them, joined at random."""
    kinds = ("exclusive", "parallel", "inclusive", "inclusive", "join")
    size = chance.randint(2, 4)
    nodes = {"start": {"type": "start"}, "end": {"type": "end"}}
    flows = [{"source": "start", "target": "g0"}]
    gateways = [f"g{number}" for number in range(size)]
    for number, name in enumerate(gateways):
        nodes[name] = {"type": chance.choice(kinds)}
        plain = nodes[name]["type"] in {"parallel", "join"}
        ways = chance.choice((1, 1, 2, 2, 3))
        for way in range(ways):
            target = chance.choice([*gateways[max(0, number - 1) :], "end", "end"])
            work = f"w{len(nodes)}"
            nodes[work] = {"type": "activity", "activity_type": "job"}
            condition = {} if plain else {"condition": f"pick % {way + 2} == 0"}
            if not plain and way == ways - 1:
                condition = {"default": True}
            flows.append({"source": name, "target": work, **condition})
            flows.append({"source": work, "target": target})
    for name in gateways:
        if nodes[name]["type"] == "join":
            into = sum(flow["target"] == name for flow in flows)
            nodes[name]["count"] = max(1, chance.randint(1, max(1, into)))
    source = {"id": "flow", "version": "1.0.0", "nodes": nodes, "flows": flows}
    return json.dumps(source)


def verdicts(definition):
    net = petri_net(definition)
    whole, small = explore(net, 30_000), explore(reduced(net), 30_000)
    return [sorted({(v.property, v.node if v.property == "no dead nodes" else "")
                    for v in violations_of(found, definition)})
            for found in (whole, small)], whole.complete and small.complete  # fmt: skip


def test_a_reduced_net_of_any_gateways_has_the_verdict_of_the_whole_one():
    seen = sound = 0
    for seed in range(2_000):
        definition = read_definition(anything(random.Random(seed)))
        if isinstance(definition, list):
            continue
        (whole, small), complete = verdicts(definition)
        if complete:
            assert bool(whole) == bool(small), f"seed {seed}"
            if not {"1-safe", "proper completion"} & {name for name, _ in [*whole, *small]}:
                assert whole == small, f"seed {seed}"
            seen += 1
            sound += not whole
    assert seen > 300
    assert 50 < sound < seen - 50


def test_what_is_proved_sound_ends_on_the_engine_whatever_is_done_first():
    runs = 0
    for seed in range(1_000):
        chance = random.Random(seed)
        source = anything(chance)
        definition = read_definition(source)
        if isinstance(definition, list) or not soundness(definition).sound:
            continue
        spec = instance(source)
        for _ in range(200):
            if spec.state is not None and spec.state.status != "Running":
                break
            data = json.dumps({"pick": chance.randint(0, 11)}).encode()
            if spec.state is None:
                spec = spec.given(RunInstance("flow", "", data))
                continue
            assert spec.state.activities, f"seed {seed} is stuck: {spec.state.tokens}"
            places = [p for p in spec.state.tokens.values() if not p.endswith("/spent")]
            assert len(places) == len(set(places)), f"seed {seed}: two tokens at one place"
            key = chance.choice(sorted(spec.state.activities))
            spec = spec.given(CompleteActivity(key, 1, b"{}"))
        runs += 1
    assert runs > 40
