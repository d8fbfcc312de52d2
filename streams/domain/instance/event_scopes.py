"""Event sub-processes: scopes inside a scope, started by an event of it.

While the scope around runs, each has a guard: a token at `NODE/armed` on which its subscription
hangs, so that it ends with that scope. A guard holds up no end. Errors and escalations are not
waited for; `handlers.py` finds who takes them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from schemas.events import Moves, NodeExecuted, ScopeStarted, Token
from schemas.json_text import canonical
from streams.domain.instance.awaiting import await_events, awaited, is_thrown
from streams.domain.instance.enter import UNBEGUN, not_begun, scope_locals
from streams.domain.instance.interrupt import stop_scope
from streams.domain.instance.merging import observe
from streams.domain.instance.outputs import UNMAPPED, mapped, result_writes, stay
from streams.domain.instance.places import ARMED, ROOT, at
from streams.domain.instance.state import RUNNING
from streams.domain.instance.variables import addressed, seen_from
from streams.domain.instance.work import Work
from streams.domain.net.escalation import EscalationTrigger
from streams.domain.net.model import ErrorTrigger, Start

Leave = Callable[..., None]
"""`advance.leave`."""


class Happened(NamedTuple):
    """The event that starts an event sub-process."""

    start: str
    consumed: list[int]
    """Its guard, if it was waited for."""
    cause: Callable[[Moves], msgspec.Struct]
    """Makes the event that carries the moves."""
    around: int
    """The running scope around."""
    extra: dict[str, Any]
    """What the start's output sees beside the variables."""


def arm(work: Work, node: str, scope: int) -> None:
    """Begin to wait for what starts the event sub-processes of a scope that begins."""
    for start in work.graph.event_starts.get(node, ()):
        if not is_thrown(work, start):
            arm_one(work, start, work.state.next_token, scope)


def arm_workflow(work: Work) -> None:
    """Do so for the workflow itself, unless it is over or interrupted already."""
    if work.graph.event_starts and work.state.status == RUNNING and not interrupted(work, ROOT):
        arm(work, "", ROOT)


def arm_one(work: Work, start: str, guard: int, scope: int) -> None:
    """Put a guard in a scope; where its values cannot be computed, it has an incident."""
    place = at(work.graph.nodes[start].scope + ARMED, scope)
    try:
        event = awaited(work, start, scope)
    except UNBEGUN as error:
        not_begun(work, start, guard, error, place)
        return
    await_events(work, guard, [event], place)


def interrupted(work: Work, scope: int) -> bool:
    """Tell whether an event sub-process runs in a scope that stopped all else in it."""
    graph = work.graph
    node = work.state.scopes[scope].node if scope else ""
    places = set(work.state.tokens.values())
    starts = (graph.nodes[name] for name in graph.event_starts.get(node, ()))
    return any(_interrupts(one.kind) and at(one.scope, scope) in places for one in starts)


def _interrupts(kind: object) -> bool:
    return isinstance(kind, Start) and kind.interrupting


def start_event_scope(work: Work, happened: Happened, leave: Leave) -> None:
    """Stop what is interrupted, and begin the event sub-process from its start."""
    start, consumed, cause, around, extra = happened
    node = work.graph.nodes[start].scope
    if _interrupts(work.graph.nodes[start].kind):
        stopped = stop_scope(work, around, f"{start} interrupted it")
        consumed = list(dict.fromkeys([*consumed, *stopped]))
    elif getattr(cause(Moves()), "stays", False):
        consumed = []
    token = work.state.next_token
    work.emit(cause(Moves(consumed, [Token(token, at(node, around))])))
    try:
        own = scope_locals(work, node, around)
    except UNBEGUN as error:
        not_begun(work, node, token, error)
        return
    key = work.emit(ScopeStarted(node, token, own, Moves()))
    observe(work, node, token, around)
    arm(work, node, key)
    _leave_start(work, start, key, extra, leave)


def _leave_start(work: Work, start: str, scope: int, extra: dict[str, Any], leave: Leave) -> None:
    kind = work.graph.nodes[start].kind
    assert isinstance(kind, Start)
    payload = next(iter(extra.values()))
    extra = {**extra, "output": payload}
    text = canonical(payload)
    seen = seen_from(work.state, scope)
    writes = result_writes(seen, kind.result_path, payload, text) if kind.result_path else {}
    try:
        done = mapped(work, start, writes, extra, scope)
    except UNMAPPED as error:
        # A retry maps the payload again: it is kept where the author wants it, or as `result`.
        kept = writes or result_writes({}, "", payload, text)
        moves = Moves(writes=addressed(work.state, scope, kept))
        work.emit(NodeExecuted(start, "start", moves))
        stay(work, start, work.state.next_token, error, scope)
        return
    leave(work, start, [], done, lambda moves: NodeExecuted(start, "start", moves), scope)


def seen_again(kind: object, output: Any) -> dict[str, Any]:
    """Return the names that an output mapping sees when it is tried again."""
    seen = {"output": output}
    if isinstance(kind, Start) and isinstance(kind.trigger, ErrorTrigger):
        seen["error"] = output
    elif isinstance(kind, Start) and isinstance(kind.trigger, EscalationTrigger):
        seen["escalation"] = output
    return seen
