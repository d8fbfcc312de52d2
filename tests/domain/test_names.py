"""What an expression may name: the page has every key that holds one, and says what is seen."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from schemas.approval_commands import ClaimApproval, CompleteApproval
from schemas.commands import CompleteCall, Correlate, RunInstance
from schemas.escalation_commands import EscalateCall
from schemas.events import ErrorOccurred
from schemas.results import CompleteActivity
from streams.domain.device.index import Condition
from streams.domain.expressions.cel import ExpressionError
from streams.domain.watch.state import Wait
from streams.forms import examine
from streams.forms.lock import LockShape
from streams.forms.shape import KINDS, DefinitionShape, FlowShape
from streams.forms.shape_approval import EscalationShape
from streams.forms.shape_nodes import FailureShape
from streams.forms.shape_repeat import CollectShape, EachShape, LoopShape
from streams.forms.shape_wait import PartShape
from streams.testing.spec import instance
from streams.testing.steps import complete, fail, fire

PAGE = Path(__file__).resolve().parents[2] / "streams" / "domain" / "docs" / "names.md"
SHAPES = {**KINDS, "definition": DefinitionShape, "flow": FlowShape, "part": PartShape}
NESTED = {
    ("approval", "escalation."): EscalationShape,
    ("end", "error."): FailureShape,
    **{(kind, "lock."): LockShape for kind in ("activity", "approval", "call", "scope")},
    ("repeated", "each."): EachShape,
    ("repeated", "each.collect."): CollectShape,
    ("repeated", "loop."): LoopShape,
}
PLAIN = {"metadata", "form", "output_schema", "input_schema", "result_schema"}
"""Keys that hold any value, in which `${…}` is nothing but text."""
TEXTS = {"condition", "while", "until"}
"""Texts that are expressions, or hold some: by their type they are not to be told from others."""


def of_the_shapes():
    every = [(kind, "", shape) for kind, shape in SHAPES.items()]
    every += [(kind, prefix, shape) for (kind, prefix), shape in NESTED.items()]
    for kind, prefix, shape in every:
        for name, field in shape.model_fields.items():
            key = field.alias or name
            text = key in TEXTS or (kind, prefix, key) == ("end", "error.", "message")
            if text or (field.annotation in (Any, dict[str, Any]) and key not in PLAIN):
                yield kind, prefix + key


def of_the_page():
    for keys, kinds in re.findall(
        r"^\| (`[^|]*`) \| ([a-z, ]+) \|", PAGE.read_text(), re.MULTILINE
    ):
        for kind in kinds.split(", "):
            yield from ((kind, key) for key in re.findall(r"`([^`]+)`", keys))


def test_the_page_has_a_row_for_every_key_that_holds_an_expression_and_no_other():
    told = list(of_the_page())
    assert len(told) == len(set(told))
    assert set(told) == set(of_the_shapes())


def test_elsewhere_what_looks_like_an_expression_is_text():
    source = """
id: flow
version: 1.0.0
metadata: {a: "${"}
variables: {a: {default: "${", schema: {description: "${"}}}
input_schema: {description: "${"}
result_schema: {description: "${"}
nodes:
  start: {type: start, metadata: {a: "${"}, next: work}
  work: {type: activity, activity_type: job, output_schema: {description: "${"}, next: ask}
  ask: {type: approval, assignee: ann, form: {description: "${"}, next: end}
  end: {type: end}
"""
    assert examine(source)[1] == []


SPECIAL = (
    "output",
    "error",
    "escalation",
    "met",
    "each",
    "value",
    "metrics",
    "item",
    "index",
)
"""Names that mean something in some places."""
ASKED = f"[{', '.join(SPECIAL)}, n, inner, missing]"
VALUE, TEST = f'"${{{ASKED}}}"', f'"${{size({ASKED}) > 0}}"'
"""What cannot be computed for want of one name: the incident has the values of all others."""
SOURCE = """
id: flow
version: 1.0.0
variables: {n: {type: integer, default: 7}}
nodes:
  start: {type: start, next: node}
  node: {NODE}
  end: {type: end}
