"""Event sub-processes: what starts them, and what a scope that no flow starts cannot have."""

from __future__ import annotations

from collections import Counter

from streams.domain.net.condition import ConditionTrigger
from streams.domain.net.edges import Edges
from streams.domain.net.escalation import EscalationTrigger
from streams.domain.net.model import (
    Boundary,
    Definition,
    ErrorTrigger,
    Node,
    Scope,
    Start,
    TimerTrigger,
)
from streams.domain.net.problem import Problems, StructureProblem
from streams.domain.net.scopes import event_scopes_of, event_starts_of, handlers_of
from streams.domain.net.timing import timing_problems

_ONLY_INSIDE = ErrorTrigger | EscalationTrigger | ConditionTrigger


def event_scope_problems(definition: Definition, edges: Edges) -> Problems:
    """Return what is wrong with the event sub-processes of a definition, apart from starts."""
    found: Problems = []
    for name in event_scopes_of(definition):
        where = ("nodes", name)
        if edges.incoming[name] or edges.outgoing[name]:
            message = f"{name} is started by its event: no flow leads to it or out of it"
            found.append(StructureProblem(where, message))
        found.extend(StructureProblem(where, said) for said in _too_much(definition, name))
    for node in definition.nodes.values():
        if isinstance(node.kind, Boundary) and _is_event_scope(definition, node.kind.host):
            message = (
                f"{node.kind.host} is started by an event and has no boundary: what it throws the "
                "boundary of the scope around takes"
            )
            found.append(StructureProblem(("nodes", node.id, "on"), message))
    return [*found, *_same(definition)]


def _is_event_scope(definition: Definition, name: str) -> bool:
    node = definition.nodes.get(name)
    return node is not None and isinstance(node.kind, Scope) and node.kind.event


def _too_much(definition: Definition, name: str) -> list[str]:
    """Return what cannot be said of a scope that begins by itself."""
    node = definition.nodes[name]
    kind = node.kind
    assert isinstance(kind, Scope)
    given = {
        "input": kind.input,
        "lock": kind.lock,
        "compensate_with": kind.compensate_with,
        "each or loop": node.repeat,
    }
    found = [f"{name} is started by an event and has no {key}" for key, one in given.items() if one]
    if name in handlers_of(definition):
        found.append(f"{name} is started by an event: it undoes nothing")
    return found


def event_start_problems(definition: Definition, scope: str, names: list[str]) -> Problems:
    """Return what is wrong with the starts of an event sub-process."""
    where = ("nodes", scope)
    if len(names) != 1:
        message = f"exactly one start is needed in the scope {scope}, there are {len(names)}"
        return [StructureProblem(where, message)]
    (name,) = names
    kind = definition.nodes[name].kind
    assert isinstance(kind, Start)
    here = ("nodes", name)
    if kind.trigger is None:
        message = (
            f"{scope} is started by an event: say at its start {name} by which: a message, a "
            "signal, a timer, a device, an error, an escalation or a condition"
        )
        return [StructureProblem(here, message)]
    return [*timing_problems(name, kind.trigger), *_words(here, kind)]


def _words(here: tuple[str, str], kind: Start) -> Problems:
    if kind.single:
        message = "`single` is of what starts a workflow: an event sub-process ends with its scope"
        return [StructureProblem((*here, "single"), message)]
    if isinstance(kind.trigger, ErrorTrigger) and not kind.interrupting:
        return [StructureProblem(here, "an error always interrupts: leave out `interrupting`")]
    again = isinstance(kind.trigger, TimerTrigger) and bool(kind.trigger.cycle or kind.trigger.cron)
    if kind.missed == "skip" or (kind.missed == "each" and (kind.interrupting or not again)):
        message = "`missed: each` belongs to a cycle or cron that does not interrupt"
        return [StructureProblem((*here, "missed"), message)]
    return []


def not_of_workflow(definition: Definition, names: list[str]) -> Problems:
    """Return the starts that say what only the start of an event sub-process says."""
    found: Problems = []
    for name in names:
        kind = definition.nodes[name].kind
        assert isinstance(kind, Start)
        if isinstance(kind.trigger, _ONLY_INSIDE) or not kind.interrupting:
            message = (
                f"{name} waits for something of the scope around: only the start of a scope with "
                "`event: true` does, an event sub-process"
            )
            found.append(StructureProblem(("nodes", name), message))
    return found


def _same(definition: Definition) -> Problems:
    """Two event sub-processes for one error: only the first would ever act."""
    found: Problems = []
    for around, starts in event_starts_of(definition).items():
        codes = Counter(filter(None, (_thrown(definition.nodes[name]) for name in starts)))
        where = ("nodes", around) if around else ("nodes",)
        of = around or "the workflow"
        found.extend(
            StructureProblem(
                where, f"{of} has {count} event sub-processes for the {what}: one is enough"
            )
            for what, count in codes.items()
            if count > 1
        )
    return found


def _thrown(node: Node) -> str:
    trigger = getattr(node.kind, "trigger", None)
    if isinstance(trigger, ErrorTrigger | EscalationTrigger):
        return f"{trigger.__struct_config__.tag} {trigger.code or '*'}"
    return ""
