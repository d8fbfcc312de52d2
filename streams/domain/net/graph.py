"""A definition, made ready to run: neighbours by node and everything compiled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import NamedTuple

import msgspec

from schemas.json_text import canonical
from streams.domain.expressions.cel import CompileError, Program, compile_cel
from streams.domain.expressions.values import Value, compile_value
from streams.domain.net.approval import Approval
from streams.domain.net.approval_graph import CompiledApproval, compiled_approval
from streams.domain.net.condition import Conditions, ConditionTrigger
from streams.domain.net.device import DeviceTrigger
from streams.domain.net.device_program import DeviceProgram, compile_device
from streams.domain.net.edges import edges_of
from streams.domain.net.merges import merges_of
from streams.domain.net.model import (
    Activity,
    Boundary,
    Call,
    Compensate,
    Definition,
    End,
    Expression,
    Flow,
    Host,
    InclusiveGateway,
    MessageTrigger,
    Node,
    ParallelGateway,
    PartialJoin,
    Scope,
    Throw,
    Wait,
    Waiting,
    WithOutput,
)
from streams.domain.net.or_join import Reach, reach_of
from streams.domain.net.repeat_graph import repeats_of
from streams.domain.net.schemas import schemas_of
from streams.domain.net.scopes import (
    boundaries_of,
    compensations_of,
    declared_in,
    event_starts_of,
    starts_of,
    waits_in,
)
from streams.domain.net.timing import timing_of
from streams.domain.net.wait import leaves_of, place_of

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
        "_types",
        "approvals",
        "boundaries",
        "compensated",
        "conditions",
        "default_variables",
        "definition",
        "devices",
        "event_starts",
        "given",
        "handlers",
        "incoming",
        "inputs",
        "joins",
        "keys",
        "locks",
        "merges",
        "messages",
        "nodes",
        "or_joins",
        "outgoing",
        "outputs",
        "partial_joins",
        "passed",
        "repeats",
        "results",
        "schemas",
        "start",
        "starts",
        "straight",
        "timing",
        "undoing",
        "undone_with",
        "version",
        "waits",
    )

    def __init__(self, definition: Definition) -> None:
        """Compile; raises `CompileError`, whose message names the node or flow."""
        self.definition = definition
        self._types: dict[str, dict[str, str]] = {}
        self.version = str(definition.version)
        self.nodes: dict[str, Node] = definition.nodes
        self.starts = starts_of(definition)
        """Start by scope node; the workflow's has no trigger."""
        self.start = self.starts.get("", "")
        """The workflow's own; empty where only a message, a signal or a timer starts it."""
        self.boundaries = boundaries_of(definition)
        """Boundary events by host."""
        self.event_starts = event_starts_of(definition)
        """Starts of event sub-processes by the scope around them."""
        self.compensated = {
            undo: [event for host in hosts for event in self._fallbacks(host)]
            for undo, hosts in compensations_of(definition).items()
        }
        """Fallbacks that may follow each compensation activity."""
        edges = edges_of(definition)
        self.incoming = {node: tuple(flows) for node, flows in edges.incoming.items()}
        self.outgoing = {node: self._routes(flows) for node, flows in edges.outgoing.items()}
        hosts = {b: host for host, events in self.boundaries.items() for b in events}
        several = [node for node in self.nodes.values() if len(self.incoming[node.id]) > 1]
        self.or_joins: dict[str, Reach] = {
            node.id: reach_of(node.id, edges.incoming, hosts)
            for node in several
            if isinstance(node.kind, InclusiveGateway)
        }
        self.partial_joins, self.joins = self._joins(several)
        self.waits, self.passed = self._resting()
        """Nodes at which a token rests; of these, those that it may leave at once."""
        self.straight = self._straight_ways()
        self.locks: dict[str, dict[str, Value]] = {}
        """What is computed of the locks of scopes and of work: name, time to live, wait."""
        self.inputs: dict[str, Value] = {}
        self.outputs: dict[str, Mapping] = {}
        self.given: dict[str, tuple[tuple[str, Value], ...]] = {}
        """Inputs of calls and scopes: variable, value."""
        self.keys: dict[str, Value] = {}
        """Correlation keys of what catches or throws messages."""
        self.devices: dict[str, DeviceProgram] = {}
        self.messages: dict[str, Value] = {}
        """Messages of error ends."""
        self.timing: dict[str, dict[str, Value]] = {}
        """What says when timers are due, by its key."""
        self._compile_nodes()
        self.conditions = self._conditions()
        self._compile_whole(definition)

    def _compile_whole(self, definition: Definition) -> None:
        """Compile what belongs to the workflow as a whole."""
        self.approvals = dict(self._approvals())
        self.results = tuple(
            (name, self._value(value, f"result {name}"))
            for name, value in definition.result.items()
        )
        self.merges = merges_of(definition)
        """Policies by variable, by node that writes such variables."""
        self.repeats = repeats_of(definition)
        """What is run several times, by node."""
        self.schemas = schemas_of(definition)
        """None where the definition has none: what has no schema pays nothing."""
        self.default_variables = {
            name: canonical(value) for name, value in definition.defaults.items()
        }

    def _resting(self) -> tuple[frozenset[str], frozenset[str]]:
        """Return the nodes at which a token rests, and those of them it may leave at once."""
        kinds = {name: node.kind for name, node in self.nodes.items()}
        raising = {n for n, kind in kinds.items() if isinstance(kind, End) and kind.escalation}
        passed = {n for n, kind in kinds.items() if isinstance(kind, Throw | Compensate | Scope)}
        waits = {n for n, kind in kinds.items() if isinstance(kind, Waiting)}
        return frozenset(waits | raising), frozenset(passed | raising)

    def _approvals(self) -> Iterator[tuple[str, CompiledApproval]]:
        for node in self.nodes.values():
            if isinstance(node.kind, Approval):
                value = partial(self._value, scope=node.scope)
                yield node.id, compiled_approval(node.kind, f"node {node.id}", value)

    def _joins(self, several: list[Node]) -> tuple[dict[str, int], frozenset[str]]:
        """Return the counts of partial joins, and all nodes that wait for several tokens."""
        partial = {n.id: n.kind.count for n in several if isinstance(n.kind, PartialJoin)}
        parallel = {node.id for node in several if isinstance(node.kind, ParallelGateway)}
        return partial, frozenset({*parallel, *self.or_joins, *partial})

    def ways_out(self, nodes: Iterable[str]) -> list[str]:
        """Return the flows out of some nodes."""
        return [route.flow.id for node in nodes for route in self.outgoing[node]]

    def _compile_nodes(self) -> None:
        for node in self.nodes.values():
            self._compile_node(node)
        self.undone_with = {
            node.id: node.kind.compensate_with
            for node in self.nodes.values()
            if isinstance(node.kind, Host) and node.kind.compensate_with
        }
        """Compensation handler by the node that it undoes."""
        self.undoing = frozenset(self.undone_with.values())
        self.handlers = {node: self._named(undo) for node, undo in self.undone_with.items()}
        """Variables that the handler of each node names; None for all."""

    def _named(self, undo: str) -> frozenset[str] | None:
        """Return the variables that a compensation handler names; None where it may see all."""
        kind = self.nodes[undo].kind
        if isinstance(kind, Activity):
            values, read = [self.inputs[undo]], kind.reads
        elif isinstance(kind, Call):
            values, read = [value for _, value in self.given[undo]], []
        else:
            return None
        programs = [program for value in values for program in value.programs]
        if any(program.names_all for program in programs):
            return None
        return frozenset(read).union(*(program.names for program in programs))

    def _fallbacks(self, host: str) -> list[str]:
        kinds = {name: self.nodes[name].kind for name in self.boundaries.get(host, ())}
        return [n for n, kind in kinds.items() if isinstance(kind, Boundary) and kind.fallback]

    def _routes(self, flows: list[Flow]) -> tuple[Route, ...]:
        """Return the outgoing flows in the order in which a choice tries them."""
        ordered = sorted(flows, key=lambda flow: (flow.default, -flow.weight))
        return tuple(Route(flow, self._condition(flow)) for flow in ordered)

    def _straight_ways(self) -> dict[str, Straight]:
        if self.or_joins:
            return {}  # Where a token goes may free a join that waits for it elsewhere.
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
            if node in self.waits:
                return Straight(path, node, steps)
            path.append(node)
            kind = self.nodes[node].kind
            if isinstance(kind, End):
                plain = kind.error is None and not kind.terminate
                return Straight(path, "", steps) if plain else None
        return None

    def _condition(self, flow: Flow) -> Program | None:
        if not flow.condition:
            return None
        try:
            return compile_cel(flow.condition, self._declared(self.nodes[flow.source].scope))
        except CompileError as error:
            raise CompileError(error.source, f"flow {flow.id}: {error.message}") from None

    def _conditions(self) -> Conditions:
        programs = {}
        for name, node in self.nodes.items():
            triggers = {name: getattr(node.kind, "trigger", None)}
            if isinstance(node.kind, Wait):
                leaves = (leaf for _, leaf in leaves_of(node.kind.whole))
                triggers = {place_of(name, leaf.number): leaf.trigger for leaf in leaves}
            for place, trigger in triggers.items():
                if isinstance(trigger, ConditionTrigger):
                    seen = self._declared(waits_in(self.definition, node))
                    programs[place] = compile_cel(trigger.condition, seen)
        return Conditions(programs)

    def _declared(self, scope: str) -> dict[str, str]:
        if scope not in self._types:
            self._types[scope] = declared_in(self.definition, scope)
        return self._types[scope]

    def _value(self, expression: Expression, where: str, scope: str = "") -> Value:
        try:
            return compile_value(expression, self._declared(scope))
        except CompileError as error:
            raise CompileError(error.source, f"{where}: {error.message}") from None

    def _compile_node(self, node: Node) -> None:
        kind, name = node.kind, node.id
        if isinstance(kind, Activity):
            self.inputs[name] = self._value(kind.input, f"node {name}: input", node.scope)
        elif isinstance(kind, Call | Scope):
            self.given[name] = tuple(
                (key, self._value(value, f"node {name}: input {key}", node.scope))
                for key, value in kind.input.items()
            )
        elif isinstance(kind, End) and kind.error is not None:
            self.messages[name] = self._value(kind.error.message, f"node {name}", node.scope)
        elif isinstance(kind, Throw):
            self.inputs[name] = self._value(kind.payload, f"node {name}: payload", node.scope)
        if isinstance(kind, Host) and kind.lock is not None:
            self.locks[name] = {
                key: self._value(value, f"node {name}: lock {key}", node.scope)
                for key, value in kind.lock.values()
            }
        self._compile_event(name, kind, waits_in(self.definition, node))
        if isinstance(kind, Wait):
            for _, leaf in leaves_of(kind.whole):
                self._compile_event(place_of(name, leaf.number), leaf, node.scope)
        if isinstance(kind, WithOutput) and kind.output:
            seen = name if isinstance(kind, Scope) else node.scope
            self.outputs[name] = tuple(
                (tuple(path.split(".")), self._value(value, f"node {name}: output {path}", seen))
                for path, value in kind.output.items()
            )

    def _compile_event(self, name: str, kind: object, scope: str) -> None:
        """Compile when an event is due, its key, and what of a device it waits for."""
        trigger = getattr(kind, "trigger", None)
        timing = timing_of(trigger or kind)
        if timing:
            self.timing[name] = {
                word: self._value(value, f"node {name}: {word}", scope)
                for word, value in timing.items()
            }
        if isinstance(trigger, MessageTrigger):
            self.keys[name] = self._value(trigger.key, f"node {name}: key", scope)
        elif isinstance(trigger, DeviceTrigger):
            self.devices[name] = compile_device(
                trigger,
                f"node {name}",
                lambda given, where: self._value(given, where, scope),
                self._declared(scope),
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
