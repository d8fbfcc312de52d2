"""Starts: how many there may be, and whether what they wait for can be told apart."""

from __future__ import annotations

from collections import Counter

from streams.domain.net.model import Definition, MessageTrigger, Start
from streams.domain.net.problem import Problems, StructureProblem
from streams.domain.net.scopes import begins_of


def start_problems(definition: Definition, scope: str) -> Problems:
    """Return what is wrong with the starts of a scope; the workflow's own may have triggers."""
    names = begins_of(definition, scope)
    if not scope:
        return [*_count_of_workflow(definition, names), *_same(definition, names)]
    found: Problems = [
        StructureProblem(
            ("nodes", name), f"{name} begins the scope {scope}: only a workflow is started by that"
        )
        for name in names
        if _start(definition, name).trigger is not None
    ]
    if len(names) != 1:
        message = f"exactly one start is needed in the scope {scope}, there are {len(names)}"
        found.append(StructureProblem(("nodes", scope), message))
    return found


def _start(definition: Definition, name: str) -> Start:
    kind = definition.nodes[name].kind
    assert isinstance(kind, Start)
    return kind


def _count_of_workflow(definition: Definition, names: list[str]) -> Problems:
    plain = [name for name in names if _start(definition, name).trigger is None]
    if len(plain) > 1 or not names:
        message = (
            f"exactly one start is needed, there are {len(plain)}: "
            "further ones need a message, a signal or a timer that starts them"
        )
        return [StructureProblem(("nodes",), message)]
    return []


def _same(definition: Definition, names: list[str]) -> Problems:
    """Two starts by one message or signal: only the first would ever be taken."""
    waits = Counter(
        f"message {trigger.message}"
        if isinstance(trigger, MessageTrigger)
        else f"signal {trigger.signal}"
        for trigger in (_start(definition, name).trigger for name in names)
        if trigger is not None
    )
    return [
        StructureProblem(("nodes",), f"{count} starts wait for the {what}: one is enough")
        for what, count in waits.items()
        if count > 1
    ]
