"""Leaving nodes: the walk's result becomes the causing event, then what it led to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from schemas.commands import Continue
from schemas.events import EventTriggered, Moves, NodeExecuted, ScopeStarted
from schemas.json_text import canonical, parse
from streams.domain.instance.awaiting import (
    await_events,
    events_on,
    following,
    takes_many,
    throw_to_channel,
)
from streams.domain.instance.compensate import (
    end_step,
    in_scope,
    may_start,
    record,
    record_scope,
    start_step,
    trigger,
    trigger_of,
)
from streams.domain.instance.end_run import Run, end_run
from streams.domain.instance.ending import (
    RESULT,
    all_undone,
    complete,
    complete_if_done,
    end_failed,
    error_message,
    no_result,
)
from streams.domain.instance.enter import (
    UNBEGUN,
    enter,
    enter_activity,
    incident,
    not_begun,
    scope_locals,
)
from streams.domain.instance.event_scopes import Happened, arm, start_event_scope
from streams.domain.instance.handlers import Handler, handler_of
from streams.domain.instance.interrupt import stop_scope, stop_token
from streams.domain.instance.iterate import Ways, begin_iteration, go_on
from streams.domain.instance.merging import observe
from streams.domain.instance.outputs import UNMAPPED, mapped, result_writes, stay
from streams.domain.instance.places import HELD_BY_NOBODY, ROOT, at, bare, inside, scope_of
from streams.domain.instance.runs import is_run_of
from streams.domain.instance.sections import fence
from streams.domain.instance.state import RUNNING, SUSPENDED, OpenSubscription
from streams.domain.instance.variables import addressed, seen_from
from streams.domain.instance.walk import Beginning, Walk, Walked
from streams.domain.instance.work import Work
from streams.domain.net.model import Activity, Boundary, Catch, Compensate, End, Scope, Start, Throw

Cause = Callable[[Moves], msgspec.Struct]
"""Makes the event that carries the moves."""
BEGIN: Final[dict[type, Callable[[Work, str, int], None]]] = {}
"""How a token begins at some kinds of nodes, or with some triggers: their modules enter it."""


def advance(work: Work, walk: Walk, cause: Cause, scope: int = ROOT) -> None:
    """Run a walk, emit its cause with the moves, begin the waits, end when all is done."""
    suspended = work.state is not None and work.state.status == SUSPENDED
    walked = walk.run(suspended=suspended)
    work.emit(cause(walked.moves))
    settle(work, walked, scope)


def leave(
    work: Work,
    node: str,
    consumed: list[int],
    writes: dict[str, bytes],
    cause: Cause,
    scope: int = ROOT,
    before: Sequence[str] = (),
) -> None:
    """Advance from a node that is done; a straight way out of it needs no walk.

    `scope` is the running scope of the tokens, `before` what was passed before the node.
    """
    if scope and is_run_of(work.state, node, scope):
        end_run(work, Run(node, scope, consumed, writes), cause, _WAYS)
        return
    way, state = work.graph.straight.get(node), work.state
    suspended = state is not None and state.status == SUSPENDED
    if way is None and node in work.graph.undoing:
        _undone(work, node, consumed, cause, scope)
        return
    if way is None or suspended or scope or before or work.exhausted(way.steps):
        walk = Walk(work, consumed, writes, scope)
        walk.pass_by(before)
        if work.graph.outgoing[node]:
            walk.leave(node)
        else:
            walk.pass_by([node])
        advance(work, walk, cause, scope)
        return
    work.steps += way.steps
    work.emit(cause(Moves(consumed, [], way.path, writes)))
    if way.entry:
        begin(work, way.entry, work.state.next_token)
    complete_if_done(work)


def settle(work: Work, walked: Walked, scope: int = ROOT) -> None:
    """Begin what the walk reached; end the scope or the instance where no token is left."""
    if walked.final:
        _final(work, walked.final, scope)
        return
    for trouble in walked.troubles:
        incident(
            work,
            trouble.node,
            work.state.next_token,
            trouble.code,
            trouble.message,
            trouble.expression,
            trouble.values,
            trouble.place,
        )
    for node, token in walked.entries:
        if not token or token in work.state.tokens:  # What began before may have stopped it.
            begin(work, node, token or work.state.next_token)
    if walked.held:
        work.send(work.ctx.aggregate_id, work.state.incarnation, Continue())
    if scope:
        complete_scope_if_done(work, scope)
    else:
        complete_if_done(work)


def begin(work: Work, node: str, token: int) -> None:
    """Let a token begin to wait at a node; a scope begins with its own start."""
    graph = work.graph
    if graph.repeats and node in graph.repeats and not _is_in_run(work, node, token):
        begin_iteration(work, node, token, _WAYS)
        return
    kind = graph.nodes[node].kind
    if type(kind) is Activity:  # The most frequent by far.
        enter_activity(work, node, kind, token)
    elif isinstance(kind, Scope):
        _begin_scope(work, node, token)
    elif own := BEGIN.get(type(kind)) or BEGIN.get(type(getattr(kind, "trigger", None))):
        own(work, node, token)
    elif isinstance(kind, Throw):
        _throw_event(work, node, kind, token)
    elif isinstance(kind, Compensate):
        _throw_compensation(work, node, kind, token)
    else:
        enter(work, node, token)


def _is_in_run(work: Work, node: str, token: int) -> bool:
    return is_run_of(work.state, node, scope_of(work.state.tokens.get(token, "")))


_WAYS: Final = Ways(begin, leave)


def go_on_all(work: Work) -> None:
    """Begin the runs of repeated nodes that could not begin before."""
    for key in list(work.state.iterations):
        if key in work.state.iterations:
            go_on(work, key, _WAYS)


def _throw_event(work: Work, node: str, kind: Throw, token: int) -> None:
    """Send a message or a signal, and leave the event at once."""
    scope = scope_of(work.state.tokens.get(token, ""))
    try:
        payload = throw_to_channel(work, node, kind, scope)
    except UNBEGUN as error:
        not_begun(work, node, token, error)
        return

    def cause(moves: Moves) -> NodeExecuted:
        return NodeExecuted(node, "throw", moves, output=payload)

    leave(work, node, [token], {}, cause, scope)


def _throw_compensation(work: Work, node: str, kind: Compensate, token: int) -> None:
    """Undo what is done in the scope, or one node of it; go on at once where there is nothing."""
    scope = scope_of(work.state.tokens.get(token, ""))
    if token not in work.state.rollbacks:
        numbers = in_scope(work.state, scope, kind.node)
        if not numbers:
            _leave_compensation(work, node, token, scope)
            return
        trigger(work, node, token, numbers)
    undo_next(work, token)


def _leave_compensation(work: Work, node: str, token: int, scope: int) -> None:
    leave(work, node, [token], {}, lambda moves: NodeExecuted(node, "compensate", moves), scope)


def undo_next(work: Work, token: int) -> None:
    """Begin the next step of what is being undone, or go on where all is."""
    rollback = work.state.rollbacks[token]
    if work.state.status == SUSPENDED:
        return
    if not rollback.steps:
        if rollback.node:
            scope = scope_of(work.state.tokens[token])
            _leave_compensation(work, rollback.node, token, scope)
        else:
            all_undone(work, rollback)
        return
    if not may_start(work):
        work.send(work.ctx.aggregate_id, work.state.incarnation, Continue())
        return
    entry = start_step(work, token)
    if entry is not None:
        begin(work, *entry)


def undo_held(work: Work) -> None:
    """Go on with what could not while suspended, or where a command's share was done."""
    for token in list(work.state.rollbacks):
        held = work.state.rollbacks.get(token)
        if held is not None and not held.started and work.state.status == RUNNING:
            undo_next(work, token)


