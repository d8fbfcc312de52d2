"""Blocks of every construct, sound by construction as those of `blocks.py`, which they nest.

Besides those: `("wait",)`, `("approval",)`, `("condition",)`, `("events",)` (the first of two
timers), `("ask",)` (an activity beside which an event goes its own way), `("each_task",)`,
`("loop_task",)`; and of a part: `("scope", block)`, `("each", block)`, `("loop_scope", block)`,
`("guarded", block)` (a timer interrupts it), `("caught", block)` (it may end with an error),
`("undone", block)` (what it did can be undone, and at a choice is).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from streams.testing.blocks import ONCE, PICK, Block, Blocks, Ends

_TASK: Final[dict[str, Any]] = {"type": "activity", "activity_type": "t", "result_path": "out"}
_SINGLE: Final[dict[str, dict[str, Any]]] = {
    "wait": {"type": "wait", "all": [{"name": "a", "duration": 5}, {"name": "b", "duration": 9}]},
    "approval": {"type": "approval", "candidate_users": ["ann"], "result_path": "said"},
    "condition": {"type": "catch", "condition": f"${{{PICK} >= 0}}"},
    "each_task": {**_TASK, "each": {"count": 3, "max_parallel": 2, "collect": "found"}},
    "loop_task": {**_TASK, "loop": {"max": 2}},
}
SINGLE_KINDS: Final = (*_SINGLE, "events", "ask")
PART_KINDS: Final = ("scope", "each", "loop_scope", "guarded", "caught", "undone")


class AllBlocks(Blocks):
    """Writes a tree of any blocks as a definition's source."""

    def _block(self, tree: Block) -> Ends:
        kind, *parts = tree
        if kind in _SINGLE:
            name = self._node(**_SINGLE[kind])
            return name, name
        single: dict[str, Callable[[], Ends]] = {"events": self._events, "ask": self._ask}
        several: dict[str, Callable[[Block], Ends]] = {
            "scope": self._plain_scope,
            "each": lambda part: self._plain_scope(part, each={"count": 2}),
            "loop_scope": lambda part: self._plain_scope(part, loop={"max": 2}),
            "guarded": self._guarded,
            "caught": self._caught,
            "undone": self._undone,
        }
        if kind in single:
            return single[kind]()
        if kind in several:
            return several[kind](parts[0])
        return super()._block(tree)

    def _plain_scope(self, part: Block, **fields: Any) -> Ends:
        name = self._within(part, **fields)
        return name, name

    def _within(self, part: Block, failing: str = "", **fields: Any) -> str:
        """Write a scope around a part; with `failing` one of its ends throws that error."""
        name = self._node(type="scope", **fields)
        outer, self._scope = self._scope, name
        begin = self._node(type="start")
        first, last = self._block(part)
        self._flow(begin, first)
        end = self._node(type="end")
        if failing:
            choice = self._node(type="exclusive")
            error = self._node(type="end", error=failing)
            self._flow(last, choice)
            self._flow(choice, error, condition=f"{PICK} == 1")
            self._flow(choice, end, default=True)
        else:
            self._flow(last, end)
        self._scope = outer
        return name

    def _guarded(self, part: Block) -> Ends:
        host = self._within(part)
        late = self._node(type="boundary", host=host, duration=20)
        return self._merged(host, late)

    def _caught(self, part: Block) -> Ends:
        host = self._within(part, "Broken")
        caught = self._node(type="boundary", host=host, error="Broken")
        return self._merged(host, caught)

    def _merged(self, host: str, event: str) -> Ends:
        merge = self._node(type="exclusive")
        instead = self._node(type="activity", activity_type="instead")
        self._flow(host, merge)
        self._flow(event, instead)
        self._flow(instead, merge)
        return host, merge

    def _undone(self, part: Block) -> Ends:
        """Write work that can be undone, the part, and a choice whether it is."""
        undo = self._node(type="activity", activity_type="u", retry=ONCE, on_failure="skip")
        work = self._node(**_TASK, compensate_with=undo)
        first, last = self._block(part)
        choice, merge = self._node(type="exclusive"), self._node(type="exclusive")
        throw = self._node(type="throw", compensate=work)
        self._flow(work, first)
        self._flow(last, choice)
        self._flow(choice, throw, condition=f"{PICK} == 2")
        self._flow(choice, merge, default=True)
        self._flow(throw, merge)
        return work, merge

    def _events(self) -> Ends:
        gateway, merge = self._node(type="event_gateway"), self._node(type="exclusive")
        for seconds in (5, 9):
            timer = self._node(type="timer", duration=seconds)
            self._flow(gateway, timer)
            self._flow(timer, merge)
        return gateway, merge

    def _ask(self) -> Ends:
        """Write an activity beside which, after a while, another way begins and ends."""
        work = self._node(**_TASK)
        slow = self._node(type="boundary", host=work, duration=3, interrupting=False)
        remind = self._node(type="activity", activity_type="remind")
        self._flow(slow, remind)
        self._flow(remind, self._node(type="end"))
        return work, work