"""
JOB = "type: activity, activity_type: job, next: end"
CALL = "type: call, definition: child, next: end"
ASK = "type: approval, next: end, assignee: ann"
SCOPE = "type: scope, next: end, variables: {inner: {type: integer, default: 8}}"
INSIDE = "nodes: {begin: {type: start, next: out}, out: {type: end}}"
NOTHING = {}


def source(node, beside=""):
    return SOURCE.replace("NODE", node.replace("VALUE", VALUE).replace("TEST", TEST)) + beside


def aside(trigger):
    return (
        (
            f"  late: {{type: boundary, on: node, {trigger}, interrupting: false, next: other}}\n"
            "  other: {type: end}\n"
        )
        .replace("VALUE", VALUE)
        .replace("TEST", TEST)
    )


def event_scope(trigger):
    return (
        (
            "  aside:\n    type: scope\n    event: true\n    variables: {inner: {default: 8}}\n"
            f"    nodes: {{begin: {{type: start, {trigger}, next: out}}, out: {{type: end}}}}\n"
        )
        .replace("VALUE", VALUE)
        .replace("TEST", TEST)
    )


def came(spec, payload=b'{"x":1}'):
    ((number, one),) = spec.state.subscriptions.items()
    return spec.given(Correlate(number, one.channel, "m1", "hello", payload))


def done(spec):
    return complete(spec, "node", b'{"x":1}')


def failed(spec):
    return fail(spec, "node")


def raised(spec):
    (call,) = spec.state.calls
    return spec.given(EscalateCall(call, "Late", b"1"))


def returned(spec):
    (call,) = spec.state.calls
    return spec.given(CompleteCall(call, b'{"x":1}'))


def decided(spec):
    (key,) = spec.state.approvals
    return spec.by("ann").given(ClaimApproval(key), CompleteApproval(key, "approve", b'{"y":2}'))


def first(spec):
    key = min(spec.state.activities)
    return spec.given(CompleteActivity(key, 1, b'{"x":1}'))


def as_is(spec):
    return spec


LOCKS = {"name": "name: VALUE", "ttl": "name: a, ttl: VALUE", "wait": "name: a, wait: VALUE"}


DECISION = {"outcome": "approve", "data": {"y": 2}, "completed_by": "ann"}
X = {"output": {"x": 1}}
ERROR = {"code": "Boom", "message": "it went wrong", "node": "node"}
LATE = {"code": "Late", "node": "node", "payload": 1}
RUN = {"item": 5, "index": 0}
EACH = {"total": 2, "active": 1, "done": 1}
CASES = {
    "activity input": (source(f"{JOB}, input: VALUE"), as_is, NOTHING),
    "activity output": (source(f"{JOB}, output: {{a: VALUE}}"), done, X),
    "call output": (source(f"{CALL}, output: {{a: VALUE}}"), returned, X),
    "approval output": (source(f"{ASK}, output: {{a: VALUE}}"), decided, {"output": DECISION}),
    "call input": (source(f"{CALL}, input: {{a: VALUE}}"), as_is, NOTHING),
    "scope input": (source(f"{SCOPE}, input: {{a: VALUE}}, {INSIDE}"), as_is, NOTHING),
    "flow condition": (
        source("type: exclusive, next: [{to: end, when: TEST}, {to: end, default: true}]"),
        as_is,
        NOTHING,
    ),
    "throw payload": (source("type: throw, signal: a, payload: VALUE, next: end"), as_is, {}),
    "throw key": (source("type: throw, message: a, key: VALUE, next: end"), as_is, NOTHING),
    "catch key": (source("type: catch, message: a, key: VALUE, next: end"), as_is, NOTHING),
    "catch condition": (source("type: catch, condition: TEST, next: end"), as_is, NOTHING),
    "catch output": (source("type: catch, signal: a, output: {a: VALUE}, next: end"), came, X),
    "timer output": (
        source("type: timer, duration: 1, output: {a: VALUE}, next: end"),
        fire,
        {"output": None},
    ),
    "wait output": (
        source("type: wait, any: [{message: a}], output: {a: VALUE}, next: end"),
        came,
        {"output": {"a": {"x": 1}}, "met": True},
    ),
    "part key": (source("type: wait, all: [{message: a, key: VALUE}], next: end"), as_is, {}),
    "part condition": (source("type: wait, all: [{condition: TEST}], next: end"), as_is, {}),
    "part within": (
        source("type: wait, not: {message: a, within: VALUE}, next: end"),
        as_is,
        NOTHING,
    ),
    "boundary key": (source(JOB, aside("message: a, key: VALUE")), as_is, NOTHING),
    "boundary condition": (source(JOB, aside("condition: TEST")), as_is, NOTHING),
    "boundary output, message": (
        source(JOB, aside("message: a, output: {a: VALUE}")),
        came,
        X,
    ),
    "boundary output, error": (
        source(JOB, aside("error: Boom, output: {a: VALUE}").replace("interrupting: false, ", "")),
        failed,
        {"error": ERROR},
    ),
    "boundary output, escalation": (
        source(CALL, aside("escalation: Late, output: {a: VALUE}")),
        raised,
        {"escalation": LATE},
    ),
    "boundary output, cycle": (
        source(JOB, aside("cycle: R/PT1S, output: {a: VALUE}")),
        fire,
        {"output": {"due": 1_700_000_001_000, "missed": 0}},
    ),
    "start condition": (source(JOB, event_scope("condition: TEST")), as_is, NOTHING),
    "start key": (source(JOB, event_scope("message: a, key: VALUE")), as_is, NOTHING),
    "start output, message": (
        source(JOB, event_scope("message: a, output: {a: VALUE}")),
        came,
        {**X, "inner": 8},
    ),
    "start output, error": (
        source(JOB, event_scope("error: Boom, output: {a: VALUE}")),
        failed,
        {"error": ERROR, "output": ERROR, "inner": 8},
    ),
    "repeated each.items": (source(f"{JOB}, each: {{items: VALUE}}"), as_is, NOTHING),
    "repeated each.count": (source(f"{JOB}, each: {{count: VALUE}}"), as_is, NOTHING),
    "repeated each.until": (
        source(f"{JOB}, each: {{items: [5, 6], until: TEST}}"),
        first,
        {**X, **RUN, "each": EACH},
    ),
    "repeated each.collect.value": (
        source(f"{JOB}, each: {{items: [5, 6], collect: {{into: a, value: VALUE}}}}"),
        first,
        {**X, **RUN, "each": EACH},
    ),
    "repeated input": (source(f"{JOB}, input: VALUE, each: {{items: [5]}}"), as_is, RUN),
    "repeated loop.while": (source(f"{JOB}, loop: {{while: TEST}}"), as_is, {"index": 0}),
    "repeated loop.until": (
        source(f"{JOB}, loop: {{until: TEST}}"),
        first,
        {**X, "index": 0, "each": {"total": -1, "active": 0, "done": 1}},
    ),
}
for _kind, _node in {
    "activity": JOB,
    "approval": ASK,
    "call": CALL,
    "scope": f"{SCOPE}, {INSIDE}",
}.items():
    for _key, _lock in LOCKS.items():
        CASES[f"{_kind} lock.{_key}"] = (source(f"{_node}, lock: {{{_lock}}}"), as_is, NOTHING)

for _key in ("assignee", "candidate_users", "candidate_groups"):
    CASES[f"approval {_key}"] = (source(f"type: approval, next: end, {_key}: VALUE"), as_is, {})
for _key in ("title", "description", "priority", "due", "input", "documents"):
    CASES[f"approval {_key}"] = (source(f"{ASK}, {_key}: VALUE"), as_is, NOTHING)
for _key in ("assignee", "candidate_users", "candidate_groups", "notify"):
    _late = f"{ASK}, due: 5, escalation: {{{_key}: VALUE}}"
    CASES[f"approval escalation.{_key}"] = (source(_late), fire, NOTHING)
for _key in ("duration", "date", "cycle", "cron"):
    for _kind, _made in (
        ("timer", source(f"type: timer, {_key}: VALUE, next: end")),
        ("part", source(f"type: wait, all: [{{{_key}: VALUE}}], next: end")),
        ("boundary", source(JOB, aside(f"{_key}: VALUE"))),
        ("start", source(JOB, event_scope(f"{_key}: VALUE"))),
    ):
        CASES[f"{_kind} {_key}"] = (_made, as_is, NOTHING)
for _key, _more in (
    ("zone", "duration: 1, zone: VALUE"),
    ("device", "device: VALUE, metric: t, above: 1"),
    ("above", "device: d, metric: t, above: VALUE"),
    ("below", "device: d, metric: t, below: VALUE"),
    ("equals", "device: d, metric: t, equals: VALUE"),
    ("hold", "device: d, metric: t, above: 1, for: VALUE"),
    ("silent", "device: d, silent: VALUE"),
):
    _alone = "timer" if _key == "zone" else "catch"
    for _kind, _made in (
        (_alone, source(f"type: {_alone}, {_more}, next: end")),
        ("part", source(f"type: wait, all: [{{{_more}}}], next: end")),
        ("boundary", source(JOB, aside(_more))),
        ("start", source(JOB, event_scope(_more))),
    ):
        CASES[f"{_kind} {_key}"] = (_made, as_is, NOTHING)


@pytest.mark.parametrize("case", CASES)
def test_a_key_sees_the_names_of_its_row_and_no_others(case):
    text, act, seen = CASES[case]
    spec = act(instance(text).given(RunInstance("flow")))
    incident = next(e for e in reversed(spec.past) if isinstance(e, ErrorOccurred))
    assert incident.code == "expression_failed"
    assert json.loads(incident.values) == {"n": 7, **seen}


PLAINLY = """
id: flow
version: 1.0.0
variables: {n: {type: integer, default: 7}}
result: {n: "${n}", sum: "${sum}"}
nodes:
  start: {type: start, next: part}
  part:
    type: scope
    variables: {inner: {type: integer, default: 8}}
    output: {sum: "${n + inner}"}
    nodes:
      begin: {type: start, next: out}
      out: {type: end}
    next: check
  check: {type: exclusive, next: [{to: end, when: "${n < 9}"}, {to: wrong, default: true}]}
  wrong: {type: end}
  end: {type: end}