def _undone(work: Work, node: str, consumed: list[int], cause: Cause, scope: int) -> None:
    """A compensation handler is done: its result goes nowhere."""
    token = trigger_of(work.state, scope)
    work.emit(cause(Moves(consumed, [], [node])))
    if token:
        end_step(work, token)
        undo_next(work, token)


def _begin_scope(work: Work, node: str, token: int) -> None:
    """Run a scope from its start; what its boundary events wait for begins with it."""
    around = scope_of(work.state.tokens.get(token, ""))
    try:
        known = fence(work, node, token, around)
        if known is None:
            return
        own = scope_locals(work, node, around) | known
        inside = is_run_of(work.state, node, around)
        events = [] if inside else events_on(work, node, token, around)
    except UNBEGUN as error:
        not_begun(work, node, token, error)
        return
    key = work.next_sequence
    walk = Walk(work, [], {}, around, Beginning(key, token, own))
    walk.leave(work.graph.starts[node])
    walked = walk.run()
    work.emit(ScopeStarted(node, token, own, walked.moves))
    observe(work, node, token, around)
    await_events(work, token, events)
    arm(work, node, key)
    settle(work, walked, key)


def complete_scope_if_done(work: Work, scope: int) -> None:
    """End a running scope in which no token is left, and leave its node."""
    state = work.state
    if state.status != RUNNING or scope not in state.scopes:
        return
    left = inside(state.tokens, scope)
    if all(place.endswith(HELD_BY_NOBODY) for place in left.values()):
        end_scope(work, scope, list(left))


