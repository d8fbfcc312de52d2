"""Who handles an error or an escalation: the nearest boundary event, from the node outwards."""

from __future__ import annotations

from typing import NamedTuple

from streams.domain.instance.places import ROOT, scope_of
from streams.domain.instance.runs import whole
from streams.domain.instance.work import Work
from streams.domain.net.escalation import EscalationTrigger
from streams.domain.net.graph import Graph
from streams.domain.net.model import Boundary, ErrorTrigger

Thrown = type[ErrorTrigger] | type[EscalationTrigger]


class Handler(NamedTuple):
    """A boundary event that catches an error, and what it stops."""

    boundary: str
    host: str
    token: int
    """The host's token."""
    scope: int
    """The running scope that host and boundary event are in."""


def handler_of(
    work: Work, code: str, host: str, token: int, scope: int, thrown: Thrown = ErrorTrigger
) -> Handler | None:
    """Return who catches what is thrown; `host` is the failed node, empty for an event.

    The scopes around are asked from the inside out, as BPMN has it.
    """
    state, graph = work.state, work.graph
    while True:
        boundary = catching(graph, host, code, thrown)
        if boundary:
            return Handler(boundary, host, *whole(state, host, token, scope))
        if scope == ROOT or scope not in state.scopes:
            return None
        opened = state.scopes[scope]
        host, token = opened.node, opened.token
        scope = scope_of(state.tokens[token])


def catching(graph: Graph, host: str, code: str, thrown: Thrown = ErrorTrigger) -> str:
    """Return the host's boundary event for a code: one that names it before one for all."""
    fallback = ""
    for name in graph.boundaries.get(host, ()):
        kind = graph.nodes[name].kind
        assert isinstance(kind, Boundary)
        if isinstance(kind.trigger, thrown):
            if kind.trigger.code == code:
                return name
            if not kind.trigger.code:
                fallback = fallback or name
    return fallback
