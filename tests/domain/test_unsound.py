"""Random nets, sound or not: whatever the author drew, a decision is an answer, never an exception.

The spec holds on the way that deciding is deterministic, that `evolve` gives the decided state, and
that the state survives its encoding.
"""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.commands import (
    CancelInstance,
    CompleteCall,
    Continue,
    FailCall,
    FireTimer,
    ResumeInstance,
    RetryIncident,
    RunInstance,
    SuspendInstance,
)
from schemas.results import CompleteActivity, FailActivity
from streams.domain.protocol import Accepted
from streams.forms import read_definition
from streams.testing.spec import instance

KINDS = {
    "exclusive": {},
    "parallel": {},
    "inclusive": {},
    "join": {"count": 1},
    "activity": {
        "activity_type": "a",
        "output": {"x": "${output.x + x}"},
        "retry": {"immediate": 1},
    },
    "timer": {"duration": "${x}"},
    "call": {"definition": "other", "input": {"x": "${x}"}},
}
WAITS = {"activity", "timer", "call"}
CONDITIONS = ["", "x > 1", "x < 2", "y", "true"]
NODES = [f"n{number}" for number in range(7)]


@st.composite
def sources(draw):
    """Any definition whose structure is taken."""
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=len(NODES)))
    names = NODES[: len(kinds)]
    nodes = {"start": {"type": "start"}, "end": {"type": "end"}}
    nodes |= {name: {"type": k, **KINDS[k]} for name, k in zip(names, kinds, strict=True)}
    waits = [name for name in names if nodes[name]["type"] in WAITS]
    flows = []
    for place, name in enumerate(["start", *names]):
        kind, after = nodes[name]["type"], [*names[place:], "end"]
        flows.append({"source": name, "target": after[0], "default": kind == "exclusive"})
        # Forward to anything, back to what waits: no cycle runs within one command.
        for target in draw(st.lists(st.sampled_from([*after, *waits]), max_size=2)):
            choices = [""] if kind in {"parallel", "join"} else CONDITIONS[kind == "exclusive" :]
            condition = draw(st.sampled_from(choices))
            flows.append({"source": name, "target": target, "condition": condition})
    source = {"id": "any", "version": "1.0.0", "nodes": nodes, "flows": flows}
    text = json.dumps(source)
    read = read_definition(text)
    assert not isinstance(read, list), [str(problem) for problem in read]
    return text


def next_commands(spec):
    state = spec.state
    output = st.sampled_from([b'{"x":1}', b"{}", b"not json"])
    for key, activity in state.activities.items():
        yield output.map(lambda data, k=key, a=activity.attempt: CompleteActivity(k, a, data))
        yield st.just(FailActivity(key, activity.attempt, "Boom"))
    for key in state.calls:
        yield st.sampled_from([CompleteCall(key, b'{"x":2}'), FailCall(key, "Boom", "no")])
    if due := spec.next_due():
        yield st.just(FireTimer(due))
    yield st.sampled_from([Continue(), SuspendInstance(), ResumeInstance(), RetryIncident(0)])


@settings(max_examples=150, deadline=None)
@given(sources(), st.sampled_from([b'{"x":1}', b'{"x":2,"y":true}', b"{}"]), st.data())
def test_a_net_of_any_shape_is_run_without_an_exception(source, variables, data):
    spec = instance(source).with_limits(steps_per_command=20)
    spec = spec.when(RunInstance("any", "", variables)).accepted()
    for _ in range(25):
        if spec.aggregate.is_finished(spec.state) or len(spec.state.tokens) > 200:
            break
        command = data.draw(st.one_of(list(next_commands(spec))))
        if isinstance(command, FireTimer):
            spec = spec.later(max(0, command.due - spec.now))
        decided = spec.when(command)
        if isinstance(decided.outcome, Accepted):
            spec = decided.accepted()
        resting = set(spec.state.tokens)
        assert {a.token for a in spec.state.activities.values()} <= resting
        assert {i.token for i in spec.state.incidents.values()} <= resting
    assert spec.replayed() == spec.state
    if not spec.aggregate.is_finished(spec.state):
        spec = spec.when(CancelInstance()).then("workflow.cancelled")
        assert spec.state.tokens == {}
