"""Structure: what can be decided of a definition without running it.

Soundness (option to complete, proper completion, dead nodes) is decided elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from schemas.ids import is_client_id
from streams.domain.expressions.cel import CompileError, compile_cel
from streams.domain.expressions.mixed import mixed_arithmetic
from streams.domain.expressions.moments import date_ms, duration_ms
from streams.domain.expressions.values import compile_value
from streams.domain.net.edges import Edges, cycle_in, edges_of, reachable
from streams.domain.net.model import (
    Activity,
    Call,
    Definition,
    End,
    ExclusiveGateway,
    Expression,
    Flow,
    Node,
    ParallelGateway,
    Start,
    Timer,
)

PROBLEMS_MAX: Final = 200
"""From there on nothing more is looked for that costs time."""
_SHOWN_MAX: Final = 20
_QUEUE = re.compile(r"[A-Za-z0-9._-]{1,100}\Z")


class StructureProblem(msgspec.Struct, frozen=True):
    """One finding: where in the definition, a sentence, `error` or `warning`."""

    where: tuple[str | int, ...]
    message: str
    severity: str = "error"


Problems = list[StructureProblem]


def structure_problems(definition: Definition) -> Problems:
    """Return everything that is wrong with, or odd about, a definition's structure."""
    edges = edges_of(definition)
    problems = [*_ids(definition), *_flows(definition)]
    for node in definition.nodes.values():
        problems.extend(_node(node, edges))
    problems.extend(_values(definition))
    if not any(problem.severity == "error" for problem in problems):
        problems.extend(_reach(definition, edges))
        problems.extend(_busy_cycles(definition, edges))
    return problems


def _ids(definition: Definition) -> Problems:
    found = []
    if not is_client_id(definition.id):
        found.append(StructureProblem(("id",), f"{definition.id!r} is not an id"))
    found.extend(
        StructureProblem(("nodes", name), f"{name!r} is not an id: A-Z a-z 0-9 . _ : -")
        for name in definition.nodes
        if not is_client_id(name)
    )
    starts = [n.id for n in definition.nodes.values() if isinstance(n.kind, Start)]
    if len(starts) != 1:
        found.append(
            StructureProblem(("nodes",), f"exactly one start is needed, there are {len(starts)}")
        )
    if not any(isinstance(n.kind, End) for n in definition.nodes.values()):
        found.append(StructureProblem(("nodes",), "at least one end is needed"))
    return found


def _flows(definition: Definition) -> Problems:
    found: Problems = []
    errors = 0
    nodes = definition.nodes
    for place, flow in enumerate(definition.flows.values()):
        for end, name in (("source", flow.source), ("target", flow.target)):
            if name not in nodes:
                close = _close(name, nodes) if len(found) < _SHOWN_MAX else ""
                message = f"{end} {name!r} is no node of this definition{close}"
                found.append(StructureProblem(("flows", place, end), message))
        if flow.default and flow.condition:
            found.append(
                StructureProblem(("flows", place), "a default flow has no condition of its own")
            )
        # Tokens wait at places, and a place is a node's id, `NODE/out` or a flow's id.
        if flow.id in nodes or "/" in flow.id:
            message = f"a flow's id is no node's id and has no '/': {flow.id!r} needs another"
            found.append(StructureProblem(("flows", place, "id"), message))
        if errors < PROBLEMS_MAX:
            said = _condition(definition, place, flow)
            errors += sum(problem.severity == "error" for problem in said)
            found.extend(said)
    return found


def _close(name: str, nodes: Iterable[str]) -> str:
    lowered = name.lower().replace("-", "_")
    for other in nodes:
        if other.lower().replace("-", "_") == lowered or other.startswith(name[:4] or "\0"):
            return f"; did you mean {other!r}?"
    return ""


def _condition(definition: Definition, place: int, flow: Flow) -> Problems:
    if not flow.condition:
        return []
    where = ("flows", place, "condition")
    source = definition.nodes.get(flow.source)
    if source is not None and isinstance(source.kind, ParallelGateway):
        return [StructureProblem(where, "flows out of a parallel gateway have no condition")]
    try:
        compile_cel(flow.condition, definition.variables)
    except CompileError as error:
        hint = "; a condition is one expression, as ${a && b}" if "${" in flow.condition else ""
        return [StructureProblem(where, error.message + hint)]
    said = mixed_arithmetic(flow.condition, definition.variables)
    return [StructureProblem(where, text, "warning") for text in said]


