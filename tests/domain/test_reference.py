"""The author's reference: a page and an example for every kind of node, and both hold."""

import json
import re
from pathlib import Path

import pytest

from schemas.commands import (
    CompleteCall,
    Correlate,
    FailCall,
    RunInstance,
    SetVariables,
    TriggerInstance,
)
from schemas.events import ActivityScheduled
from schemas.registry import public_type as type_of
from schemas.results import FailActivity
from streams.domain.net.model import Version
from streams.domain.protocol import DispatchActivity, SendCommand
from streams.forms import prove
from streams.forms.lock import LockShape
from streams.forms.shape import KINDS, DefinitionShape, FlowShape, PropertyShape
from streams.forms.shape_approval import EscalationShape
from streams.forms.shape_base import RecoveryShape, RetryShape, VariableShape
from streams.forms.shape_nodes import FailureShape
from streams.forms.shape_repeat import CollectShape, EachShape, LoopShape
from streams.forms.shape_wait import PartShape
from streams.testing.spec import instance
from streams.testing.steps import activity_of, complete, fail, fire, waiting

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "streams" / "domain" / "docs"
EXAMPLES = sorted((ROOT / "examples" / "nodes").glob("*.yaml"))
PAGES = {"end": "start_and_end", "catch": "catch_and_throw", "throw": "catch_and_throw"}
"""The page of a kind, where it has not the kind's own name."""
PARTS = {
    FailureShape: "start_and_end",
    LockShape: "scope",
    RetryShape: "activity",
    VariableShape: "expressions",
    FlowShape: "expressions",
    DefinitionShape: "expressions",
    RecoveryShape: "failure",
    EachShape: "repeat",
    CollectShape: "repeat",
    LoopShape: "repeat",
    PropertyShape: "soundness",
    PartShape: "wait",
    EscalationShape: "approval",
}
"""The page of a part that is no node."""
COMMON = {"name", "metadata", "scope"}
"""Keys that every node has: the index tells them."""


def page(name):
    return (DOCS / f"{name}.md").read_text()


def keys_told(text):
    """The keys in the first column of a page's tables; a nested key counts by its last name."""
    cells = re.findall(r"^\| (`[^|]*`) \|", text, re.MULTILINE)
    names = re.findall(r"`([^`]+)`", " ".join(cells))
    return {name.rpartition(".")[2] for name in names}


def told_of(kind):
    """The keys that the page of a kind tells, and for events of devices their own page."""
    told = keys_told(page(PAGES.get(kind, kind)))
    return told | keys_told(page("device")) if kind in {"catch", "boundary", "start"} else told


def test_every_kind_of_node_has_a_page_that_the_index_names():
    pages = {PAGES.get(kind, kind) for kind in KINDS}
    assert [name for name in sorted(pages) if not (DOCS / f"{name}.md").exists()] == []
    index = page("README")
    assert [path.name for path in DOCS.glob("*.md") if f"({path.name})" not in index] == [
        "README.md"
    ]
    assert [kind for kind in KINDS if f"| `{kind}` |" not in index] == []


def test_every_kind_of_node_is_in_an_example_that_its_page_names():
    texts = {path.name: path.read_text() for path in EXAMPLES}
    for kind in KINDS:
        named = [name for name in texts if f"examples/nodes/{name}" in page(PAGES.get(kind, kind))]
        assert any(f"type: {kind}" in texts[name] for name in named), kind


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_names_every_key_of_its_kind(kind):
    keys = KINDS[kind].written_keys() - COMMON - {"type"}
    assert keys - told_of(kind) == set()


@pytest.mark.parametrize("shape", PARTS, ids=lambda shape: shape.__name__)
def test_a_page_names_every_key_of_a_part(shape):
    pages = page(PARTS[shape]) + (page("device") if "device" in shape.model_fields else "")
    assert shape.written_keys() - keys_told(pages) == set()


def test_the_index_names_the_keys_that_every_node_has():
    assert COMMON - keys_told(page("README")) == set()


def excerpts():
    for path in sorted(DOCS.glob("*.md")):
        for text in re.findall(r"```yaml\n(.*?)```", path.read_text(), re.DOTALL):
            yield pytest.param(path, text, id=f"{path.stem}:{text.split(':')[0].strip()}")


