"""What follows when a node has failed for good: its retries are used up, or make no sense.

In this order, from the author's most specific word outwards: an error boundary event of the
node; with `compensate` the compensation activity first; the fallback; the strategy of the node,
else of the definition, else of the engine. `fail_workflow` throws the error outwards, where a
boundary event of a scope around may catch it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from schemas.events import CompensationStarted, Moves, Token
from streams.domain.instance.advance import leave, throw
from streams.domain.instance.enter import enter, incident, shortened
from streams.domain.instance.handlers import Handler, catching, handler_of
from streams.domain.instance.notify import notify
from streams.domain.instance.places import at, bare, scope_of
from streams.domain.instance.runs import whole
from streams.domain.instance.state import RUNNING, SUSPENDED, OpenCompensation
from streams.domain.instance.work import Work
from streams.domain.net.model import (
    COMPENSATE,
    FAIL_WORKFLOW,
    MANUAL_INTERVENTION,
    SKIP,
    Boundary,
    Recovery,
)
from streams.domain.net.scopes import recovery_of

RETRY: Final = "retry"
BOUNDARY: Final = "boundary"
FALLBACK: Final = "fallback"

Cause = Callable[[str, Moves], msgspec.Struct]
"""Makes the event of the failure, which says what follows and carries the moves."""


class Failed(NamedTuple):
    """A node that has failed for good, and its error."""

    node: str
    token: int
    code: str
    message: str


def recover(work: Work, failed: Failed, cause: Cause) -> None:
    """Do what follows a failure; the event that `cause` makes is emitted first."""
    node, token, code, message = failed
    scope = scope_of(work.state.tokens.get(token, ""))
    what, handler, recovery = _answer(work, failed, scope)
    if what == SKIP:
        _skip(work, failed, scope, cause)
    elif what == COMPENSATE:
        _compensate(work, failed, recovery.compensation_activity, scope, cause)
    elif what == MANUAL_INTERVENTION:
        work.emit(cause(what, Moves()))
        incident(work, node, token, code, message)
        notify(work, work.state.sequence, recovery.notification_recipients)
    else:
        undone = work.state.compensations.get(token)
        work.emit(cause(what, Moves([token])))
        if undone is not None:
            message = _both(work, failed, undone)
        throw(work, code, message, node, handler)


def _answer(work: Work, failed: Failed, scope: int) -> tuple[str, Handler | None, Recovery]:
    """Return what follows, who handles the error, and what the definition or the engine says."""
    recovery = recovery_of(work.graph.definition, failed.node)
    if recovery is None:
        recovery = Recovery(work.ctx.limits.failure_strategy)
    own = _own(work, failed.node, failed.code, failed.token, scope)
    if own is not None and not _is_fallback(work, own):
        return BOUNDARY, own, recovery
    if recovery.strategy == COMPENSATE:
        return COMPENSATE, None, recovery
    if own is not None:
        return FALLBACK, own, recovery
    if recovery.strategy == FAIL_WORKFLOW:
        return FAIL_WORKFLOW, handler_of(work, failed.code, "", 0, scope), recovery
    return recovery.strategy, None, recovery


def _own(work: Work, node: str, code: str, token: int, scope: int) -> Handler | None:
    """Return the node's own boundary event for an error."""
    boundary = catching(work.graph, node, code)
    return Handler(boundary, node, *whole(work.state, node, token, scope)) if boundary else None


def _is_fallback(work: Work, handler: Handler) -> bool:
    kind = work.graph.nodes[handler.boundary].kind
    return isinstance(kind, Boundary) and kind.fallback


def _skip(work: Work, failed: Failed, scope: int, cause: Cause) -> None:
    """Take the node as done without a result: no output is mapped, no variable written."""

    def skipped(moves: Moves) -> msgspec.Struct:
        return cause(SKIP, moves)

    if failed.token in work.state.compensations:
        compensated(work, failed.token, scope, skipped)
    else:
        leave(work, failed.node, [failed.token], {}, skipped, scope)


def _compensate(work: Work, failed: Failed, undo: str, scope: int, cause: Cause) -> None:
    """Begin the compensation activity; the node's error is kept until it is done."""
    node, token, code, message = failed
    new = work.state.next_token
    work.emit(cause(COMPENSATE, Moves([token], [Token(new, at(undo, scope))])))
    work.emit(CompensationStarted(node, undo, new, code, message))
    if work.state.status != SUSPENDED:
        enter(work, undo, new)


def begin_held(work: Work) -> None:
    """Begin the compensation activities that could not begin while suspended."""
    state = work.state
    if not state.compensations or state.status != RUNNING:
        return
    busy = {one.token for one in state.activities.values()}
    busy |= {one.token for one in state.incidents.values()}
    for token in state.compensations:
        if token not in busy:
            enter(work, bare(state.tokens[token]), token)


def compensated(
    work: Work, token: int, scope: int, cause: Callable[[Moves], msgspec.Struct]
) -> None:
    """Go on after a compensation activity: the fallback of the node that failed, else its error."""
    undone = work.state.compensations[token]
    undo = bare(work.state.tokens[token])
    work.emit(cause(Moves([token], [], [undo])))
    node, code, message = undone.node, undone.code, undone.message
    # The node's own token is gone: the boundary event finds nothing to stop.
    handler = _own(work, node, code, 0, scope) or handler_of(work, code, "", 0, scope)
    throw(work, code, message, node, handler)


def _both(work: Work, failed: Failed, undone: OpenCompensation) -> str:
    """Return the message of a compensation that failed: it names what it was to undo."""
    text = (
        f"{failed.message}; it was to compensate {undone.node}, which had failed with "
        f"{undone.code}: {undone.message}"
    )
    return shortened(text, work.ctx.limits.text)
