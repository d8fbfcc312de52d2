"""A definition, made ready to run: neighbours by node and everything compiled."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from schemas.json_text import canonical
from streams.domain.expressions.cel import CompileError, Program, compile_cel
from streams.domain.expressions.values import Value, compile_value
from streams.domain.net.edges import edges_of
from streams.domain.net.model import (
    Activity,
    Call,
    Definition,
    End,
    Expression,
    Flow,
    Node,
    ParallelGateway,
    Start,
    Timer,
)

_STRAIGHT_STEPS_MAX = 64
"""A longer way is left to the walk: kept for each node on it, it would take the square of its
length to compile."""
Mapping = tuple[tuple[tuple[str, ...], Value], ...]
"""Output mappings: path of the variable, value."""


class Route(NamedTuple):
    """An outgoing flow with its compiled condition."""

    flow: Flow
    condition: Program | None


class Straight(msgspec.Struct, frozen=True, gc=False):
    """A way out of a node that no condition, split or join can change."""

    path: list[str]
    """From the node that is left; shared, and never changed."""
    entry: str
    """The wait node at its end; empty where the token ends."""
    steps: int


class Graph:
    """The compiled form of one definition version; never changes."""

    __slots__ = (
        "calls",
        "dates",
        "default_variables",
        "definition",
        "durations",
        "incoming",
        "inputs",
        "joins",
        "nodes",
        "outgoing",
        "outputs",
        "results",
        "start",
        "straight",
        "version",
    )

    def __init__(self, definition: Definition) -> None:
        """Compile; raises `CompileError`, whose message names the node or flow."""
        self.definition = definition
        self.version = str(definition.version)
        self.nodes: dict[str, Node] = definition.nodes
        self.start = next(n.id for n in self.nodes.values() if isinstance(n.kind, Start))
        edges = edges_of(definition)
        self.incoming = {node: tuple(flows) for node, flows in edges.incoming.items()}
        self.outgoing = {node: self._routes(flows) for node, flows in edges.outgoing.items()}
        self.joins = frozenset(
            node.id
            for node in self.nodes.values()
            if isinstance(node.kind, ParallelGateway) and len(self.incoming[node.id]) > 1
        )
        self.straight = self._straight_ways()
        self.inputs: dict[str, Value] = {}
        self.outputs: dict[str, Mapping] = {}
        self.calls: dict[str, tuple[tuple[str, Value], ...]] = {}
        self.durations: dict[str, Value] = {}
        self.dates: dict[str, Value] = {}
        for node in self.nodes.values():
            self._compile_node(node)
        self.results = tuple(
            (name, self._value(value, f"result {name}"))
            for name, value in definition.result.items()
        )
        self.default_variables = {
            name: canonical(value) for name, value in definition.defaults.items()
        }

    def _routes(self, flows: list[Flow]) -> tuple[Route, ...]:
        """Return the outgoing flows in the order in which a choice tries them."""
        ordered = sorted(flows, key=lambda flow: (flow.default, -flow.weight))
        return tuple(Route(flow, self._condition(flow)) for flow in ordered)

    def _straight_ways(self) -> dict[str, Straight]:
        found = {node: self._straight(node) for node in self.nodes}
        return {node: way for node, way in found.items() if way is not None}

    def _straight(self, node: str) -> Straight | None:
        """Walk from a node as far as there is one way only; None where it leads no further."""
        path, steps = [node], 0
        while steps < _STRAIGHT_STEPS_MAX:
            routes = self.outgoing[node]
            if len(routes) != 1 or routes[0].condition is not None:
                return None
            flow = routes[0].flow
            node, steps = flow.target, steps + 1
            path.append(flow.id)
            if node in self.joins:
                return None
            kind = self.nodes[node].kind
            if isinstance(kind, Activity | Timer | Call):
                return Straight(path, node, steps)
            path.append(node)
            if isinstance(kind, End):
                return Straight(path, "", steps)
        return None

    def _condition(self, flow: Flow) -> Program | None:
        if not flow.condition:
            return None
        try:
            return compile_cel(flow.condition, self.definition.variables)
        except CompileError as error:
            raise CompileError(error.source, f"flow {flow.id}: {error.message}") from None

    def _value(self, expression: Expression, where: str) -> Value:
        try:
            return compile_value(expression, self.definition.variables)
        except CompileError as error:
            raise CompileError(error.source, f"{where}: {error.message}") from None

    def _compile_node(self, node: Node) -> None:
        kind: Any = node.kind
        if isinstance(kind, Activity):
            self.inputs[node.id] = self._value(kind.input, f"node {node.id}: input")
        elif isinstance(kind, Call):
            self.calls[node.id] = tuple(
                (name, self._value(value, f"node {node.id}: input {name}"))
                for name, value in kind.input.items()
            )
        elif isinstance(kind, Timer):
            if kind.duration is not None:
                self.durations[node.id] = self._value(kind.duration, f"node {node.id}: duration")
            if kind.date is not None:
                self.dates[node.id] = self._value(kind.date, f"node {node.id}: date")
        if isinstance(kind, Activity | Call | Timer) and kind.output:
            self.outputs[node.id] = tuple(
                (tuple(path.split(".")), self._value(value, f"node {node.id}: output {path}"))
                for path, value in kind.output.items()
            )


_GRAPHS: dict[int, Graph] = {}
_GRAPHS_MAX = 10_000


def graph_of(definition: Definition) -> Graph:
    """Return a definition's graph, compiled on first use and kept with the definition."""
    graph = _GRAPHS.get(id(definition))
    if graph is None or graph.definition is not definition:
        if len(_GRAPHS) >= _GRAPHS_MAX:
            _GRAPHS.clear()
        graph = _GRAPHS[id(definition)] = Graph(definition)
    return graph
