"""Definitions of nested blocks, each with one way in and one way out: sound by construction.

A block is `("task",)`, `("mail",)`, `("timer",)`, `("call",)`, `("pass",)`, or a kind and its
parts: `("sequence", [...])`, `("parallel", [...])`, `("exclusive", [...])`, `("loop", block)`,
`("inclusive", [...])`, `("partial", [...])` (all but the last are waited for). An activity that
recovers from its first failure is `("skip",)`, `("manual",)`, `("fallback",)` or `("undo",)`, a
fallback after a compensation.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

Block = tuple[Any, ...]
Ends = tuple[str, str]
"""A block's first and last node."""

ROUNDS: Final = 3
"""How often a loop goes round."""
PICK: Final = "pick"
"""The variable, an integer, that decides every choice."""
ONCE: Final = {"max_attempts": 0}
_SINGLE: Final[dict[str, dict[str, Any]]] = {
    "task": {"type": "activity", "activity_type": "t", "result_path": "out"},
    "mail": {"type": "activity", "activity_type": "m", "queue": "mail"},
    "timer": {"type": "timer", "duration": 5},
    "call": {"type": "call", "definition": "other"},
    "pass": {"type": "exclusive"},
    "skip": {"type": "activity", "activity_type": "s", "retry": ONCE, "on_failure": "skip"},
    "manual": {
        "type": "activity",
        "activity_type": "m",
        "retry": ONCE,
        "on_failure": {"notification_recipients": ["a@example.org"]},
    },
}


class Blocks:
    """Writes a tree of blocks as a definition's source."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._nodes: dict[str, dict[str, Any]] = {}
        self._flows: list[dict[str, Any]] = []
        self._variables: dict[str, Any] = {}
        self._scope = ""
        """The scope whose nodes are written."""

    def source(self, tree: Block) -> str:
        """Return the source of definition `random` 1.0.0; activities are retried twice."""
        first, last = self._block(tree)
        nodes = {"start": {"type": "start"}, **self._nodes, "end": {"type": "end"}}
        self._flow("start", first)
        self._flow(last, "end")
        top = {
            "id": "random",
            "version": "1.0.0",
            "variables": self._variables,
            "retry": {"max_attempts": 2, "initial_delay": 1},
        }
        return json.dumps({**top, "nodes": nodes, "flows": self._flows})

    def _node(self, **fields: Any) -> str:
        name = f"{fields['type']}{len(self._nodes)}"
        self._nodes[name] = fields | ({"scope": self._scope} if self._scope else {})
        return name

    def _flow(self, source: str, target: str, **fields: Any) -> None:
        self._flows.append({"source": source, "target": target, **fields})

    def _block(self, tree: Block) -> Ends:
        kind, *parts = tree
        if kind in _SINGLE:
            name = self._node(**_SINGLE[kind])
            return name, name
        several: dict[str, Callable[[Any], Ends]] = {
            "sequence": self._sequence,
            "parallel": self._parallel,
            "exclusive": self._exclusive,
            "loop": self._loop,
            "inclusive": self._inclusive,
            "partial": self._partial,
        }
        if kind in ("fallback", "undo"):
            return self._recovering(undone=kind == "undo")
        return several[kind](parts[0])

    def _recovering(self, *, undone: bool) -> Ends:
        merge = self._node(type="exclusive")
        instead = self._node(type="activity", activity_type="instead")
        recovery = {"fallback": instead}
        if undone:
            undo = self._node(type="activity", activity_type="u", retry=ONCE, on_failure="skip")
            recovery["compensation_activity"] = undo
        work = self._node(type="activity", activity_type="r", retry=ONCE, on_failure=recovery)
        self._flow(work, merge)
        self._flow(instead, merge)
        return work, merge

    def _sequence(self, parts: list[Block]) -> Ends:
        ends = [self._block(part) for part in parts]
        for (_, before), (after, _) in pairwise(ends):
            self._flow(before, after)
        return ends[0][0], ends[-1][1]

    def _parallel(self, parts: list[Block]) -> Ends:
        fork, join = self._node(type="parallel"), self._node(type="parallel")
        for part in parts:
            first, last = self._block(part)
            self._flow(fork, first)
            self._flow(last, join)
        return fork, join

    def _exclusive(self, parts: list[Block]) -> Ends:
        split, merge = self._node(type="exclusive"), self._node(type="exclusive")
        for number, part in enumerate(parts):
            first, last = self._block(part)
            self._flow(split, first, condition=f"{PICK} % {len(parts) + 1} == {number}")
            self._flow(last, merge)
        self._flow(split, merge, default=True)
        return split, merge

    def _inclusive(self, parts: list[Block]) -> Ends:
        split, join = self._node(type="inclusive"), self._node(type="inclusive")
        for number, part in enumerate(parts):
            first, last = self._block(part)
            self._flow(split, first, condition=f"{PICK} % {number + 2} == 0")
            self._flow(last, join)
        self._flow(split, join, default=True)
        return split, join

    def _partial(self, parts: list[Block]) -> Ends:
        fork = self._node(type="parallel")
        join = self._node(type="join", count=max(1, len(parts) - 1))
        for part in parts:
            first, last = self._block(part)
            self._flow(fork, first)
            self._flow(last, join)
        return fork, join

    def _loop(self, part: Block) -> Ends:
        counter = f"c{len(self._variables)}"
        self._variables[counter] = {"type": "integer", "default": 0}
        first, last = self._block(part)
        enter, again, leave = (self._node(type="exclusive") for _ in range(3))
        count = self._node(type="timer", duration=0, output={counter: f"${{{counter} + 1}}"})
        self._flow(enter, first)
        self._flow(last, count)
        self._flow(count, again)
        self._flow(again, enter, condition=f"{counter} % {ROUNDS} != 0")
        self._flow(again, leave, default=True)
        return enter, leave