def _node(node: Node, edges: Edges) -> Problems:
    where = ("nodes", node.id)
    outgoing, incoming = edges.outgoing[node.id], edges.incoming[node.id]
    found = []
    if isinstance(node.kind, Start) and incoming:
        found.append(StructureProblem(where, "a start has no incoming flow"))
    if isinstance(node.kind, End) and outgoing:
        found.append(StructureProblem(where, "an end has no outgoing flow"))
    if not isinstance(node.kind, End) and not outgoing:
        found.append(StructureProblem(where, f"{node.id} leads nowhere: add a flow to an end"))
    if sum(flow.default for flow in outgoing) > 1:
        found.append(StructureProblem(where, f"{node.id} has more than one default flow"))
    found.extend(_choice(node, outgoing))
    if isinstance(node.kind, Activity) and not _QUEUE.match(node.kind.queue):
        found.append(StructureProblem((*where, "queue"), "a queue is a topic's name"))
    if isinstance(node.kind, Timer) and (node.kind.duration is None) == (node.kind.date is None):
        found.append(StructureProblem(where, "a timer has either a duration or a date"))
    if isinstance(node.kind, Call) and not is_client_id(node.kind.definition_id):
        found.append(StructureProblem((*where, "definition"), "a definition's id is needed"))
    return found


def _choice(node: Node, outgoing: list[Flow]) -> Problems:
    """A choice without a default waits as an incident where no condition is true."""
    plain = [flow for flow in outgoing if not flow.condition and not flow.default]
    where = ("nodes", node.id)
    if isinstance(node.kind, ExclusiveGateway) and len(outgoing) > 1:
        if len(plain) > 1:
            message = f"{node.id} has {len(plain)} flows without a condition: one would always win"
            return [StructureProblem(where, message)]
        if not plain and not any(flow.default for flow in outgoing):
            message = f"{node.id} has no default flow: an incident arises if no condition is true"
            return [StructureProblem(where, message, "warning")]
    return []


def _values(definition: Definition) -> Problems:
    found: Problems = []
    for where, expression in expressions_of(definition):
        if len(found) >= PROBLEMS_MAX:
            break
        try:
            compile_value(expression, definition.variables)
        except CompileError as error:
            found.append(StructureProblem(where, str(error)))
    for node in definition.nodes.values():
        if isinstance(node.kind, Timer):
            found.extend(_moment(("nodes", node.id), node.kind))
    return found


def expressions_of(definition: Definition) -> Iterator[tuple[tuple[str | int, ...], Expression]]:
    """Iterate over all mappings, each with its path in the source."""
    for name, expression in definition.result.items():
        yield ("result", name), expression
    for node in definition.nodes.values():
        kind, where = node.kind, ("nodes", node.id)
        single: dict[str, Expression | None] = {}
        if isinstance(kind, Activity):
            single = {"input": kind.input}
        elif isinstance(kind, Timer):
            single = {"duration": kind.duration, "date": kind.date}
        elif isinstance(kind, Call):
            yield from (((*where, "input", name), given) for name, given in kind.input.items())
        yield from (((*where, name), one) for name, one in single.items() if one is not None)
        if isinstance(kind, Activity | Timer | Call):
            yield from (((*where, "output", path), value) for path, value in kind.output.items())


def _moment(where: tuple[str | int, ...], kind: Timer) -> Problems:
    """A literal duration or date is read now instead of failing at run time."""
    for name, expression, read in (
        ("duration", kind.duration, duration_ms),
        ("date", kind.date, date_ms),
    ):
        if expression is None or (isinstance(expression.source, str) and "${" in expression.source):
            continue
        try:
            read(expression.source)
        except ValueError as error:
            return [StructureProblem((*where, name), str(error))]
    return []


def _reach(definition: Definition, edges: Edges) -> Problems:
    forward = {name: [f.target for f in flows] for name, flows in edges.outgoing.items()}
    backward = {name: [f.source for f in flows] for name, flows in edges.incoming.items()}
    nodes = definition.nodes.values()
    reached = reachable([n.id for n in nodes if isinstance(n.kind, Start)], forward)
    finishing = reachable([n.id for n in nodes if isinstance(n.kind, End)], backward)
    found = []
    for name in definition.nodes:
        if name not in reached:
            found.append(StructureProblem(("nodes", name), f"{name} is never reached"))
        elif name not in finishing:
            found.append(StructureProblem(("nodes", name), f"no end can be reached from {name}"))
    return found


def _busy_cycles(definition: Definition, edges: Edges) -> Problems:
    """A cycle on which no node waits would run for ever within one command."""
    waits = {n.id for n in definition.nodes.values() if isinstance(n.kind, Activity | Timer | Call)}
    passing = {
        name: [flow.target for flow in flows if flow.target not in waits]
        for name, flows in edges.outgoing.items()
        if name not in waits
    }
    cycle = cycle_in(passing)
    if not cycle:
        return []
    shown = [*cycle[:_SHOWN_MAX], "…"] if len(cycle) > _SHOWN_MAX else cycle
    text = " → ".join([*shown, cycle[0]])
    message = f"this cycle never waits: {text}; put an activity, a timer or a call on it"
    return [StructureProblem(("nodes", cycle[0]), message)]