@pytest.mark.parametrize(("path", "text"), list(excerpts()))
def test_an_excerpt_is_the_examples_own_lines(path, text):
    named = [one for one in EXAMPLES if f"examples/nodes/{one.name}" in path.read_text()]
    assert any("\n" + text in one.read_text() for one in named)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_has_no_problem_and_is_sound(path):
    definition, problems, verdict = prove(path.read_text(), path.name)
    assert [str(problem) for problem in problems] == []
    assert (definition.version, verdict.sound) == (Version(1, 0, 0), True)


def test_the_refusal_that_is_explained_is_the_one_that_is_given():
    source = (ROOT / "examples" / "nodes" / "parallel.yaml").read_text()
    _, problems, _ = prove(source.replace("join: {type: parallel", "join: {type: exclusive"))
    (problem,) = problems
    assert problem.message in " ".join(page("soundness").split())


def test_a_failure_is_undone_and_takes_another_way():
    spec = begun("failure")
    for _ in range(3):
        if spec.next_due():
            spec = fire(spec)
        key = activity_of(spec, "seat")
        attempt = spec.state.activities[key].attempt
        spec = spec.given(FailActivity(key, attempt, "Full", "no seat"))
    spec = complete(spec, "free_seat")
    assert waiting(spec) == ["refuse"]
    assert complete(spec, "refuse").state.status == "Completed"


def test_a_failure_is_left_out_or_told():
    spec = fail(complete(begun("failure"), "seat"), "newsletter")
    assert waiting(spec) == ["ticket"]
    spec = fail(spec, "ticket")
    assert [one.node for one in spec.state.incidents.values()] == ["ticket"]
    assert [e.task.activity_type for e in spec.effects if isinstance(e, DispatchActivity)][-1:] == [
        "notification_activity"
    ]


def begun(name, **variables):
    text = (ROOT / "examples" / "nodes" / f"{name}.yaml").read_text()
    workflow = re.search(r"^id: (.+)$", text, re.MULTILINE)[1]
    return instance(text).given(RunInstance(workflow, "", json.dumps(variables).encode()))


def value(spec, name):
    return json.loads(spec.state.variables[name])


def came(spec, node, name, payload=b"null"):
    """Let a channel offer a message or a signal to the event that waits for it."""
    (number,) = [n for n, one in spec.state.subscriptions.items() if one.node == node]
    channel = spec.state.subscriptions[number].channel
    return spec.given(Correlate(number, channel, "m1", name, payload))


def test_a_start_is_taken_by_hand_by_a_message_or_by_a_signal():
    assert begun("start").past[-1].input == b'{"pieces":1}'
    text = (ROOT / "examples" / "nodes" / "start.yaml").read_text()
    ordered = TriggerInstance("take-order", "1.0.0", "ordered", "message", b'{"pieces":3}', "m1")
    spec = instance(text).given(ordered)
    assert (spec.past[-1].input, value(spec, "order")) == (b'{"pieces":3}', {"pieces": 3})
    counted = TriggerInstance("take-order", "1.0.0", "stocktaking", "signal", b"null", "s1")
    assert waiting(instance(text).given(counted)) == ["count"]
    payload = b'{"due":7,"missed":0}'
    nightly = TriggerInstance("take-order", "1.0.0", "nightly", "timer", payload, due=7)
    assert value(instance(text).given(nightly), "due") == 7


def test_an_end_takes_its_own_token():
    spec = begun("end")
    assert waiting(spec) == ["look"]
    assert complete(spec, "look").state.status == "Completed"


def test_an_end_that_terminates_takes_every_token():
    spec = begun("end", fraud=True)
    assert (spec.state.status, waiting(spec)) == ("Completed", [])


def test_an_end_with_an_error_fails_the_workflow():
    spec = begun("end", amount=0)
    failed = spec.past[-1]
    assert (failed.code, failed.message) == ("BadAmount", "the amount is 0")
    assert spec.state.status == "Failed"


def test_an_activity_gives_its_worker_the_input_and_what_it_reads():
    spec = begun("activity", amount=12.5)
    task = spec.effects[0].task
    assert (task.input, task.variables) == (b'{"amount":12.5}', b'{"currency":"EUR"}')
    spec = complete(spec, "charge", b'{"amount":12.5}')
    assert (value(spec, "payment"), value(spec, "paid")) == ({"receipt": {"amount": 12.5}}, 12.5)


