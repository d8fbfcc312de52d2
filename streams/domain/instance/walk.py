"""The token game: where a token goes when its node is done.

BPMN 2.0: an exclusive gateway takes one flow, every other node all flows whose condition
holds (implicit split); a join waits (`joins.py`); any other node takes each token as it
comes (implicit merge).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from schemas.events import Moves, Token
from schemas.json_text import canonical
from streams.domain.expressions.cel import ExpressionError
from streams.domain.instance.joins import Marking, goes_on, inclusive_join
from streams.domain.instance.places import OUT, ROOT, at, inside
from streams.domain.instance.variables import addressed, seen_from
from streams.domain.instance.work import Work
from streams.domain.net.graph import Graph
from streams.domain.net.model import End, ExclusiveGateway, Flow


class Beginning(NamedTuple):
    """A scope that begins with the event of a walk."""

    key: int
    """The sequence that the event will have."""
    token: int
    """The token that waits at the scope's node."""
    variables: dict[str, bytes]


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
    entries: list[tuple[str, int]]
    """Wait nodes that were reached, in order, each with its token; 0 where it has none yet."""
    troubles: list[Trouble]
    held: bool
    """True where tokens were held back on flows because the command's share was done."""
    final: str = ""
    """The end that took every other token of the scope with it: it throws or terminates."""


class Walk:
    """One walk through the net from the nodes that are done to the next waits."""

    def __init__(
        self,
        work: Work,
        consumed: list[int],
        writes: dict[str, bytes],
        scope: int = ROOT,
        begins: Beginning | None = None,
    ) -> None:
        """Walk with the tokens consumed and the variables written by the coming event.

        `scope` is the running scope of all of them; `begins` one that the event begins.
        """
        self._work = work
        self._graph: Graph = work.graph
        state = work.state
        before = {} if state is None else seen_from(state, scope)
        if begins is not None:
            before = {**before, **begins.variables}
        self._variables = {**before, **writes} if writes else before
        self._writes = addressed(state, scope, writes) if scope else writes
        self._scope = scope if begins is None else begins.key
        self._first = 1 if state is None else state.next_token
        if begins is not None:
            self._first = max(self._first, begins.token + 1)
        self._final = ""
        self._consumed = consumed
        self._path: list[str] = []
        self._entries: list[str] = []
        self._troubles: list[Trouble] = []
        self._flows: deque[Flow] = deque()
        self._marking_now: Marking | None = None
        self._held: list[str] = []

    def pass_by(self, steps: Sequence[str]) -> None:
        """Note nodes and flows that were passed before the walk."""
        self._path.extend(steps)

    def leave(self, node: str) -> None:
        """Take the flows out of a node that is done."""
        self._path.append(node)
        self._take(node)

    @property
    def troubled(self) -> bool:
        """Tell whether a node could not choose a flow out of it."""
        return bool(self._troubles)

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
            if self._final:
                self._forget()
        held = bool(self._held) and not suspended
        moves, entries = self._moves()
        return Walked(moves, entries, self._troubles, held, self._final)

    def _forget(self) -> None:
        """Drop the tokens of this walk: an end takes every other token with it."""
        for tokens in (self._flows, self._entries, self._troubles, self._held):
            tokens.clear()
        self._marking_now = None

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
        kind = graph.nodes[node].kind
        if not isinstance(kind, End):
            self._take(node)
        elif kind.terminate or kind.error is not None:
            self._final = node

    def _marking(self) -> Marking:
        if self._marking_now is None:
            state = self._work.state
            tokens = {} if state is None else inside(state.tokens, self._scope)
            self._marking_now = Marking(tokens, self._consumed)
        return self._marking_now

    def _join(self, node: str) -> bool:
        """Leave a join if it can go on."""
        if not goes_on(self._graph, node, self._marking()):
            return False
        self.leave(node)
        return True

    def _free_a_join(self) -> bool:
        """Leave an inclusive join that nothing on its way to it holds back any more."""
        if not self._graph.or_joins or self._final:
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
        place = at(node + OUT, self._scope)
        self._troubles.append(Trouble(node, place, code, message, expression, seen))

    def _leaves_some(self) -> bool:
        """Tell whether one of several tokens may leave again before the others wait."""
        several = len(self._entries) + len(self._troubles) > 1
        return several and any(node in self._graph.passed for node in self._entries)

    def _moves(self) -> tuple[Moves, list[tuple[str, int]]]:
        places = self._held
        if self._marking_now is not None:
            places = [*self._marking_now.produced(), *self._held]
        if not self._scope and not self._leaves_some():
            produced = [Token(self._first + n, place) for n, place in enumerate(places)]
            entries = [(node, 0) for node in self._entries]
        else:
            # Inside a scope a token says where it is before anything waits with it, and so it does
            # where one goes on at once: what is still to begin must not be overlooked.
            everywhere = enumerate([*places, *self._entries], self._first)
            produced = [Token(number, at(place, self._scope)) for number, place in everywhere]
            tokens = [token.id for token in produced[len(places) :]]
            entries = list(zip(self._entries, tokens, strict=True))
        return Moves(self._consumed, produced, self._path, self._writes), entries
