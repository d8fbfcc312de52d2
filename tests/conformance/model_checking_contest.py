"""Place/transition nets of the Model Checking Contest: exact counts and verdicts."""

from pathlib import Path

from streams.domain.net.bounded import Reached, reach
from streams.domain.net.weighted import WeightedNet
from tests.conformance.pnml import read_pnml
from tests.conformance.state_graph import deadlocks, is_live
from tests.conformance.suite import Case, Suite, cases_in, differences

STATES_MAX = 1_000_000


def judge(folder: Path, case: Case) -> list[str]:
    """Compare every value that the case gives."""
    net = read_pnml(folder / case["file"])
    reached = reach(net, STATES_MAX)
    if reached.growth is not None:
        return ["the net has no bound"]
    if not reached.complete:
        return [f"more than {STATES_MAX:,} states"]
    return differences(case, facts(net, reached))


def facts(net: WeightedNet, reached: Reached) -> dict[str, object]:
    """Return what is found of a net, under the names of the data."""
    low, high = reached.tokens(reached.low), reached.tokens(reached.high)
    quasi_live = len(set(reached.labels)) == len(net.transitions)
    return {
        "places": len(net.places),
        "transitions": len(net.transitions),
        "arcs": sum(len(one.pre) + len(one.post) for one in net.transitions),
        "states": reached.states,
        "state_space_arcs": len(reached.labels),
        "max_tokens_in_a_place": reached.bound(),
        "max_tokens_in_a_marking": reached.most,
        "deadlock_reachable": bool(deadlocks(reached)),
        "one_safe": reached.bound() <= 1,
        "quasi_live": quasi_live,
        "live": quasi_live and is_live(reached),
        "stable_marking": any(one == other for one, other in zip(low, high, strict=True)),
    }


SUITE = Suite("model-checking-contest", cases_in("expected.json"), judge)