def test_an_activity_that_fails_runs_again_and_then_fails_the_workflow():
    spec = begun("activity", amount=1)
    for attempt in (1, 2, 3):
        key = activity_of(spec, "charge")
        spec = spec.given(FailActivity(key, attempt, "Busy", "later", retryable=True))
        spec = fire(spec) if attempt < 3 else spec
    assert (spec.state.status, spec.past[-1].code) == ("Failed", "Busy")
    assert len([event for event in spec.past if isinstance(event, ActivityScheduled)]) == 3


def test_an_activity_that_no_worker_takes_in_time_is_tried_again():
    spec = fire(begun("activity", amount=1))
    assert "activity.failed" in [type_of(event) for event in spec.past]
    assert spec.state.status == "Running"


def test_a_timer_waits_a_while_until_a_moment_and_until_its_hour():
    spec = begun("timer")
    begin = spec.now
    spec = fire(spec)
    assert (spec.now - begin, value(spec, "waited")) == (3_600_000, True)
    spec = fire(spec)
    assert (spec.now, spec.state.status) == (1_700_463_600_000, "Running")
    spec = fire(spec)
    assert (spec.now, spec.state.status) == (1_700_467_200_000, "Completed")


def test_a_timer_whose_duration_is_none_is_an_incident():
    spec = begun("timer", wait="soon")
    (incident,) = spec.state.incidents.values()
    assert (incident.node, incident.code) == ("pause", "InvalidInput")


@pytest.mark.parametrize(
    ("given", "node"),
    [
        ({"kg": 2}, "by_post"),
        ({"kg": 2, "express": True}, "by_air"),
        ({"kg": 31, "express": True}, "by_air"),
        ({"kg": 31}, "by_truck"),
    ],
)
def test_an_exclusive_gateway_takes_the_heaviest_true_condition(given, node):
    spec = begun("exclusive", **given)
    assert waiting(spec) == [node]
    assert complete(spec, node).state.status == "Completed"


def test_a_condition_that_cannot_be_computed_is_an_incident():
    spec = begun("exclusive", kg="heavy")
    (incident,) = spec.state.incidents.values()
    assert (incident.node, incident.code) == ("how", "expression_failed")


@pytest.mark.parametrize("order", [("charge", "pack"), ("pack", "charge")])
def test_a_parallel_gateway_waits_for_all(order):
    spec = complete(begun("parallel"), order[0])
    assert waiting(spec) == [order[1]]
    spec = complete(spec, order[1])
    assert complete(spec, "ship").state.status == "Completed"


@pytest.mark.parametrize(
    ("given", "nodes"),
    [
        ({"amount": 200, "legal": True}, ["finance", "lawyer"]),
        ({"amount": 200}, ["finance"]),
        ({"amount": 1}, ["clerk"]),
    ],
)
def test_an_inclusive_gateway_waits_for_those_it_asked(given, nodes):
    spec = begun("inclusive", **given)
    for node in nodes:
        assert node in waiting(spec)
        spec = complete(spec, node)
    assert waiting(spec) == ["decide"]
    assert complete(spec, "decide").state.status == "Completed"


def test_a_join_goes_on_at_its_count_and_the_rest_still_works():
    spec = complete(complete(begun("join"), "c"), "a")
    assert waiting(spec) == ["b", "choose"]
    spec = complete(spec, "choose")
    assert spec.state.status == "Running"
    assert complete(spec, "b").state.status == "Completed"


def test_a_join_absorbs_what_comes_late():
    spec = complete(complete(complete(begun("join"), "a"), "b"), "c")
    assert waiting(spec) == ["choose"]
    assert complete(spec, "choose").state.status == "Completed"


def test_an_event_gateway_takes_the_message_that_comes_first():
    spec = came(begun("event_gateway", order="o-7"), "paid", "payment", b'{"eur":5}')
    assert (waiting(spec), value(spec, "payment")) == (["ship"], {"eur": 5})
    assert spec.state.subscriptions == {}
    assert complete(spec, "ship").state.status == "Completed"


