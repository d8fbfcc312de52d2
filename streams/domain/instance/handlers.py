"""Who handles an error or an escalation: the nearest boundary event, from the node outwards."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from streams.domain.instance.event_scopes import interrupted
from streams.domain.instance.places import ROOT, scope_of
from streams.domain.instance.runs import whole
from streams.domain.instance.work import Work
from streams.domain.net.escalation import EscalationTrigger
from streams.domain.net.graph import Graph
from streams.domain.net.model import Boundary, ErrorTrigger, Scope, Start

Thrown = type[ErrorTrigger] | type[EscalationTrigger]


class Handler(NamedTuple):
    """A boundary event that catches an error, and what it stops; or the start of one's scope."""

    boundary: str
    host: str
    """The event sub-process itself, where it is one's start."""
    token: int
    """The host's token; 0 where that does not run yet."""
    scope: int
    """The running scope that host and boundary event are in."""


def handler_of(
    work: Work, code: str, host: str, token: int, scope: int, thrown: Thrown = ErrorTrigger
) -> Handler | None:
    """Return who catches what is thrown; `host` is the failed node, empty for an event.

    The scopes around are asked from the inside out, as BPMN has it: of each the event
    sub-processes in it, then its boundary. What one of them throws its siblings do not take.
    """
    state, graph = work.state, work.graph
    while True:
        boundary = catching(graph, host, code, thrown)
        if boundary:
            return Handler(boundary, host, *whole(state, host, token, scope))
        if graph.event_starts:
            start = _event_start(work, code, host, scope, thrown)
            if start:
                return Handler(start, graph.nodes[start].scope, 0, scope)
        if scope == ROOT or scope not in state.scopes:
            return None
        opened = state.scopes[scope]
        host, token = opened.node, opened.token
        scope = scope_of(state.tokens[token])


def catching(graph: Graph, host: str, code: str, thrown: Thrown = ErrorTrigger) -> str:
    """Return the host's boundary event for a code: one that names it before one for all."""
    return _chosen(graph, graph.boundaries.get(host, ()), code, thrown)


def _event_start(work: Work, code: str, inner: str, scope: int, thrown: Thrown) -> str:
    """Return the event sub-process of a running scope that takes what `inner` throws."""
    graph = work.graph
    kind = graph.nodes[inner].kind if inner else None
    opened = work.state.scopes.get(scope)
    if (isinstance(kind, Scope) and kind.event) or (opened is not None and opened.iteration):
        return ""
    found = graph.event_starts.get(opened.node if opened is not None else "", ())
    start = _chosen(graph, found, code, thrown)
    return "" if start and interrupted(work, scope) else start


def _chosen(graph: Graph, events: Iterable[str], code: str, thrown: Thrown) -> str:
    fallback = ""
    for name in events:
        kind = graph.nodes[name].kind
        assert isinstance(kind, Boundary | Start)
        if isinstance(kind.trigger, thrown):
            if kind.trigger.code == code:
                return name
            if not kind.trigger.code:
                fallback = fallback or name
    return fallback
