"""A run without the steps that its outcome does not need."""

from __future__ import annotations

from collections import defaultdict

from streams.domain.net.petri import Firing, Net, Step


def shortened(net: Net, run: list[Step], place: int) -> list[Step]:
    """Return the part of a run that is needed to put a second token on a place.

    Parts are left out as long as the rest is a run with the same end: halves first, single
    steps last (Zeller and Hildebrandt, Simplifying and isolating failure-inducing input, 2002).
    """
    by_step: dict[Step, list[Firing]] = defaultdict(list)
    for firing in net.firings:
        by_step[firing.steps[0]].append(firing)
    urgent = [firing for firing in net.firings if firing.urgent]
    size = len(run) // 2
    while size:
        # From the end on: what a step led to has to go before it.
        for begin in range(len(run) - size, -1, -size):
            rest = run[:begin] + run[begin + size :]
            if _clashes(net.start, by_step, urgent, rest, place):
                run = rest
        size //= 2
    return run


def _clashes(
    marking: int,
    by_step: dict[Step, list[Firing]],
    urgent: list[Firing],
    run: list[Step],
    place: int,
) -> bool:
    """Tell whether a run can be made, and its last step is the first to fill a place twice."""
    last = len(run) - 1
    for number, step in enumerate(run):
        able = [one for one in by_step[step] if one.enabled(marking)]
        if any(one.enabled(marking) for one in urgent):
            able = [one for one in able if one.urgent]
        if not able:
            return False
        firing = able[0]
        marking = 0 if firing.clears else marking ^ firing.pre
        if marking & firing.post:
            return number == last and bool(marking & firing.post & place)
        marking |= firing.post
    return False
