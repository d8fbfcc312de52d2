"""What is no error in a definition whose structure is in order, and will surprise its author."""

from __future__ import annotations

from collections.abc import Iterator

from streams.domain.expressions.cel import ExpressionError, compile_cel
from streams.domain.expressions.mixed import mixed_arithmetic
from streams.domain.expressions.values import compile_value
from streams.domain.net.edges import Edges, edges_of, reachable
from streams.domain.net.model import Compensate, Definition, ExclusiveGateway, Flow, Node
from streams.domain.net.problem import PROBLEMS_MAX, Problems, StructureProblem
from streams.domain.net.scopes import (
    begins_of,
    boundaries_of,
    compensations_of,
    declared_in,
    event_scopes_of,
    handlers_of,
    starts_of,
)
from streams.domain.net.validate_compensation import can_be_undone
from streams.domain.net.validate_values import Where, expressions_of


def hints(definition: Definition) -> Problems:
    """Return warnings: flows and nodes that no run takes, conditions that fail, mixed numbers.

    Every expression of the definition compiles: see `structure_problems`.
    """
    found: Problems = []
    for one in _all(definition, edges_of(definition)):
        found.append(one)
        if len(found) >= PROBLEMS_MAX:
            break
    return found


def _all(definition: Definition, edges: Edges) -> Iterator[StructureProblem]:
    constants = {flow.id: _constant(flow) for flow in definition.flows.values()}
    places = {name: number for number, name in enumerate(definition.flows)}
    never: dict[str, str] = {}
    for flow in definition.flows.values():
        value = constants[flow.id]
        if isinstance(value, str):
            yield _warning(("flows", places[flow.id], "condition"), f"flow {flow.id}: {value}")
        elif value is False:
            never[flow.id] = "its condition is always false"
    for node in definition.nodes.values():
        never |= _hidden(node, edges.outgoing[node.id], constants)
    for name, why in never.items():
        yield _warning(("flows", places[name]), f"flow {name} is never taken: {why}")
    yield from _unreached(definition, edges, never)
    yield from _mixed(definition)
    yield from _nothing_to_undo(definition)


def _warning(where: Where, message: str) -> StructureProblem:
    return StructureProblem(where, message, "warning")


def _constant(flow: Flow) -> bool | str | None:
    """Return what a condition without variables gives, or what is wrong with it; else None."""
    if not flow.condition:
        return None
    program = compile_cel(flow.condition, {})
    if not program.is_constant:
        return None
    try:
        return program.truth({})
    except ExpressionError as error:
        return f"{error}; an incident arises whenever it is tried"


def _hidden(
    node: Node, outgoing: list[Flow], constants: dict[str, bool | str | None]
) -> dict[str, str]:
    """Return the flows that are not taken because of another that always is."""
    always = [
        flow
        for flow in outgoing
        if constants[flow.id] is True or not (flow.condition or flow.default)
    ]
    if not always:
        return {}
    if not isinstance(node.kind, ExclusiveGateway):
        why = f"{always[0].id} is always taken, so that there is no need of a default"
        return {flow.id: why for flow in outgoing if flow.default}
    # In the order in which a choice tries them, as `Graph` has it.
    ordered = sorted(outgoing, key=lambda flow: (flow.default, -flow.weight))
    first = next(flow for flow in ordered if flow in always)
    why = f"{first.id} is tried before it, and is always taken"
    after = ordered[ordered.index(first) + 1 :]
    return {flow.id: why for flow in after if constants[flow.id] is not False}


def _unreached(
    definition: Definition, edges: Edges, never: dict[str, str]
) -> Iterator[StructureProblem]:
    if not never:
        return
    forward = {
        name: [flow.target for flow in flows if flow.id not in never]
        for name, flows in edges.outgoing.items()
    }
    starts = starts_of(definition)
    for scope in starts.keys() - {""}:
        forward[scope].append(starts[scope])
    for host, events in boundaries_of(definition).items():
        forward[host].extend(events)
    for undoing in (compensations_of(definition), handlers_of(definition)):
        for undo, hosts in undoing.items():
            for host in hosts:
                forward[host].append(undo)
    begins = begins_of(definition)
    for event in event_scopes_of(definition):
        around = definition.nodes[event].scope
        (forward[around] if around else begins).append(event)
    reached = reachable(begins, forward)
    for name in definition.nodes:
        if name not in reached:
            message = f"{name} is never reached: every flow that leads to it is never taken"
            yield _warning(("nodes", name), message)


def _nothing_to_undo(definition: Definition) -> Iterator[StructureProblem]:
    for node in definition.nodes.values():
        if isinstance(node.kind, Compensate) and not can_be_undone(definition, node):
            text = f"{node.id} undoes nothing: no node that it concerns has a compensate_with"
            yield _warning(("nodes", node.id), text)


def _mixed(definition: Definition) -> Iterator[StructureProblem]:
    """Of values; of conditions the structure's problems say it already."""
    for where, expression, scope in expressions_of(definition):
        declared = declared_in(definition, scope)
        for program in compile_value(expression, declared).programs:
            for text in mixed_arithmetic(program.source, declared):
                yield _warning(where, text)
