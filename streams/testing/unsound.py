"""Random definitions of any shape, in which a worker makes every choice, and runs of them.

Between any two nodes stands an activity of its own. What it returns decides every choice until the
next one, so that a run that a proof shows can be played step by step.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any, Final

from schemas.commands import Correlate, RunInstance
from schemas.json_text import canonical
from schemas.results import CompleteActivity, FailActivity
from streams.domain.net.model import Boundary, Definition, ErrorTrigger
from streams.domain.net.petri import Step
from streams.domain.protocol import Accepted
from streams.testing.spec import Spec, instance

_KINDS: Final[tuple[dict[str, Any], ...]] = (
    {"type": "exclusive"},
    {"type": "parallel"},
    {"type": "inclusive"},
    {"type": "join", "count": 1},
    {"type": "join", "count": 2},
    {"type": "activity", "activity_type": "work", "result_path": "choice"},
)
_BETWEEN: Final = {"type": "activity", "activity_type": "between", "result_path": "choice"}
_ENDS: Final[tuple[dict[str, Any], ...]] = (
    {"type": "end"},
    {"type": "end"},
    {"type": "end", "terminate": True},
)


def random_source(random: Random) -> str:
    """Return the source of definition `random`, of a few nodes of any kind and flows anywhere."""
    nodes: dict[str, dict[str, Any]] = {"start": {"type": "start"}}
    inner = [f"n{number}" for number in range(random.randint(1, 5))]
    nodes |= {name: dict(random.choice(_KINDS)) for name in inner}
    ends = [f"end{number}" for number in range(random.randint(1, 2))]
    nodes |= {name: dict(random.choice(_ENDS)) for name in ends}
    flows: list[dict[str, Any]] = []
    for place, name in enumerate(["start", *inner]):
        after = [*inner[place:], *ends]
        targets = {after[0]}
        if name != "start":
            targets |= {random.choice([*inner, *ends]) for _ in range(random.randint(0, 2))}
        _connect(nodes, flows, name, sorted(targets), random)
    for name in [one for one in nodes if nodes[one]["type"] == "activity"]:
        if not random.randrange(5):
            _beside(nodes, flows, name, random.choice([*inner, *ends]), random)
    top = {"id": "random", "version": "1.0.0", "variables": {"choice": {"type": "map"}}}
    return json.dumps({**top, "nodes": nodes, "flows": flows})


def _connect(
    nodes: dict[str, dict[str, Any]],
    flows: list[dict[str, Any]],
    source: str,
    targets: Sequence[str],
    random: Random,
) -> None:
    """Lead from a node to others, each over an activity."""
    kind = nodes[source]["type"]
    for number, target in enumerate(targets):
        between, flow = f"a{len(nodes)}", f"f{len(flows)}"
        nodes[between] = dict(_BETWEEN)
        way: dict[str, Any] = {"id": flow, "source": source, "target": between}
        chosen = kind == "exclusive" or (kind == "inclusive" and random.randrange(4))
        if len(targets) > 1 and chosen:
            last = number == len(targets) - 1
            way |= {"default": True} if last else {"condition": f"choice.{flow}"}
        flows += [way, {"source": between, "target": target}]


def _beside(
    nodes: dict[str, dict[str, Any]],
    flows: list[dict[str, Any]],
    host: str,
    target: str,
    random: Random,
) -> None:
    """Put an event on an activity: an error, or a signal that begins a way beside it."""
    event = f"e{len(nodes)}"
    error, beside = {"error": event}, {"signal": event, "interrupting": False}
    nodes[event] = {"type": "boundary", "host": host, **random.choice([error, beside])}
    _connect(nodes, flows, event, [target], random)


class Staged:
    """A run that goes the way that somebody else has found."""

    def __init__(self, source: str, definition: Definition, run: Sequence[Step] = ()) -> None:
        """Start it; the run is what shall happen."""
        self.definition = definition
        self._ahead = list(run)
        # Sorted: what wanders has to draw the same from the same seed.
        self._chosen = sorted(flow.id for flow in definition.flows.values() if flow.condition)
        nodes = definition.nodes.values()
        self._events = {n.id: n.kind for n in nodes if isinstance(n.kind, Boundary)}
        self.spec: Spec = instance(source)
        begin = canonical({"choice": dict.fromkeys(self._chosen, False)})
        self._do(RunInstance("random", "", begin))

    @property
    def ended(self) -> bool:
        """Whether nothing more happens."""
        return bool(self.spec.state.status != "Running")

    @property
    def passed(self) -> Counter[str]:
        """How often each node and each flow was passed."""
        moves = [event.moves for event in self.spec.past if hasattr(event, "moves")]
        return Counter(name for one in moves for name in one.path)

    def open(self, node: str) -> list[int]:
        """Return the open activities of a node."""
        return [key for key, one in self.spec.state.activities.items() if one.node == node]

    def play(self) -> None:
        """Let the whole run happen.

        What stands between is finished only when the node behind it is due: the engine goes on at
        once with what can go on, and a proof may let it wait.
        """
        due: list[str] = []
        seen: Counter[str] = Counter()
        while self._ahead:
            step = self._ahead.pop(0)
            seen[step.node] += 1
            if step.node.startswith("a"):
                due.append(step.node)
                continue
            # What it waits for first; then what, still at work, could hold an inclusive join back.
            for name in sorted(due, key=lambda one: self._leads_to(one) != step.node):
                if self.passed[step.node] < seen[step.node]:
                    due.remove(name)
                    self.finish(name, self._choices(step))
            self._act(step)
        for name in due:
            self.finish(name, self._choices())

    def finish(self, node: str, choices: dict[str, bool]) -> None:
        """Let a worker finish an activity of a node, which may have been stopped meanwhile."""
        if (found := self.open(node)) and not self.ended:
            attempt = self.spec.state.activities[found[0]].attempt
            self._do(CompleteActivity(found[0], attempt, canonical(choices)))

    def trigger(self, event: str) -> None:
        """Let an event beside an activity come about."""
        kind = self._events[event]
        state = self.spec.state
        at_work = self.open(kind.host)
        if at_work and isinstance(kind.trigger, ErrorTrigger):
            attempt = state.activities[at_work[0]].attempt
            self._do(FailActivity(at_work[0], attempt, event, "", retryable=False))
        elif waiting := [key for key, one in state.subscriptions.items() if one.node == event]:
            number = f"m{len(self.spec.past)}"
            self._do(Correlate(waiting[0], f"signal:{event}", number, event, b"1"))

    def can(self) -> list[tuple[str, str]]:
        """Return what can happen: `finish` or `trigger`, and of which node."""
        at_work = {one.node for one in self.spec.state.activities.values()}
        events = [("trigger", name) for name, kind in self._events.items() if kind.host in at_work]
        return sorted([("finish", node) for node in at_work] + events)

    def wander(self, random: Random, steps: int) -> None:
        """Let anything happen, so many steps at most."""
        for _ in range(steps):
            if self.ended or not (can := self.can()):
                return
            what, node = random.choice(can)
            if what == "trigger":
                self.trigger(node)
            else:
                self.finish(node, {name: bool(random.randrange(2)) for name in self._chosen})

    def _act(self, step: Step) -> None:
        if step.node in self._events:
            self.trigger(step.node)
        else:
            self.finish(step.node, self._choices(step))

    def _choices(self, now: Step | None = None) -> dict[str, bool]:
        """Return what every node chooses next: the run says it of those that are in it."""
        first: dict[str, Step] = {}
        for step in [*([now] if now else []), *self._ahead]:
            first.setdefault(step.node, step)
        taken = {flow for step in first.values() for flow in step.taken}
        return {name: name in taken for name in self._chosen}

    def _leads_to(self, between: str) -> str:
        return next(f.target for f in self.definition.flows.values() if f.source == between)

    def _do(self, command: Any) -> None:
        decided = self.spec.when(command)
        if isinstance(decided.outcome, Accepted):
            self.spec = decided.accepted()
