"""Soundness against process models of others, and of the reduced net against the whole one."""

import json
import random

import pytest

from streams.domain.net.explore import explore
from streams.domain.net.petri import Firing, Net, Step
from streams.domain.net.reduce import reduced

STATES = 50_000


def net_of(model):
    """The net of a jBPT model: a place per flow, entry and exit (SOURCE.md, meaning)."""
    flows = [(f"f{n}", flow["src"], flow["tgt"]) for n, flow in enumerate(model["flows"])]
    nodes = {one["id"]: one.get("type", "AND") for one in [*model["tasks"], *model["gateways"]]}
    into = {node: [name for name, _, target in flows if target == node] for node in nodes}
    out = {node: [name for name, source, _ in flows if source == node] for node in nodes}
    entries = [f"in {node}" for node in nodes if not into[node]]
    exits = [f"out {node}" for node in nodes if not out[node]]
    places = [*entries, *exits, *(name for name, _, _ in flows)]
    bit = {name: 1 << number for number, name in enumerate(places)}
    firings = []
    for node, kind in nodes.items():
        before = into[node] or [f"in {node}"]
        after = out[node] or [f"out {node}"]
        ways = [(before, after)]
        if kind == "XOR":
            ways = [([one], [other]) for one in before for other in after]
        firings += [Firing((Step(node),), total(bit, pre), total(bit, post)) for pre, post in ways]
    return Net(tuple(places), tuple(firings), total(bit, entries), total(bit, exits)), set(nodes)


def total(bit, names):
    return sum(bit[name] for name in names)


def judged(net, nodes):
    """Sound or not, and, where that can be said, which nodes never act."""
    found = explore(net, STATES)
    assert found.complete
    if found.clash is not None:
        return False, None
    dead = nodes - found.alive()
    return found.stuck is None and found.endless() is None and not dead, dead


@pytest.mark.parametrize("number", range(24))
def test_a_model_of_jbpt_has_the_states_and_the_verdict_that_were_computed_for_it(
    number, shared_dir
):
    folder = shared_dir / "conformance" / "soundness-jbpt"
    case = json.loads((folder / "computed.json").read_text())["cases"][number]
    net, nodes = net_of(json.loads((folder / case["file"]).read_text()))
    found = explore(net, STATES)
    assert (found.clash is None) == case["safe"]
    if case["safe"]:
        assert (len(found.origin), found.arcs) == (case["states"], case["arcs"])
        assert (found.stuck is not None) == (case["deadlocks"] > 0)
        assert (found.endless() is None) == case["option_to_complete"]
        assert len(nodes - found.alive()) == case["dead_nodes"]
    assert judged(reduced(net), nodes) == judged(net, nodes)


def anything(chance):
    """A net of nodes of any kind, joined at random: mostly unsound."""
    size = chance.randint(2, 8)
    flows = [
        {"src": f"n{source}", "tgt": f"n{chance.randint(1, size)}"}
        for source in range(size)
        for _ in range(chance.choice((1, 1, 1, 2, 2, 3)))
    ]
    nodes = [{"id": f"n{number}", "type": chance.choice(("AND", "XOR"))} for number in range(size)]
    return {"tasks": [{"id": f"n{size}", "type": "XOR"}], "gateways": nodes, "flows": flows}


def test_a_reduced_net_has_the_verdict_of_the_whole_one():
    sound = 0
    for seed in range(4_000):
        net, nodes = net_of(anything(random.Random(seed)))
        whole, small = judged(net, nodes), judged(reduced(net), nodes)
        assert whole == small, f"seed {seed}"
        sound += whole[0]
    assert 100 < sound < 3_900
