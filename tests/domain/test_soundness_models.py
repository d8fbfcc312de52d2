"""The explorers and the reduction against one another, on nets of any shape."""

import random

from streams.domain.net.bounded import reach
from streams.domain.net.explore import explore
from streams.domain.net.reduce import reduced
from streams.domain.net.weighted import weighted
from tests.conformance.soundness_jbpt import facts, net_of, verdict

STATES = 3_000


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
        whole, small = verdict(net, nodes), verdict(reduced(net), nodes)
        assert whole == small, f"seed {seed}"
        sound += whole[0]
    assert 100 < sound < 3_900


def test_the_explorer_of_safe_nets_sees_what_the_general_one_sees():
    safe = 0
    for seed in range(2_000):
        net, nodes = net_of(anything(random.Random(seed)))
        reached, whole = reach(weighted(net), STATES), explore(net, STATES)
        if reached.growth is None and not reached.complete:
            assert whole.clash is not None, f"seed {seed}"
            continue
        found = facts(net, nodes, reached)
        assert found["safe"] == (whole.clash is None), f"seed {seed}"
        if not found["safe"]:
            continue
        safe += 1
        seen = (whole.states, whole.arcs, whole.stuck is None, whole.endless() is None)
        assert seen == (
            found["states"],
            found["arcs"],
            not found["deadlocks"],
            found["option_to_complete"],
        ), f"seed {seed}"
        assert len(nodes - whole.alive()) == found["dead_nodes"]
        assert reached.bound() <= 1
    assert 100 < safe < 1_900
