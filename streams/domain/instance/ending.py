"""How an instance ends by itself: with a result, or with an error that nothing caught."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from schemas.commands import CompleteCall, FailCall
from schemas.events import Moves, NodeExecuted, WorkflowCompleted, WorkflowFailed
from schemas.json_text import JsonError
from streams.domain.expressions.cel import ExpressionError
from streams.domain.instance.enter import LimitError, code_of, incident, object_bytes
from streams.domain.instance.fitting import UnfitError, check_result
from streams.domain.instance.interrupt import clean_up
from streams.domain.instance.places import SPENT
from streams.domain.instance.state import RUNNING
from streams.domain.instance.work import Work
from streams.domain.net.scopes import begins_of

RESULT: Final = "/result"
"""Place of the token that waits where the result of a workflow or a scope cannot be computed."""


def complete_if_done(work: Work) -> None:
    """Complete a running instance that has no token left."""
    state = work.state
    if state.status != RUNNING:
        return
    for place in state.tokens.values():
        if not place.endswith(SPENT):
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
        work.send(parent.id, parent.incarnation, CompleteCall(parent.call, result))


def no_result(work: Work, node: str, what: str, place: str, error: Exception) -> None:
    """Keep a token where a result cannot be computed."""
    source = error.source if isinstance(error, ExpressionError) else ""
    message = f"{what} cannot be computed: {error}"
    incident(work, node, work.state.next_token, code_of(error), message, source, b"null", place)


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
    work.emit(WorkflowFailed(code, message, node))
    parent = work.state.parent
    if parent.id:
        work.send(parent.id, parent.incarnation, FailCall(parent.call, code, message))
