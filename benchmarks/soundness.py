"""How fast a definition is proved sound, how much memory it takes, and what the reduction saves.

    python benchmarks/soundness.py [--branches 6] [--tasks 9]

A million states are those of six branches of nine activities each, side by side: (9 + 1)^6 and a
few. They are seen one by one first, as if there were no reduction; then the definition is proved
as it would be before it is published. Beside it stands the plainest search, a queue and sets of
names, over a smaller net of the same form on the same machine (the reference). Every figure is of
a search that found the number of states that arithmetic gives.
"""

import argparse
import json
import os
import platform
import resource
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from streams.domain.net.explore import explore
from streams.domain.net.model import Definition
from streams.domain.net.petri import Net
from streams.domain.net.soundness import soundness
from streams.domain.net.translate import petri_net
from streams.forms import read_definition
from streams.testing.blocks import Block, Blocks

T = TypeVar("T")
TASK: Block = ("task",)
CHOICE: Block = ("exclusive", [TASK, TASK])
LOOP: Block = ("loop", TASK)
SHAPES: dict[str, Block] = {
    "4 branches of 6 tasks": ("parallel", [("sequence", [TASK] * 6)] * 4),
    "4 branches of a choice": ("parallel", [CHOICE] * 4),
    "3 branches of a loop": ("parallel", [LOOP] * 3),
    "a split in each branch of a split": ("parallel", [("parallel", [TASK] * 3)] * 2),
    "choice, loop and split in a row": ("sequence", [CHOICE, LOOP, ("parallel", [TASK] * 4)]),
}


def side_by_side(branches: int, tasks: int) -> Block:
    return ("parallel", [("sequence", [TASK] * tasks)] * branches)


def definition_of(block: Block) -> Definition:
    read = read_definition(Blocks().source(block))
    assert not isinstance(read, list), read
    return read


def timed(do: Callable[[], T]) -> tuple[float, float, T]:
    """Return wall-clock and CPU seconds, and the result."""
    begun, cpu = time.perf_counter(), time.process_time()
    result = do()
    return time.perf_counter() - begun, time.process_time() - cpu, result


def peak_mb() -> int:
    """Return the most memory that this process had until now."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (1024 * 1024 if sys.platform == "darwin" else 1024)


def one_by_one(branches: int, tasks: int) -> dict[str, object]:
    """See every state, and whether a run can end from each."""
    net = petri_net(definition_of(side_by_side(branches, tasks)))
    before = peak_mb()
    seconds, cpu, found = timed(lambda: explore(net, sys.maxsize))
    back_seconds, back_cpu, endless = timed(found.endless)
    assert found.states == (tasks + 1) ** branches + 4, found.states
    assert (found.clash, found.stuck, endless) == (None, None, None)
    return {
        "states": found.states,
        "arcs": found.arcs,
        "seconds": round(seconds + back_seconds, 2),
        "cpu_seconds": round(cpu + back_cpu, 2),
        "states_per_s": round(found.states / (seconds + back_seconds)),
        "states_per_cpu_s": round(found.states / (cpu + back_cpu)),
        "of_these_seconds_for_option_to_complete": round(back_seconds, 2),
        "memory_mb_before": before,
        "memory_mb_peak": peak_mb(),
    }


def proved(branches: int, tasks: int) -> dict[str, object]:
    """Decide the same definition as it is decided before it is published."""
    definition = definition_of(side_by_side(branches, tasks))
    seconds, _, verdict = timed(lambda: soundness(definition))
    assert verdict.sound
    return {"states": verdict.states, "seconds": round(seconds, 4)}


def saved() -> dict[str, object]:
    """Count the states of some shapes with and without the reduction."""
    figures = {}
    for name, block in SHAPES.items():
        definition = definition_of(block)
        drawn_seconds, _, drawn = timed(lambda one=definition: explore(petri_net(one), sys.maxsize))
        seconds, _, verdict = timed(lambda one=definition: soundness(one))
        assert verdict.sound
        figures[name] = {
            "states_as_drawn": drawn.states,
            "states_reduced": verdict.states,
            "seconds_as_drawn": round(drawn_seconds, 4),
            "seconds_reduced": round(seconds, 4),
        }
    return figures


def plainly(net: Net) -> int:
    """Count states with a queue and sets of names: how one would write it first."""
    firings = [(frozenset(net.names(f.pre)), frozenset(net.names(f.post))) for f in net.firings]
    start = frozenset(net.names(net.start))
    seen, queue = {start}, deque([start])
    while queue:
        marking = queue.popleft()
        for pre, post in firings:
            if pre <= marking and (after := (marking - pre) | post) not in seen:
                seen.add(after)
                queue.append(after)
    return len(seen)


def reference(branches: int, tasks: int) -> dict[str, object]:
    """Search a smaller net of the same form in the plainest way."""
    net = petri_net(definition_of(side_by_side(branches, tasks)))
    seconds, cpu, states = timed(lambda: plainly(net))
    assert states == (tasks + 1) ** branches + 4
    _, own_cpu, _ = timed(lambda: explore(net, sys.maxsize))
    return {
        "states": states,
        "seconds": round(seconds, 2),
        "states_per_s": round(states / seconds),
        "states_per_cpu_s": round(states / cpu),
        "states_per_cpu_s_of_ours_on_this_net": round(states / own_cpu),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--branches", type=int, default=6)
    parser.add_argument("--tasks", type=int, default=9)
    given = parser.parse_args()
    figures = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "branches": given.branches,
        "tasks_in_each": given.tasks,
        "without_reduction": one_by_one(given.branches, given.tasks),
        "with_reduction": proved(given.branches, given.tasks),
        "plainest_search": reference(max(1, given.branches - 1), given.tasks),
        "what_the_reduction_saves": saved(),
    }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
