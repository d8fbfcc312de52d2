"""Structure: what can be decided of a definition without running it.

Soundness (option to complete, proper completion, dead nodes) is decided elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from schemas.ids import is_client_id
from streams.domain.expressions.cel import CompileError, compile_cel
from streams.domain.expressions.mixed import mixed_arithmetic
from streams.domain.net.edges import Edges, edges_of
from streams.domain.net.merges import merge_problems
from streams.domain.net.model import (
    Activity,
    Boundary,
    Call,
    Definition,
    End,
    ExclusiveGateway,
    Flow,
    InclusiveGateway,
    Node,
    ParallelGateway,
    PartialJoin,
    Start,
)
from streams.domain.net.problem import PROBLEMS_MAX, Problems, StructureProblem
from streams.domain.net.repeats import repeat_problems
from streams.domain.net.schemas import schema_problems
from streams.domain.net.scopes import (
    compensations_of,
    declared_in,
    event_scopes_of,
    handlers_of,
)
from streams.domain.net.validate_approval import approval_problems
from streams.domain.net.validate_compensation import compensation_problems
from streams.domain.net.validate_device import device_problems
from streams.domain.net.validate_event_scopes import event_scope_problems
from streams.domain.net.validate_reach import reach_problems
from streams.domain.net.validate_recovery import recovery_problems
from streams.domain.net.validate_repeat import run_problems
from streams.domain.net.validate_scopes import scope_problems
from streams.domain.net.validate_values import value_problems

_SHOWN_MAX: Final = 20
_QUEUE = re.compile(r"[A-Za-z0-9._-]{1,100}\Z")


def structure_problems(definition: Definition) -> Problems:
    """Return everything that is wrong with, or odd about, a definition's structure."""
    edges = edges_of(definition)
    problems = [*_ids(definition), *_flows(definition), *scope_problems(definition, edges)]
    aside = {*compensations_of(definition), *handlers_of(definition)}
    aside |= {*event_scopes_of(definition)}
    for node in definition.nodes.values():
        problems.extend(_node(node, edges, leads_on=node.id not in aside))
    problems.extend(event_scope_problems(definition, edges))
    problems.extend(recovery_problems(definition, edges))
    problems.extend(approval_problems(definition))
    problems.extend(compensation_problems(definition, edges))
    problems.extend(run_problems(definition, edges))
    problems.extend(repeat_problems(definition, edges))
    problems.extend(value_problems(definition))
    problems.extend(device_problems(definition))
    problems.extend(schema_problems(definition))
    problems.extend(merge_problems(definition))
    if not any(problem.severity == "error" for problem in problems):
        problems.extend(reach_problems(definition, edges))
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
    if source is not None and isinstance(source.kind, ParallelGateway | PartialJoin):
        kind = "parallel gateway" if isinstance(source.kind, ParallelGateway) else "join"
        return [StructureProblem(where, f"flows out of a {kind} have no condition")]
    declared = declared_in(definition, source.scope if source else "")
    try:
        compile_cel(flow.condition, declared)
    except CompileError as error:
        hint = "; a condition is one expression, as ${a && b}" if "${" in flow.condition else ""
        return [StructureProblem(where, error.message + hint)]
    said = mixed_arithmetic(flow.condition, declared)
    return [StructureProblem(where, text, "warning") for text in said]


def _node(node: Node, edges: Edges, *, leads_on: bool) -> Problems:
    where = ("nodes", node.id)
    outgoing, incoming = edges.outgoing[node.id], edges.incoming[node.id]
    found = []
    if isinstance(node.kind, Start) and incoming:
        found.append(StructureProblem(where, "a start has no incoming flow"))
    if isinstance(node.kind, End) and outgoing:
        found.append(StructureProblem(where, "an end has no outgoing flow"))
    if leads_on and not isinstance(node.kind, End) and not outgoing:
        found.append(StructureProblem(where, f"{node.id} leads nowhere: add a flow to an end"))
    if sum(flow.default for flow in outgoing) > 1:
        found.append(StructureProblem(where, f"{node.id} has more than one default flow"))
    found.extend(_choice(node, outgoing))
    if isinstance(node.kind, Activity) and not _QUEUE.match(node.kind.queue):
        found.append(StructureProblem((*where, "queue"), "a queue is a topic's name"))
    if isinstance(node.kind, Boundary) and incoming:
        found.append(StructureProblem(where, "a boundary event has no incoming flow"))
    if isinstance(node.kind, PartialJoin) and node.kind.count > len(incoming):
        message = f"{node.id} waits for {node.kind.count} tokens on {len(incoming)} incoming flows"
        found.append(StructureProblem((*where, "count"), message))
    if isinstance(node.kind, Call) and not is_client_id(node.kind.definition_id):
        found.append(StructureProblem((*where, "definition"), "a definition's id is needed"))
    return found


def _choice(node: Node, outgoing: list[Flow]) -> Problems:
    """A choice without a default waits as an incident where no condition is true."""
    plain = [flow for flow in outgoing if not flow.condition and not flow.default]
    where = ("nodes", node.id)
    if isinstance(node.kind, ExclusiveGateway | InclusiveGateway) and len(outgoing) > 1:
        if len(plain) > 1 and isinstance(node.kind, ExclusiveGateway):
            message = f"{node.id} has {len(plain)} flows without a condition: one would always win"
            return [StructureProblem(where, message)]
        if not plain and not any(flow.default for flow in outgoing):
            message = f"{node.id} has no default flow: an incident arises if no condition is true"
            return [StructureProblem(where, message, "warning")]
    return []