"""


def test_a_scope_a_result_and_a_flow_see_variables():
    ended = instance(PLAINLY).given(RunInstance("flow")).past[-1]
    assert json.loads(ended.result) == {"n": 7, "sum": 15}


@pytest.mark.parametrize("name", SPECIAL)
@pytest.mark.parametrize("where", ["${sum}", "${n + inner}", "${n < 9}"])
def test_they_see_nothing_else(where, name):
    named = f"${{{name} == 1}}" if "<" in where else f"${{{name}}}"
    spec = instance(PLAINLY.replace(where, named)).given(RunInstance("flow"))
    (incident,) = spec.state.incidents.values()
    assert (incident.code, f"'{name}'" in incident.message) == ("expression_failed", True)


@pytest.mark.parametrize("name", SPECIAL)
def test_the_message_of_an_error_sees_variables_and_says_what_it_does_not_see(name):
    text = source(f'type: end, error: {{code: Bad, message: "${{n}} ${{{name}}}"}}')
    text = text.replace("  end: {type: end}\n", "")
    said = instance(text).given(RunInstance("flow")).past[-1].message
    assert f"'{name}'" in said
    seen = instance(text.replace(f" ${{{name}}}", "")).given(RunInstance("flow")).past[-1]
    assert seen.message == "7"


def waits_for_device(test):
    text = source(f"type: catch, device: d, metric: t, condition: '{test}', next: end")
    awaits = instance(text).given(RunInstance("flow")).effects[-1].body.awaits
    assert awaits.variables == ({"n": b"7"} if "n == 7" in test else {})
    return Condition(Wait("instance", "one", "first", 2, "node", True, 1, awaits))


def test_a_condition_of_a_device_sees_its_metric_all_metrics_and_the_variables_of_the_begin():
    condition = waits_for_device('value == 3.0 && metrics.m == "on" && n == 7')
    assert condition.holds({"t": 3, "m": "on"})
    assert not condition.holds({"t": 4, "m": "on"})


@pytest.mark.parametrize("name", sorted({*SPECIAL} - {"value", "metrics"}))
def test_a_condition_of_a_device_sees_nothing_else(name):
    condition = waits_for_device(f"{name} == 1")
    with pytest.raises(ExpressionError, match=f"'{name}'"):
        condition.holds({"t": 3})


def test_every_row_is_tried():
    tried = {tuple(case.split(",")[0].split(" ")) for case in CASES}
    plainly = {("definition", "result"), ("scope", "output"), ("end", "error.message")}
    assert set(of_the_page()) - tried == plainly
