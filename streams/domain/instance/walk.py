"""The token game: where a token goes when its node is done.

BPMN 2.0: an exclusive gateway takes one flow, every other node all flows whose condition
holds (implicit split); a join waits (`joins.py`); any other node takes each token as it
comes (implicit merge).
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import msgspec

from schemas.events import Moves, Token
from schemas.json_text import canonical
from streams.domain.expressions.cel import ExpressionError
from streams.domain.instance.joins import OUT, Marking, goes_on, inclusive_join
from streams.domain.instance.work import Work
from streams.domain.net.graph import Graph
from streams.domain.net.model import End, ExclusiveGateway, Flow


class Trouble(NamedTuple):
    """Why a token cannot go on: becomes an incident."""

    node: str
    place: str
    code: str
    message: str
    expression: str
    values: bytes


class Walked(msgspec.Struct, frozen=True, gc=False):
    """How far the tokens came."""

    moves: Moves
    entries: list[str]
    """Wait nodes that were reached, in order."""
    troubles: list[Trouble]
    held: bool
    """True where tokens were held back on flows because the command's share was done."""


class Walk:
    """One walk through the net from the nodes that are done to the next waits."""

    def __init__(self, work: Work, consumed: list[int], writes: dict[str, bytes]) -> None:
        """Walk with the tokens consumed and the variables written by the coming event."""
        self._work = work
        self._graph: Graph = work.graph
        state = work.state
        before = {} if state is None else state.variables
        self._variables = {**before, **writes} if writes else before
        self._writes = writes
        self._consumed = consumed
        self._path: list[str] = []
        self._entries: list[str] = []
        self._troubles: list[Trouble] = []
        self._flows: deque[Flow] = deque()
        self._marking_now: Marking | None = None
        self._held: list[str] = []

    def leave(self, node: str) -> None:
        """Take the flows out of a node that is done."""
        self._path.append(node)
        self._take(node)

    def arrive(self, flow: Flow) -> None:
        """Go on with a token that was held back on a flow."""
        self._flows.append(flow)

    def check_join(self, node: str) -> None:
        """Fire a join, as often as it can, whose tokens came while nothing was routed."""
        while node not in self._graph.or_joins and self._join(node):
            pass

    def run(self, *, suspended: bool = False) -> Walked:
        """Follow the flows until every token waits; while suspended none goes any further."""
        work = self._work
        while self._flows or (not suspended and self._free_a_join()):
            if not self._flows:
                continue  # The join that was freed could not leave.
            flow = self._flows.popleft()
            if suspended or work.exhausted():
                self._held.append(flow.id)
                continue
            work.steps += 1
            self._path.append(flow.id)
            self._enter(flow)
        held = bool(self._held) and not suspended
        return Walked(self._moves(), self._entries, self._troubles, held)

    def _enter(self, flow: Flow) -> None:
        node = flow.target
        graph = self._graph
        if node in graph.joins:
            self._marking().put(flow.id)
            if node not in graph.or_joins:
                self._join(node)
            return
        if node in graph.waits:
            self._entries.append(node)
            return
        self._path.append(node)
        if not isinstance(graph.nodes[node].kind, End):
            self._take(node)

    def _marking(self) -> Marking:
        if self._marking_now is None:
            state = self._work.state
            self._marking_now = Marking({} if state is None else state.tokens, self._consumed)
        return self._marking_now

    def _join(self, node: str) -> bool:
        """Leave a join if it can go on."""
        if not goes_on(self._graph, node, self._marking()):
            return False
        self.leave(node)
        return True

    def _free_a_join(self) -> bool:
        """Leave an inclusive join that nothing on its way to it holds back any more."""
        if not self._graph.or_joins:
            return False
        marking = self._marking()
        elsewhere = [*self._held, *self._entries, *(trouble.node for trouble in self._troubles)]
        found = inclusive_join(self._graph, marking, elsewhere)
        if found is None:
            return False
        join, arrived = found
        for flow in arrived:
            marking.take(flow)
        self.leave(join)
        return True

    def _take(self, node: str) -> None:
        routes = self._graph.outgoing[node]
        if len(routes) == 1 and routes[0].condition is None:
            self._flows.append(routes[0].flow)
            return
        try:
            chosen = self._choose(node)
        except ExpressionError as error:
            self._trouble(
                node, "expression_failed", str(error), error.source, canonical(error.values)
            )
            return
        if chosen:
            self._flows.extend(chosen)
        else:
            self._trouble(
                node,
                "no_true_branch",
                f"no condition out of {node} is true and it has no default flow",
                "",
                b"null",
            )

    def _choose(self, node: str) -> list[Flow]:
        one = isinstance(self._graph.nodes[node].kind, ExclusiveGateway)
        chosen: list[Flow] = []
        for route in self._graph.outgoing[node]:
            if route.flow.default and chosen:
                break
            condition = route.condition
            if condition is None or condition.truth(self._variables):
                chosen.append(route.flow)
                if one:
                    break
        return chosen

    def _trouble(self, node: str, code: str, message: str, expression: str, seen: bytes) -> None:
        self._troubles.append(Trouble(node, node + OUT, code, message, expression, seen))

    def _moves(self) -> Moves:
        places = self._held
        if self._marking_now is not None:
            places = [*self._marking_now.produced(), *self._held]
        state = self._work.state
        token = 1 if state is None else state.next_token
        produced = [Token(token + n, place) for n, place in enumerate(places)]
        return Moves(self._consumed, produced, self._path, self._writes)
