"""Combined waits: what can be said of their events before anything runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from streams.domain.net.condition import ConditionTrigger
from streams.domain.net.device import DeviceTrigger, device_values
from streams.domain.net.model import Expression, MessageTrigger, Node, Wait
from streams.domain.net.problem import Problems, StructureProblem
from streams.domain.net.timing import timing_of, timing_problems
from streams.domain.net.wait import DEPTH_MAX, LEAVES_MAX, Path, depth_of, leaves_of


def wait_problems(node: Node) -> Problems:
    """Return what is wrong with a combined wait; nothing for any other node."""
    kind = node.kind
    if not isinstance(kind, Wait):
        return []
    where = ("nodes", node.id)
    leaves = list(leaves_of(kind.whole))
    found: Problems = []
    if len(leaves) > LEAVES_MAX:
        text = f"{node.id} waits for {len(leaves)} events, {LEAVES_MAX} at most"
        found.append(StructureProblem(where, text))
    if depth_of(kind.whole) > DEPTH_MAX:
        text = f"the parts of {node.id} lie more than {DEPTH_MAX} deep in each other"
        found.append(StructureProblem(where, text))
    counts = Counter(leaf.name for _, leaf in leaves if leaf.name)
    for path, leaf in leaves:
        if counts[leaf.name] > 1:
            text = f"two events of {node.id} are called {leaf.name!r}: give each a `name`"
            found.append(StructureProblem((*where, *path), text))
            break
    for path, leaf in leaves:
        found.extend(
            StructureProblem((*where, *_inside(path, one.where[2:])), one.message)
            for one in timing_problems(node.id, leaf.trigger)
        )
    return found


def wait_values(kind: Wait) -> Iterator[tuple[Path, Expression]]:
    """Yield the values of a wait's events, each with its path in the source."""
    for path, leaf in leaves_of(kind.whole):
        for word, value in timing_of(leaf.trigger).items():
            yield _inside(path, (word,)), value
        if isinstance(leaf.trigger, MessageTrigger):
            yield (*path, "key"), leaf.trigger.key
        elif isinstance(leaf.trigger, ConditionTrigger):
            yield (*path, "condition"), Expression(f"${{{leaf.trigger.condition}}}")
        elif isinstance(leaf.trigger, DeviceTrigger):
            for word, value in device_values(leaf.trigger).items():
                yield (*path, word), value


def _inside(path: Path, rest: Path) -> Path:
    """Return the path of an event's value; `within` is a value itself."""
    return path if path[-1:] == ("within",) else (*path, *rest)