def end_scope(work: Work, scope: int, left: list[int]) -> None:
    """Map a scope's outputs and leave its node; `left` are tokens that end with it."""
    opened = work.state.scopes[scope]
    node, token = opened.node, opened.token
    around = scope_of(work.state.tokens[token])
    try:
        outputs = mapped(work, node, {}, {}, scope, around, token)
        if node in work.graph.handlers:
            record(work, node, around, outputs)
        elif work.state.completions and node not in work.graph.undoing:
            record_scope(work, node, around, scope)
    except UNMAPPED as error:
        work.emit(NodeExecuted(node, "scope_done", Moves(left)))
        no_result(work, node, f"the output of {node}", at(RESULT, scope), error)
        return

    def cause(moves: Moves) -> NodeExecuted:
        return NodeExecuted(node, "scope", moves)

    leave(work, node, [token, *left], outputs, cause, around)


def _final(work: Work, end: str, scope: int) -> None:
    """Do what an end says that takes every other token of its scope with it."""
    kind = work.graph.nodes[end].kind
    assert isinstance(kind, End)
    if kind.error is not None:
        message = error_message(work, end, scope)
        throw(work, kind.error.code, message, end, handler_of(work, kind.error.code, "", 0, scope))
    elif scope:
        end_scope(work, scope, stop_scope(work, scope, f"{end} was reached"))
    else:
        complete(work, end, stop_scope(work, ROOT, f"{end} was reached"))


def throw(work: Work, code: str, message: str, node: str, handler: Handler | None) -> None:
    """Let a handler catch an error that a node threw; without one the workflow fails."""
    if handler is None:
        end_failed(work, code, message, node)
        return
    error = {"code": code, "message": message, "node": node}
    reason = f"{handler.boundary} caught the error {code}"
    consumed = stop_token(work, handler.token, reason)

    def cause(moves: Moves) -> EventTriggered:
        return EventTriggered(
            handler.boundary, "error", 0, handler.host, moves, payload=canonical(error)
        )

    out_of(work, handler.boundary, consumed, cause, handler.scope, {"error": error})


def catch(
    work: Work, key: int, opened: OpenSubscription, payload: bytes = b"null", message_id: str = ""
) -> None:
    """Let an event act that is waited for: beside a node's work, among several, or alone."""
    place = work.state.tokens[opened.token]
    scope, host, node = scope_of(place), bare(place).partition("/")[0], opened.node

    kind = work.graph.nodes[node].kind
    stays = opened.kind != "timer" and takes_many(work, node)
    next_due = missed = 0
    if opened.schedule:
        next_due, missed = following(work, opened)
        stays, payload = bool(next_due), canonical({"due": opened.due, "missed": missed})

    def cause(moves: Moves) -> EventTriggered:
        due = opened.due
        return EventTriggered(
            node, opened.kind, key, host, moves, due, payload, message_id, stays, missed, next_due
        )

    extra = {"output": parse(payload)}
    if not isinstance(kind, Boundary):
        before = () if host == node else (host, *(f.id for f in work.graph.incoming[node]))
        out_of(work, node, [opened.token], cause, scope, extra, before)
        return
    consumed: list[int] = []
    if kind.interrupting:
        consumed = stop_token(work, opened.token, f"{node} interrupted it")
    out_of(work, node, consumed, cause, scope, extra)


def out_of(
    work: Work,
    node: str,
    consumed: list[int],
    cause: Cause,
    scope: int,
    extra: dict[str, Any],
    before: Sequence[str] = (),
) -> None:
    """Leave an event that acts, with its output mapping; `extra` are names that this sees."""
    if isinstance(work.graph.nodes[node].kind, Start):
        start_event_scope(work, Happened(node, consumed, cause, scope, extra), leave)
        return
    try:
        writes = mapped(work, node, taken(work, node, extra, scope), extra, scope)
    except UNMAPPED as error:
        work.emit(cause(Moves(consumed, [], [*before])))
        stay(work, node, work.state.next_token, error, scope, extra=extra)
        return
    leave(work, node, consumed, writes, cause, scope, before)


def taken(work: Work, node: str, extra: dict[str, Any], scope: int) -> dict[str, bytes]:
    """Return the variable that takes a caught payload, where the author named one."""
    kind = work.graph.nodes[node].kind
    if not isinstance(kind, Catch) or not kind.result_path:
        return {}
    payload = extra["output"]
    seen = seen_from(work.state, scope)
    return result_writes(seen, kind.result_path, payload, canonical(payload))


def moved(
    work: Work, token: int, scope: int = ROOT, writes: dict[str, bytes] | None = None
) -> Moves:
    """Return the moves of a node that is done and cannot be left."""
    return Moves([token], [], [], addressed(work.state, scope, writes or {}))
