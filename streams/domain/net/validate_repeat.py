"""What is run several times: whether its names, its bounds and its body make sense."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from streams.domain.expressions.cel import CompileError, compile_cel
from streams.domain.net.edges import Edges, reachable
from streams.domain.net.expression import Expression
from streams.domain.net.model import (
    Definition,
    End,
    Host,
    Node,
    Scope,
    Start,
    Throw,
    Waiting,
)
from streams.domain.net.problem import Problems, StructureProblem
from streams.domain.net.repeat import PROGRESS, WINDOW_MAX, Collect, Each, Loop, local_names
from streams.domain.net.scopes import compensations_of, declared_in

Where = tuple[str | int, ...]


def run_problems(definition: Definition, edges: Edges) -> Problems:
    """Return what is wrong with nodes that are run several times, and loops that never wait."""
    found: Problems = []
    undoing = compensations_of(definition)
    for node in definition.nodes.values():
        repeat = node.repeat
        if repeat is None:
            continue
        where = ("nodes", node.id, "each" if isinstance(repeat, Each) else "loop")
        if not isinstance(node.kind, Host) or node.id in undoing:
            kinds = "an activity, an approval, a call or a scope"
            message = f"{node.id} is run once: only {kinds} is repeated"
            if node.id in undoing:
                message = f"{node.id} is a compensation activity: it is run once for each failure"
            found.append(StructureProblem(where, message))
            continue
        found.extend(_names(definition, node, where))
        found.extend(_conditions(definition, node, where))
        if isinstance(repeat, Each):
            found.extend(_each(node, repeat, where))
        elif isinstance(node.kind, Scope) and _passes(definition, edges, node.id):
            message = f"nothing in {node.id} waits: the loop goes round as fast as it can"
            found.append(StructureProblem(where, message, "warning"))
    return found


def _names(definition: Definition, node: Node, where: Where) -> Problems:
    """A local name that hides a variable would surprise whoever reads the definition."""
    assert node.repeat is not None
    names = local_names(node.repeat)
    declared = declared_in(definition, node.id if isinstance(node.kind, Scope) else node.scope)
    for name in names:
        key = (*where, "index" if name == node.repeat.index else "as")
        if name in declared:
            message = f"{name!r} is a declared variable already: name the item otherwise"
            return [StructureProblem(key, message)]
        if name in {PROGRESS, "output", "result"} or names.count(name) > 1:
            return [StructureProblem(key, f"{name!r} means something else here: choose another")]
    return []


def _conditions(definition: Definition, node: Node, where: Where) -> Problems:
    repeat = node.repeat
    assert repeat is not None
    tests = {"until": repeat.until}
    if isinstance(repeat, Loop):
        tests["while"] = repeat.condition
        if sum(map(bool, tests.values())) > 1 or not (any(tests.values()) or repeat.max):
            message = "a loop has one of while and until, or max alone"
            return [StructureProblem(where, message)]
    found: Problems = []
    for key, source in tests.items():
        try:
            if source:
                compile_cel(source, declared_in(definition, node.scope))
        except CompileError as error:
            found.append(StructureProblem((*where, key), error.message))
    return found


def _each(node: Node, repeat: Each, where: Where) -> Problems:
    if (repeat.items is None) == (repeat.count is None):
        return [StructureProblem(where, "one of items and count is needed")]
    if not 1 <= repeat.max_parallel <= WINDOW_MAX:
        message = f"max_parallel is 1 to {WINDOW_MAX}"
        return [StructureProblem((*where, "max_parallel"), message)]
    given = repeat.items if repeat.items is not None else repeat.count
    wrong = given is not None and _wrong(given.source, list if repeat.items is not None else int)
    if wrong:
        key = "items" if repeat.items is not None else "count"
        return [StructureProblem((*where, key), wrong)]
    taken = repeat.collect
    if taken is not None and isinstance(node.kind, Scope) and taken == Collect(taken.into):
        message = "a scope has no output of its own: say which `value` is collected of each"
        return [StructureProblem((*where, "collect"), message)]
    return []


def _wrong(source: Any, kind: type[list[Any] | int]) -> str:
    """Return what is wrong with a literal; an expression is looked at when it is known."""
    if isinstance(source, str) and "${" in source:
        return ""
    if kind is list:
        return "" if isinstance(source, list) else "a list is needed, or an expression: ${orders}"
    fits = type(source) is int and source >= 0
    return "" if fits else "a number from 0 on is needed, or an expression: ${size(orders)}"


def _passes(definition: Definition, edges: Edges, scope: str) -> bool:
    """Tell whether a token can go from a scope's start to an end without waiting."""
    inside = [node for node in definition.nodes.values() if node.scope == scope]
    resting = {node.id for node in inside if _rests(definition, edges, node)}
    after = {
        node.id: [] if node.id in resting else [flow.target for flow in edges.outgoing[node.id]]
        for node in inside
    }
    starts = [node.id for node in inside if isinstance(node.kind, Start)]
    passed = reachable(starts, {name: [n for n in to if n in after] for name, to in after.items()})
    return any(isinstance(node.kind, End) and node.id in passed for node in inside)


def _rests(definition: Definition, edges: Edges, node: Node) -> bool:
    if isinstance(node.kind, Scope):
        return not _passes(definition, edges, node.id)
    return isinstance(node.kind, Waiting) and not isinstance(node.kind, Throw)


def repeat_expressions(node: Node) -> Iterator[tuple[Where, Expression]]:
    """Iterate over the values of `each`, each with its path within the node."""
    repeat = node.repeat
    if not isinstance(repeat, Each):
        return
    for key, value in (("items", repeat.items), ("count", repeat.count)):
        if value is not None:
            yield ("each", key), value
    if repeat.collect is not None:
        yield ("each", "collect", "value"), repeat.collect.value
