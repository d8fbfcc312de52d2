"""Events of devices: conditions that cannot be compiled, that mix numbers; starts by a device."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.ids import is_id
from streams.domain.expressions.cel import CompileError, compile_cel
from streams.domain.expressions.mixed import mixed_arithmetic
from streams.domain.net.device import DeviceTrigger, device_values
from streams.domain.net.device_program import SEEN
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


def device_start_problems(name: str, trigger: object) -> Problems:
    """Return what is wrong with a workflow's start by a device: it has no variables yet."""
    if not isinstance(trigger, DeviceTrigger):
        return []
    where = ("nodes", name)
    for word, value in device_values(trigger).items():
        if isinstance(value.source, str) and "${" in value.source:
            text = f"the {word} of a start has no expressions: there are no variables yet"
            return [StructureProblem((*where, "hold" if word == "for" else word), text)]
    device = trigger.device.source
    if not isinstance(device, str) or not (device == "*" or is_id(device.removesuffix("*"))):
        text = (
            f"the device of {name} is {device!r}: an id is needed, or the beginning of ids "
            "with a `*` at its end"
        )
        return [StructureProblem((*where, "device"), text)]
    if trigger.initial:
        text = "a start waits for what comes: leave out `initial`"
        return [StructureProblem((*where, "initial"), text)]
    return _names(where, trigger.condition)


def _names(where: Path, condition: str) -> Problems:
    """Return what a start's condition names that nobody knows yet."""
    if not condition:
        return []
    try:
        names = compile_cel(condition, SEEN).names - SEEN.keys()
    except CompileError:
        return []  # Said where all conditions are compiled.
    if not names:
        return []
    text = f"the condition of a start sees `value` and `metrics`, and no variable: {min(names)}"
    return [StructureProblem((*where, "condition"), text)]
