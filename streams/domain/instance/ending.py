"""How an instance ends by itself: with a result, or with an error that nothing caught."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from schemas.commands import CompleteCall, FailCall
from schemas.compensation_events import WorkflowCompensated
from schemas.events import (
    Moves,
    NodeExecuted,
    Token,
    WorkflowCancelled,
    WorkflowCompleted,
    WorkflowFailed,
)
from schemas.json_text import JsonError
from streams.domain.expressions.cel import ExpressionError
from streams.domain.instance.compensate import answered_call
from streams.domain.instance.enter import code_of, incident, object_bytes
from streams.domain.instance.fitting import UnfitError, check_result
from streams.domain.instance.interrupt import clean_up
from streams.domain.instance.limits import LimitError
from streams.domain.instance.outputs import UNMAPPED
from streams.domain.instance.parts import LARGE
from streams.domain.instance.places import ARMED, HELD_BY_NOBODY, ROOT, inside
from streams.domain.instance.state import RUNNING, Rollback
from streams.domain.instance.variables import seen_from
from streams.domain.instance.work import Work
from streams.domain.net.model import Host
from streams.domain.net.scopes import begins_of

RESULT: Final = "/result"
"""Place of the token that waits where the result of a workflow or a scope cannot be computed."""
STOPPED: Final = "State"
"""Code of a child that was cancelled or terminated."""


def complete_if_done(work: Work) -> None:
    """Complete a running instance that has no token left."""
    state = work.state
    if state.status != RUNNING:
        return
    for place in state.tokens.values():
        if not place.endswith(HELD_BY_NOBODY):
            return
    complete(work)


def complete(work: Work, end: str = "", left: Sequence[int] = ()) -> None:
    """Complete an instance; tell its parent. `left` are tokens that `end` takes with it."""
    try:
        result = check_result(work, result_of(work))
    except (ExpressionError, JsonError, LimitError, UnfitError) as error:
        if left:
            work.emit(NodeExecuted(end, "scope_done", Moves([*left])))
        start = begins_of(work.graph.definition)[0]
        no_result(work, start, "the workflow's result", RESULT, error)
        return
    work.emit(WorkflowCompleted(result))
    parent = work.state.parent
    if parent.id:
        answer = CompleteCall(parent.call, result, bool(work.state.completions))
        work.send(parent.id, parent.incarnation, answer)


def no_result(work: Work, node: str, what: str, place: str, error: Exception) -> None:
    """Keep a token where a result cannot be computed."""
    source = error.source if isinstance(error, ExpressionError) else ""
    message = f"{what} cannot be computed: {error}"
    incident(work, node, work.state.next_token, code_of(error), message, source, b"null", place)


def error_message(work: Work, end: str, scope: int) -> str:
    """Return an error end's message; one that cannot be computed says so itself."""
    try:
        return str(work.graph.messages[end].evaluate(seen_from(work.state, scope)))
    except UNMAPPED as error:
        return f"the error's message cannot be computed: {error}"


def result_of(work: Work) -> bytes:
    """Return the declared outputs, or all variables, as a JSON object."""
    variables = work.state.variables
    declared = work.graph.results
    if declared:
        result = object_bytes({name: value.json(variables) for name, value in declared})
        limit = work.ctx.limits.state
        if len(result) > limit:
            raise LimitError(f"it has {len(result)} bytes, the limit is {limit} (state_bytes_max)")
        return result
    return object_bytes(variables)


def end_failed(work: Work, code: str, message: str, node: str) -> None:
    """Fail the instance, clean up what is open, tell the parent."""
    clean_up(work, f"the workflow failed at {node}")
    call = answered_call(work.state)
    # What is forgotten later must be one record: a large variable is a part of its own.
    small = all(len(value) < LARGE for value in work.state.variables.values())
    restartable = small and not work.state.parent.id
    resting = _resting(work, node) if restartable else []
    work.emit(WorkflowFailed(code, message, node, restartable, resting))
    parent = work.state.parent
    if parent.id:
        work.send(parent.id, parent.incarnation, FailCall(call, code, message))


def _resting(work: Work, node: str) -> list[Token]:
    """Return where a restart begins again; nothing where that cannot be said.

    In a scope the node's own token is gone, but the scope's is there: it begins anew.
    """
    state, graph = work.state, work.graph
    here = inside(state.tokens, ROOT)
    found = [Token(token, place) for token, place in here.items() if not place.endswith(ARMED)]
    failed = graph.nodes[node]
    if any(place.startswith("/") for place in here.values()):
        return []  # The whole was being undone, or its result could not be computed.
    if failed.scope or node in here.values() or (node in graph.undoing and state.rollbacks):
        return found
    if not isinstance(failed.kind, Host) or node in graph.compensated:
        return []
    return [*found, Token(state.next_token, node)]


def all_undone(work: Work, rollback: Rollback) -> None:
    """End an instance that is undone as a whole; tell the parent that asked for it."""
    parent = work.state.parent
    if rollback.cancels:
        work.emit(WorkflowCancelled(rollback.reason))
        tell_parent(work, parent.call, "cancelled", rollback.reason)
    else:
        work.emit(WorkflowCompensated())
    if parent.id and rollback.caller:
        work.send(parent.id, parent.incarnation, CompleteCall(rollback.caller, b"null"))


def tell_parent(work: Work, call: int, how: str, reason: str) -> None:
    """Tell the parent's call that this instance did not complete."""
    parent = work.state.parent
    if parent.id:
        message = f"it was {how}" + (f": {reason}" if reason else "")
        work.send(parent.id, parent.incarnation, FailCall(call, STOPPED, message))
