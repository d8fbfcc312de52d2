"""Leaving nodes: the walk's result becomes the causing event, then what it led to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

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
from streams.domain.instance.ending import RESULT, complete, complete_if_done, end_failed, no_result
from streams.domain.instance.enter import (
    UNBEGUN,
    enter,
    incident,
    not_begun,
    scope_locals,
)
from streams.domain.instance.handlers import Handler, handler_of
from streams.domain.instance.interrupt import stop_scope, stop_token
from streams.domain.instance.merging import observe
from streams.domain.instance.outputs import UNMAPPED, mapped, result_writes, stay
from streams.domain.instance.places import ROOT, SPENT, at, bare, inside, scope_of
from streams.domain.instance.state import RUNNING, SUSPENDED, OpenSubscription
from streams.domain.instance.variables import addressed, seen_from
from streams.domain.instance.walk import Beginning, Walk, Walked
from streams.domain.instance.work import Work
from streams.domain.net.model import Activity, Boundary, Catch, End, Scope, Throw

Cause = Callable[[Moves], msgspec.Struct]
"""Makes the event that carries the moves."""


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
    way = work.graph.straight.get(node)
    suspended = work.state is not None and work.state.status == SUSPENDED
    if way is None or suspended or scope or before or work.exhausted(way.steps):
        walk = Walk(work, consumed, writes, scope)
        walk.pass_by(before)
        walk.leave(node)
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
    kind = work.graph.nodes[node].kind
    if type(kind) is Activity:  # The most frequent by far.
        enter(work, node, token)
    elif isinstance(kind, Scope):
        _begin_scope(work, node, token)
    elif isinstance(kind, Throw):
        _throw_event(work, node, kind, token)
    else:
        enter(work, node, token)


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


def _begin_scope(work: Work, node: str, token: int) -> None:
    """Run a scope from its start; what its boundary events wait for begins with it."""
    around = scope_of(work.state.tokens.get(token, ""))
    try:
        own = scope_locals(work, node, around)
        events = events_on(work, node, token, around)
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
    settle(work, walked, key)


def complete_scope_if_done(work: Work, scope: int) -> None:
    """End a running scope in which no token is left, and leave its node."""
    state = work.state
    if state.status != RUNNING or scope not in state.scopes:
        return
    left = inside(state.tokens, scope)
    if all(place.endswith(SPENT) for place in left.values()):
        end_scope(work, scope, list(left))


def end_scope(work: Work, scope: int, left: list[int]) -> None:
    """Map a scope's outputs and leave its node; `left` are tokens that end with it."""
    opened = work.state.scopes[scope]
    node, token = opened.node, opened.token
    around = scope_of(work.state.tokens[token])
    try:
        outputs = mapped(work, node, {}, {}, scope, around, token)
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
        message = _message(work, end, scope)
        throw(work, kind.error.code, message, end, handler_of(work, kind.error.code, "", 0, scope))
    elif scope:
        end_scope(work, scope, stop_scope(work, scope, f"{end} was reached"))
    else:
        complete(work, end, stop_scope(work, ROOT, f"{end} was reached"))


def _message(work: Work, end: str, scope: int) -> str:
    """Return an error end's message; one that cannot be computed says so itself."""
    try:
        return str(work.graph.messages[end].evaluate(seen_from(work.state, scope)))
    except UNMAPPED as error:
        return f"the error's message cannot be computed: {error}"


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

    _out_of(work, handler.boundary, consumed, cause, handler.scope, {"error": error})


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
        _out_of(work, node, [opened.token], cause, scope, extra, before)
        return
    consumed: list[int] = []
    if kind.interrupting:
        consumed = stop_token(work, opened.token, f"{node} interrupted it")
    _out_of(work, node, consumed, cause, scope, extra)


def _out_of(
    work: Work,
    node: str,
    consumed: list[int],
    cause: Cause,
    scope: int,
    extra: dict[str, Any],
    before: Sequence[str] = (),
) -> None:
    """Leave an event with its output mapping."""
    try:
        writes = mapped(work, node, _taken(work, node, extra, scope), extra, scope)
    except UNMAPPED as error:
        work.emit(cause(Moves(consumed, [], [*before])))
        stay(work, node, work.state.next_token, error, scope)
        return
    leave(work, node, consumed, writes, cause, scope, before)


def _taken(work: Work, node: str, extra: dict[str, Any], scope: int) -> dict[str, bytes]:
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
