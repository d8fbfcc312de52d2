"""Leaving nodes: the walk's result becomes the causing event, then what it led to."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from schemas.commands import CompleteCall, Continue
from schemas.events import Moves, WorkflowCompleted
from schemas.json_text import JsonError, canonical
from streams.domain.expressions.cel import ExpressionError
from streams.domain.instance.enter import LimitError, enter, incident, object_bytes
from streams.domain.instance.joins import SPENT
from streams.domain.instance.state import RUNNING, SUSPENDED
from streams.domain.instance.walk import Walk, Walked
from streams.domain.instance.work import Work

Cause = Callable[[Moves], msgspec.Struct]
"""Makes the event that carries the moves."""


def advance(work: Work, walk: Walk, cause: Cause) -> None:
    """Run a walk, emit its cause with the moves, begin the waits, end when all is done."""
    suspended = work.state is not None and work.state.status == SUSPENDED
    walked = walk.run(suspended=suspended)
    work.emit(cause(walked.moves))
    settle(work, walked)


def leave(
    work: Work, node: str, consumed: list[int], writes: dict[str, bytes], cause: Cause
) -> None:
    """Advance from a node that is done; a straight way out of it needs no walk."""
    way = work.graph.straight.get(node)
    suspended = work.state is not None and work.state.status == SUSPENDED
    if way is None or suspended or work.exhausted(way.steps):
        walk = Walk(work, consumed, writes)
        walk.leave(node)
        advance(work, walk, cause)
        return
    work.steps += way.steps
    work.emit(cause(Moves(consumed, [], way.path, writes)))
    if way.entry:
        enter(work, way.entry, work.state.next_token)
    complete_if_done(work)


def settle(work: Work, walked: Walked) -> None:
    """Begin what the walk reached; complete the instance where no token is left."""
    for node in walked.entries:
        enter(work, node, work.state.next_token)
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
    if walked.held:
        work.send(work.ctx.aggregate_id, work.state.incarnation, Continue())
    complete_if_done(work)


def complete_if_done(work: Work) -> None:
    """Complete a running instance that has no token left; tell its parent."""
    state = work.state
    if state.status != RUNNING or any(not place.endswith(SPENT) for place in state.tokens.values()):
        return
    try:
        result = result_of(work)
    except (ExpressionError, JsonError, LimitError) as error:
        _no_result(work, error)
        return
    work.emit(WorkflowCompleted(result))
    parent = state.parent
    if parent.id:
        work.send(parent.id, parent.incarnation, CompleteCall(parent.call, result))


def _no_result(work: Work, error: Exception) -> None:
    """Keep a token where the workflow's result cannot be computed."""
    source = error.source if isinstance(error, ExpressionError) else ""
    code = "limit_exceeded" if isinstance(error, LimitError) else "expression_failed"
    message = f"the workflow's result cannot be computed: {error}"
    start, token = work.graph.start, work.state.next_token
    incident(work, start, token, code, message, source, b"null", RESULT)


RESULT = "/result"
"""Place of the token that waits where the workflow's result cannot be computed."""


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


def written(variables: dict[str, bytes], path: tuple[str, ...], value: object) -> bytes:
    """Return the variable `path[0]` after setting what the rest of the path names."""
    if len(path) == 1:
        return canonical(value)
    root = msgspec.json.decode(variables.get(path[0], b"{}"))
    if not isinstance(root, dict):
        root = {}
    place = root
    for name in path[1:-1]:
        inner = place.get(name)
        if not isinstance(inner, dict):
            inner = place[name] = {}
        place = inner
    place[path[-1]] = value
    return canonical(root)
