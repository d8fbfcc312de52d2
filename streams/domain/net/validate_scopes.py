"""Scopes, boundary events and event gateways: whether what belongs together stands together."""

from __future__ import annotations

from collections import Counter

from streams.domain.net.edges import Edges
from streams.domain.net.escalation import EscalationTrigger
from streams.domain.net.model import (
    Boundary,
    Bounded,
    Call,
    Catch,
    Definition,
    End,
    ErrorTrigger,
    EventGateway,
    Host,
    Node,
    Scope,
    Timer,
)
from streams.domain.net.problem import Problems, StructureProblem
from streams.domain.net.scopes import boundaries_of, scopes_around
from streams.domain.net.validate_starts import start_problems


def scope_problems(definition: Definition, edges: Edges) -> Problems:
    """Return what is wrong with the belonging of nodes to scopes, hosts and gateways."""
    found: Problems = []
    for node in definition.nodes.values():
        found.extend(_belonging(definition, node))
        if isinstance(node.kind, EventGateway):
            found.extend(_event_gateway(definition, node, edges))
    scopes = [n.id for n in definition.nodes.values() if isinstance(n.kind, Scope)]
    for scope in ["", *scopes]:
        found.extend(_ends_of(definition, scope))
    found.extend(_flows(definition))
    found.extend(_handlers(definition))
    return found


def _ends_of(definition: Definition, scope: str) -> Problems:
    inside = [node.kind for node in definition.nodes.values() if node.scope == scope]
    where = ("nodes", scope) if scope else ("nodes",)
    of = f" in the scope {scope}" if scope else ""
    found: Problems = []
    found.extend(start_problems(definition, scope))
    if not any(isinstance(kind, End) for kind in inside):
        found.append(StructureProblem(where, f"at least one end is needed{of}"))
    return found


def _belonging(definition: Definition, node: Node) -> Problems:
    where = ("nodes", node.id)
    if node.scope:
        around = definition.nodes.get(node.scope)
        if around is None or not isinstance(around.kind, Scope):
            message = f"{node.scope!r} is no scope of this definition"
            return [StructureProblem((*where, "scope"), message)]
        if isinstance(node.kind, Scope) and node.id in scopes_around(definition, node.scope):
            return [StructureProblem((*where, "scope"), f"{node.id} lies in itself")]
    if isinstance(node.kind, End):
        end = node.kind
        if sum(map(bool, (end.error, end.terminate, end.escalation))) > 1:
            message = "an end throws an error or terminates or escalates, only one of them"
            return [StructureProblem(where, message)]
    if isinstance(node.kind, Boundary):
        host = definition.nodes.get(node.kind.host)
        if host is None or not isinstance(host.kind, Bounded):
            kinds = "activity, approval, call, scope, catch, timer or wait"
            message = f"{node.kind.host!r} is no {kinds} of this definition"
            return [StructureProblem((*where, "on"), message)]
        message = _never_thrown(node.kind, host)
        if message:
            return [StructureProblem((*where, "on"), message)]
        if host.scope != node.scope:
            message = f"a boundary event stands in the scope of its host, {host.scope or 'none'}"
            return [StructureProblem((*where, "scope"), message)]
    return []


def _never_thrown(event: Boundary, host: Node) -> str:
    """Return why a host never throws what an event on it is to catch; empty where it may."""
    if isinstance(event.trigger, EscalationTrigger) and not isinstance(host.kind, Call | Scope):
        return f"{host.id} raises no escalation: only a scope or a call has such an event"
    if isinstance(event.trigger, ErrorTrigger) and not isinstance(host.kind, Host):
        return f"{host.id} only waits and throws no error: an activity, call or scope does"
    return ""


def _flows(definition: Definition) -> Problems:
    found = []
    nodes = definition.nodes
    for place, flow in enumerate(definition.flows.values()):
        source, target = nodes.get(flow.source), nodes.get(flow.target)
        if source is not None and target is not None and source.scope != target.scope:
            message = (
                f"a flow stays in its scope: {source.id} is in {source.scope or 'the workflow'}, "
                f"{target.id} in {target.scope or 'the workflow'}"
            )
            found.append(StructureProblem(("flows", place), message))
    return found


def _event_gateway(definition: Definition, node: Node, edges: Edges) -> Problems:
    where, hosts = ("nodes", node.id), boundaries_of(definition)
    for flow in edges.outgoing[node.id]:
        target = definition.nodes.get(flow.target)
        if target is None:
            continue
        if not isinstance(target.kind, Timer | Catch):
            message = f"after an event gateway come events that are waited for, not {target.id}"
            return [StructureProblem(where, message)]
        if len(edges.incoming[target.id]) > 1:
            message = f"{target.id} is waited for by {node.id} and has no other incoming flow"
            return [StructureProblem(where, message)]
        if target.id in hosts:
            message = f"{target.id} is waited for at {node.id}, so that no boundary event is on it"
            return [StructureProblem(where, message)]
        if flow.condition or flow.default:
            message = "flows out of an event gateway have no condition and are no default"
            return [StructureProblem(where, message)]
    return []


def _handlers(definition: Definition) -> Problems:
    """Two handlers of one error on one host: only the first would ever act."""
    codes = Counter(
        (node.kind.host, node.kind.trigger.__struct_config__.tag, node.kind.trigger.code)
        for node in definition.nodes.values()
        if isinstance(node.kind, Boundary)
        and isinstance(node.kind.trigger, ErrorTrigger | EscalationTrigger)
    )
    return [
        StructureProblem(
            ("nodes", host),
            f"{host} has {count} handlers of the {what} {code or '*'}: one is enough",
        )
        for (host, what, code), count in codes.items()
        if count > 1
    ]
