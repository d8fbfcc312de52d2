"""Events of devices: conditions that cannot be compiled, and that mix numbers."""

from __future__ import annotations

from collections.abc import Iterator

from streams.domain.expressions.cel import CompileError, compile_cel
from streams.domain.expressions.mixed import mixed_arithmetic
from streams.domain.net.device import DeviceTrigger
from streams.domain.net.model import Definition, Node, Wait
from streams.domain.net.problem import Problems, StructureProblem
from streams.domain.net.scopes import declared_in
from streams.domain.net.wait import Path, leaves_of


def device_problems(definition: Definition) -> Problems:
    """Return what is wrong with, or odd about, the conditions of devices."""
    found: Problems = []
    for node in definition.nodes.values():
        for path, trigger in _triggers(node):
            if isinstance(trigger, DeviceTrigger) and trigger.condition:
                where = ("nodes", node.id, *path, "condition")
                found.extend(_condition(definition, node, where, trigger.condition))
    return found


def _triggers(node: Node) -> Iterator[tuple[Path, object]]:
    """Yield what a node waits for, each with its path in it."""
    if isinstance(node.kind, Wait):
        yield from ((path, leaf.trigger) for path, leaf in leaves_of(node.kind.whole))
    else:
        yield (), getattr(node.kind, "trigger", None)


def _condition(definition: Definition, node: Node, where: Path, source: str) -> Problems:
    # A metric that is a number reaches the condition as a double, as a variable `number` does.
    declared = {**declared_in(definition, node.scope), "value": "number"}
    try:
        compile_cel(source, declared)
    except CompileError as error:
        return [StructureProblem(where, str(error))]
    mixed = mixed_arithmetic(source, declared)
    return [StructureProblem(where, text, "warning") for text in mixed]
