"""Blocks of every construct, sound by construction as those of `blocks.py`, which they nest.

Besides those: `("wait",)`, `("approval",)`, `("condition",)`, `("events",)` (the first of two
timers), `("ask",)` (an activity beside which an event goes its own way), `("each_task",)`,
`("loop_task",)`, `("hear",)` and `("tell",)` (message `news` of key `k`), `("bell",)` and
`("ring",)` (signal `bell`), `("counted",)` (two write a variable that merges); and of a part:
`("scope", block)`, `("each", block)`, `("loop_scope", block)`, `("guarded", block)` (a timer
interrupts it), `("caught", block)` (it may end with an error), `("undone", block)` (what it did
can be undone, and at a choice is), `("escalated", block)` (somebody is told, and it may give up),
`("locked", block)` (one at a time, and none that waits too long).
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Final

from streams.testing.blocks import ONCE, PICK, Block, Blocks, Ends

_TASK: Final[dict[str, Any]] = {"type": "activity", "activity_type": "t", "result_path": "out"}
_SINGLE: Final[dict[str, dict[str, Any]]] = {
    "wait": {"type": "wait", "all": [{"name": "a", "duration": 5}, {"name": "b", "duration": 9}]},
    "approval": {"type": "approval", "candidate_users": ["ann"], "result_path": "said"},
    "condition": {"type": "catch", "condition": f"${{{PICK} >= 0}}"},
    "each_task": {**_TASK, "each": {"count": 3, "max_parallel": 2, "collect": "found"}},
    "loop_task": {**_TASK, "loop": {"max": 2}},
    "hear": {"type": "catch", "message": "news", "key": "k"},
    "tell": {"type": "throw", "message": "news", "key": "k"},
    "bell": {"type": "catch", "signal": "bell"},
    "ring": {"type": "throw", "signal": "bell"},
}
SINGLE_KINDS: Final = (
    *(kind for kind in _SINGLE if kind != "escalate"),
    "events",
    "ask",
    "counted",
)
_SCOPES: Final = ("scope", "each", "loop_scope")
PART_KINDS: Final = (*_SCOPES, "guarded", "caught", "undone", "escalated", "locked")

_PLAIN_KINDS: Final = ("task", "timer", "call", "pass", "skip", "undo")
_LISTS: Final = {"sequence": (1, 3), "parallel": (2, 3), "exclusive": (1, 2), "inclusive": (1, 2)}
"""How many parts at least and at most."""


def random_tree(random: Random, depth: int) -> Block:
    """Return a tree at most so deep, of any blocks."""
    if not depth or not random.randrange(8):
        return (random.choice(_PLAIN_KINDS + SINGLE_KINDS),)
    kind = random.choice((*_LISTS, *PART_KINDS))
    if kind in PART_KINDS:
        return (kind, random_tree(random, depth - 1))
    number = random.randint(*_LISTS[kind])
    return (kind, [random_tree(random, depth - 1) for _ in range(number)])


class AllBlocks(Blocks):
    """Writes a tree of any blocks as a definition's source."""

    def _block(self, tree: Block) -> Ends:
        kind, *parts = tree
        if kind in _SINGLE:
            name = self._node(**_SINGLE[kind])
            return name, name
        single: dict[str, Callable[[], Ends]] = {"events": self._events, "ask": self._ask}
        single |= {"counted": self._counted, "much": self._much}
        several: dict[str, Callable[[Block], Ends]] = {
            "scope": self._plain_scope,
            "each": lambda part: self._plain_scope(part, each={"count": 2}),
            "loop_scope": lambda part: self._plain_scope(part, loop={"max": 2}),
            "guarded": self._guarded,
            "caught": self._caught,
            "undone": self._undone,
            "escalated": self._escalated,
            "locked": self._locked,
        }
        if kind in single:
            return single[kind]()
        if kind in several:
            return several[kind](parts[0])
        return super()._block(tree)

    def _plain_scope(self, part: Block, **fields: Any) -> Ends:
        name = self._within(part, **fields)
        return name, name

    def _within(self, part: Block, throwing: tuple[str, str] = ("", ""), **fields: Any) -> str:
        """Write a scope around a part; one of its ends may throw that error or escalation."""
        kind, thrown = throwing
        name = self._node(type="scope", **fields)
        outer, self._scope = self._scope, name
        begin = self._node(type="start")
        first, last = self._block(part)
        self._flow(begin, first)
        end = self._node(type="end")
        if kind:
            choice = self._node(type="exclusive")
            error = self._node(type="end", **{kind: thrown})
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
        host = self._within(part, ("error", "Broken"))
        caught = self._node(type="boundary", host=host, error="Broken")
        return self._merged(host, caught)

    def _escalated(self, part: Block) -> Ends:
        told = ("sequence", [("much",), part])
        host = self._within(told, ("escalation", "Over"))
        gone = self._node(type="boundary", host=host, escalation="Over")
        beside = self._node(type="boundary", host=host, escalation="Much", interrupting=False)
        boss = self._node(type="activity", activity_type="boss")
        self._flow(beside, boss)
        self._flow(boss, self._node(type="end"))
        return self._merged(host, gone)

    def _much(self) -> Ends:
        name = self._node(type="throw", escalation="Much")
        return name, name

    def _locked(self, part: Block) -> Ends:
        host = self._within(part, lock={"name": "shared", "wait": 7})
        busy = self._node(type="boundary", host=host, error="LockAcquisition")
        return self._merged(host, busy)

    def _counted(self) -> Ends:
        name = f"n{len(self._variables)}"
        self._variables[name] = {"type": "integer", "default": 0, "merge": "counter"}
        fork, join = self._node(type="parallel"), self._node(type="parallel")
        for _ in range(2):
            more = self._node(type="activity", activity_type="t", output={name: f"${{{name} + 1}}"})
            self._flow(fork, more)
            self._flow(more, join)
        return fork, join

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