@pytest.mark.parametrize("step", [fire, lambda spec: came(spec, "closed", "shop-closed")])
def test_an_event_gateway_gives_up_after_a_day_or_at_a_signal(step):
    spec = step(begun("event_gateway", order="o-7"))
    assert (spec.state.status, spec.past[-1].code) == ("Failed", "NotPaid")


def test_a_throw_goes_on_at_once_and_a_catch_waits_for_its_key():
    spec = begun("catch", order="o-7")
    told = [one.aggregate_id for one in spec.effects if isinstance(one, SendCommand)]
    assert told == ["message:stock-wanted:o-7", "message:stock-found:o-7"]
    spec = came(spec, "answer", "stock-found", b'{"pieces":3}')
    assert (spec.state.status, value(spec, "pieces")) == ("Completed", 3)
    assert spec.effects[-1].aggregate_id == "signal:stock-known"


def test_a_key_that_is_no_text_is_an_incident_of_the_throw():
    spec = begun("catch", order=["o-7"])
    (incident,) = spec.state.incidents.values()
    assert (incident.node, incident.code) == ("ask", "InvalidInput")


def test_a_boundary_timer_reminds_beside_its_host():
    spec = fire(begun("boundary", machine="m-1"))
    assert waiting(spec) == ["remind", "repair"]
    assert complete(complete(spec, "repair"), "remind").state.status == "Completed"


def test_a_boundary_timer_that_interrupts_stops_its_host():
    spec = fire(fire(begun("boundary", machine="m-1")))
    assert waiting(spec) == ["remind", "replace"]
    assert complete(complete(spec, "replace"), "remind").state.status == "Completed"


def test_the_boundary_event_that_names_the_error_wins():
    spec = begun("boundary", machine="m-1")
    named = fail(spec, "repair", "NoPart", "sold out")
    assert (waiting(named), value(named, "why")) == (["replace"], "sold out")
    other = fail(spec, "repair", "Fire")
    assert (other.past[-1].code, other.past[-1].message) == ("RepairFailed", "Fire")


@pytest.mark.parametrize(
    ("node", "name"), [("called_off", "called-off"), ("plant_shut", "plant-shut")]
)
def test_a_message_or_a_signal_calls_the_work_off(node, name):
    spec = came(begun("boundary", machine="m-1"), node, name)
    assert (spec.state.status, waiting(spec)) == ("Completed", [])


def test_a_scope_keeps_its_own_variables_and_gives_its_output():
    spec = begun("scope", days=3)
    assert spec.effects[0].task.input == b'{"nights":2}'
    spec = complete(spec, "hotel", b'{"price":200}')
    assert "sum" not in spec.state.variables
    spec = complete(spec, "flight", b'{"price":150}')
    assert (spec.state.status, value(spec, "price")) == ("Completed", 350)


def test_an_error_inside_a_scope_stops_the_scope():
    spec = fail(begun("scope", days=3), "hotel", "NoRoom")
    assert (waiting(spec), spec.state.scopes, value(spec, "price")) == (["apologise"], {}, 0)
    assert complete(spec, "apologise").state.status == "Completed"


def test_a_call_takes_the_childs_result():
    spec = begun("call", customer="Ann")
    (call,) = spec.state.calls
    spec = spec.given(CompleteCall(call, b'{"result":"hello Ann"}'))
    assert (spec.state.status, value(spec, "text")) == ("Completed", "hello Ann")


def test_a_call_whose_child_fails_throws_its_error():
    spec = begun("call", customer="Ann")
    (call,) = spec.state.calls
    spec = spec.given(FailCall(call, "NotFound", "no such definition"))
    assert spec.state.status == "Completed"
    assert spec.past[-2].node == "no_greeting"


def test_conditions_act_when_they_become_true():
    spec = begun("condition").given(SetVariables(b'{"stock":9}'), SetVariables(b'{"stock":8}'))
    assert (waiting(spec), value(spec, "wanted")) == (["order", "sell"], 11)
    spec = complete(spec.given(SetVariables(b'{"stock":0}')), "order")
    assert (waiting(spec), spec.state.status) == ([], "Running")
    spec = spec.given(SetVariables(b'{"stock":20}'))
    assert complete(spec, "reopen").state.status == "Completed"
