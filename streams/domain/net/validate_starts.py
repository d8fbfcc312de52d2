"""Starts: how many there may be, and whether what they wait for can be told apart."""

from __future__ import annotations

from collections import Counter

from streams.domain.net.model import Definition, Start, TimerTrigger
from streams.domain.net.problem import Problems, StructureProblem
from streams.domain.net.scopes import begins_of, event_scopes_of
from streams.domain.net.starts import name_of
from streams.domain.net.timing import timing_of, timing_problems
from streams.domain.net.validate_device import device_start_problems
from streams.domain.net.validate_event_scopes import event_start_problems, not_of_workflow


def start_problems(definition: Definition, scope: str) -> Problems:
    """Return what is wrong with the starts of a scope; the workflow's own may have triggers."""
    names = begins_of(definition, scope)
    if scope in event_scopes_of(definition):
        return event_start_problems(definition, scope, names)
    odd = not_of_workflow(definition, names)
    if odd:
        return odd
    if not scope:
        found = [*_count_of_workflow(definition, names), *_same(definition, names)]
        for name in names:
            start = _start(definition, name)
            found += [*_timer(name, start), *device_start_problems(name, start.trigger)]
        return found
    found = [
        StructureProblem(
            ("nodes", name),
            f"{name} begins the scope {scope}: only a workflow is started by that, "
            "or a scope with `event: true`",
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
            "further ones need a message, a signal, a device or a timer that starts them"
        )
        return [StructureProblem(("nodes",), message)]
    return []


def _timer(name: str, start: Start) -> Problems:
    if not isinstance(start.trigger, TimerTrigger):
        return []
    for word, value in timing_of(start.trigger).items():
        if isinstance(value.source, str) and "${" in value.source:
            message = f"the {word} of a start has no expressions: there are no variables yet"
            return [StructureProblem(("nodes", name, word), message)]
    return timing_problems(name, start.trigger)


def _same(definition: Definition, names: list[str]) -> Problems:
    """Two starts by the same, or at the same times: one would never be taken."""
    starts = [_start(definition, name) for name in names]
    waits = Counter(" ".join(name_of(one)) for one in starts if one.trigger is not None)
    return [
        StructureProblem(("nodes",), f"{count} starts wait for the {what}: one is enough")
        for what, count in waits.items()
        if count > 1
    ]
