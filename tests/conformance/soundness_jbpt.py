"""Process models of jBPT: verdicts and exact counts, by both explorers and by the reduction.

A place per flow, entry and exit; an AND node takes all and gives all, an XOR node one each.
"""

import json
from pathlib import Path
from typing import Any

from streams.domain.net.bounded import Reached, reach
from streams.domain.net.explore import explore
from streams.domain.net.petri import Firing, Net, Step
from streams.domain.net.reduce import reduced
from streams.domain.net.weighted import weighted
from tests.conformance.state_graph import able_to_reach, deadlocks, followers_of
from tests.conformance.suite import Case, Suite, cases_in, differences

STATES_MAX = 1_000_000


def net_of(model: dict[str, Any]) -> tuple[Net, set[str]]:
    """Return the net of a model, and its nodes."""
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
        firings += [Firing((Step(node),), _sum(bit, pre), _sum(bit, post)) for pre, post in ways]
    return Net(tuple(places), tuple(firings), _sum(bit, entries), _sum(bit, exits)), set(nodes)


def _sum(bit: dict[str, int], names: list[str]) -> int:
    return sum(bit[name] for name in names)


def judge(folder: Path, case: Case) -> list[str]:
    """Compare every value that the case gives, and the explorers with one another."""
    net, nodes = net_of(json.loads((folder / case["file"]).read_text(encoding="utf-8")))
    reached = reach(weighted(net), STATES_MAX)
    if not reached.complete:
        return [f"more than {STATES_MAX:,} states"]
    found = facts(net, nodes, reached)
    return [*differences(case, found), *_explored(net, nodes, found)]


def facts(net: Net, nodes: set[str], reached: Reached) -> dict[str, object]:
    """Return what is found of a net, under the names of the data."""
    if reached.growth is not None:
        return {"bounded": False, "safe": False, "sound": False}
    exits = [place for place in range(len(net.places)) if net.ends >> place & 1]
    tokens = [reached.tokens(marking) for marking in reached.numbers]
    final = {number for number, marking in enumerate(tokens) if _is_final(marking, exits)}
    followers = followers_of(reached)
    able = able_to_reach(followers, final)
    acting = {net.firings[label].steps[0].node for label in set(reached.labels)}
    option, proper = len(able) == reached.states, _is_proper(tokens, exits)
    return {
        "bounded": True,
        "safe": reached.bound() <= 1,
        "states": reached.states,
        "arcs": sum(map(len, followers)),
        "deadlocks": len(set(deadlocks(reached)) - final),
        "option_to_complete": option,
        "proper_completion": proper,
        "dead_nodes": len(nodes - acting),
        "sound": option and proper is not False and acting == nodes,
    }


def _is_final(tokens: list[int], exits: list[int]) -> bool:
    """Tell whether tokens are on end places only, one at most on each."""
    ended = [tokens[place] for place in exits]
    return sum(ended) == sum(tokens) and max(ended) <= 1 and (len(exits) > 1 or ended == [1])


def _is_proper(markings: list[list[int]], exits: list[int]) -> bool | None:
    """Tell whether nothing is left when the one end is reached; None where there are several."""
    if len(exits) != 1:
        return None
    return all(sum(tokens) == 1 for tokens in markings if tokens[exits[0]])


def _explored(net: Net, nodes: set[str], found: dict[str, object]) -> list[str]:
    """Compare the explorer of safe nets, with and without the reduction, with the general one."""
    whole = explore(net, STATES_MAX)
    if whole.clash is not None or not found["safe"]:
        agreed = whole.clash is not None and not found["safe"]
        return [] if agreed else ["the explorers do not agree whether it is safe"]
    given: Case = {"case": "", **found, "deadlocks": bool(found["deadlocks"])}
    seen = {
        "states": whole.states,
        "arcs": whole.arcs,
        "deadlocks": whole.stuck is not None,
        "option_to_complete": whole.endless() is None,
        "dead_nodes": len(nodes - whole.alive()),
    }
    said = [f"explorer of safe nets: {text}" for text in differences(given, seen)]
    if verdict(reduced(net), nodes) != verdict(net, nodes):
        said.append("the reduced net has another verdict")
    return said


def verdict(net: Net, nodes: set[str]) -> tuple[bool, set[str] | None]:
    """Return whether a net is sound, and, where that can be said, which nodes never act."""
    found = explore(net, STATES_MAX)
    if found.clash is not None:
        return False, None
    dead = nodes - found.alive()
    return found.stuck is None and found.endless() is None and not dead, dead


SUITE = Suite("soundness-jbpt", cases_in("computed.json"), judge)
