"""Events of devices: conditions that cannot be compiled, and that mix numbers."""

from __future__ import annotations

from streams.domain.expressions.cel import CompileError, compile_cel
from streams.domain.expressions.mixed import mixed_arithmetic
from streams.domain.net.device import DeviceTrigger
from streams.domain.net.model import Definition, Node
from streams.domain.net.problem import Problems, StructureProblem
from streams.domain.net.scopes import declared_in


def device_problems(definition: Definition) -> Problems:
    """Return what is wrong with, or odd about, the conditions of devices."""
    found: Problems = []
    for node in definition.nodes.values():
        trigger = getattr(node.kind, "trigger", None)
        if isinstance(trigger, DeviceTrigger) and trigger.condition:
            found.extend(_condition(definition, node, trigger.condition))
    return found


def _condition(definition: Definition, node: Node, source: str) -> Problems:
    where = ("nodes", node.id, "condition")
    # A metric that is a number reaches the condition as a double, as a variable `number` does.
    declared = {**declared_in(definition, node.scope), "value": "number"}
    try:
        compile_cel(source, declared)
    except CompileError as error:
        return [StructureProblem(where, str(error))]
    mixed = mixed_arithmetic(source, declared)
    return [StructureProblem(where, text, "warning") for text in mixed]
