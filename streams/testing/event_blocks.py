"""Blocks with events around them, sound by construction, beside those of `all_blocks.py`.

Two activities, a catch, a timer and a combined wait with a boundary event: `("host", host,
event, stops)`. A scope with one: `("around", block, event, stops)`. A scope with an event
sub-process: `("event_scope", block, event, stops)`. A timer that waits for the first of several
times: `("cycle",)` and `("cron",)`. `("any",)` waits for one of all that a wait can say;
`("items",)` works for each item of a list; `("kept", block)` holds a lock that must be extended,
and is lost in a long suspension.

An event's message is not the one that a catch waits for: a message goes to one of those who wait,
so that an event that comes again and again could take every one.
"""

from __future__ import annotations

from random import Random
from typing import Any, Final

from streams.testing.all_blocks import AllBlocks, random_tree
from streams.testing.blocks import Block, Ends


def _news(name: str) -> dict[str, str]:
    return {"name": name, "message": "news", "key": "k"}


_SINGLE: Final[dict[str, dict[str, Any]]] = {
    "cycle": {"type": "timer", "cycle": "R3/PT5S"},
    "cron": {"type": "timer", "cron": "*/5 * * * *"},
    "any": {
        "type": "wait",
        "any": [
            {"all": [_news("a"), {"name": "b", "duration": 8}]},
            {"sequence": [_news("c"), {"name": "d", "signal": "bell"}]},
            {"not": {"name": "e", "signal": "bell", "within": 20}},
            {"name": "late", "duration": 50},
        ],
    },
    "items": {
        "type": "activity",
        "activity_type": "t",
        "each": {"items": "${[4, 5, 6]}", "max_parallel": 2, "collect": "found"},
    },
}
_HOSTS: Final[dict[str, dict[str, Any]]] = {
    "activity": {"type": "activity", "activity_type": "t", "result_path": "out"},
    "message": {"type": "catch", "message": "news", "key": "k"},
    "signal": {"type": "catch", "signal": "bell"},
    "timer": {"type": "timer", "duration": 30},
    "wait": {
        "type": "wait",
        "any": [{"name": "a", "duration": 40}, {"name": "b", "message": "news", "key": "k"}],
    },
}
_EVENTS: Final[dict[str, dict[str, Any]]] = {
    "message": {"message": "off", "key": "k"},
    "signal": {"signal": "bell"},
    "duration": {"duration": 6},
    "cycle": {"cycle": "R3/PT5S"},
}
_THROWN: Final[dict[str, dict[str, Any]]] = {
    "error": {"error": "Stopped"},
    "escalation": {"escalation": "Stopped"},
}


def event_tree(random: Random, depth: int) -> Block:
    """Return a tree at most so deep; about half of it is written here, or a join of some."""
    if not depth or random.randrange(2):
        return random_tree(random, depth)
    kind = random.choice(("host", "around", "event_scope", "partial", "kept", *_SINGLE))
    if kind in _SINGLE:
        return (kind,)
    if kind == "partial":
        return (kind, [event_tree(random, depth - 1) for _ in range(3)])
    if kind == "kept":
        return (kind, event_tree(random, depth - 1))
    stops = random.choice((True, False))
    if kind == "host":
        return (kind, random.choice([*_HOSTS]), random.choice([*_EVENTS]), stops)
    events = [*_EVENTS] if kind == "around" else [*_EVENTS, *_THROWN]
    event = random.choice(events)
    return (kind, event_tree(random, depth - 1), event, stops or event == "error")


class EventBlocks(AllBlocks):
    """Writes a tree of any blocks, these too, as a definition's source."""

    def _block(self, tree: Block) -> Ends:
        kind, *parts = tree
        if kind in _SINGLE:
            name = self._node(**_SINGLE[kind])
            return name, name
        if kind == "host":
            host, event, stops = parts
            return self._with_event(self._node(**_HOSTS[host]), event, stops=stops)
        if kind == "around":
            part, event, stops = parts
            return self._with_event(self._within(part), event, stops=stops)
        if kind == "kept":
            host = self._within(parts[0], lock={"name": f"kept{len(self._nodes)}", "ttl": 9})
            return self._merged(host, self._node(type="boundary", host=host, error="LockLost"))
        if kind == "event_scope":
            return self._event_scope(*parts)
        return super()._block(tree)

    def _with_event(self, host: str, event: str, *, stops: bool) -> Ends:
        boundary = self._node(type="boundary", host=host, interrupting=stops, **_EVENTS[event])
        if stops:
            return self._merged(host, boundary)
        beside = self._node(type="activity", activity_type="beside")
        self._flow(boundary, beside)
        self._flow(beside, self._node(type="end"))
        return host, host

    def _event_scope(self, part: Block, event: str, stops: bool) -> Ends:  # noqa: FBT001
        """Write a scope around a part, and what an event starts within it."""
        throwing = (event, "Stopped") if event in _THROWN else ("", "")
        host = self._within(part, throwing)
        outer, self._scope = self._scope, host
        name = self._node(type="scope", event=True)
        self._scope = name
        when = _EVENTS.get(event) or _THROWN[event]
        begin = self._node(type="start", interrupting=stops, **when)
        work = self._node(type="activity", activity_type="beside")
        self._flow(begin, work)
        self._flow(work, self._node(type="end"))
        self._scope = outer
        return host, host
