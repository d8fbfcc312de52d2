"""A run of a repeated node is done: what is collected of it, and whether others follow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from schemas.call_events import CallFailed
from schemas.events import ActivityFailed, Moves, NodeExecuted, NodeSkipped
from schemas.iteration_events import ItemCompleted
from schemas.json_text import parse
from streams.domain.instance.compensate import record_run
from streams.domain.instance.ending import RESULT, no_result
from streams.domain.instance.iterate import UNTIL, Ways, finish, go_on
from streams.domain.instance.limits import LimitError
from streams.domain.instance.outputs import UNMAPPED, stay
from streams.domain.instance.places import at
from streams.domain.instance.state import InstanceState, OpenScope
from streams.domain.instance.variables import addressed, seen_from
from streams.domain.instance.work import Work
from streams.domain.net.model import SKIP, Scope
from streams.domain.net.repeat import PROGRESS
from streams.domain.net.repeat_graph import Repeated

Cause = Callable[[Moves], msgspec.Struct]


class Judged(NamedTuple):
    """What follows from a run."""

    collected: bytes
    """A JSON value; empty where nothing is collected."""
    enough: bool
    """True: no further run is needed."""


class Run(NamedTuple):
    """A run whose node is done."""

    node: str
    scope: int
    consumed: list[int]
    """Its token first, then what ends with it."""
    writes: dict[str, bytes]


def end_run(work: Work, run: Run, cause: Cause, ways: Ways) -> None:
    """End a run with the event that `cause` makes, then go on with the others."""
    node, scope = run.node, run.scope
    opened = work.state.scopes[scope]
    repeated = work.graph.repeats[node]
    event = cause(Moves(run.consumed, [], [], addressed(work.state, scope, run.writes)))
    skipped = _is_skipped(event)
    try:
        judged = Judged(b"", enough=False) if skipped else _judge(work, run, opened, repeated)
        if not skipped:
            record_run(work, node, scope, run.writes)
    except UNMAPPED as error:
        _stay(work, run, repeated, cause, error)
        return
    work.emit(event)
    key, collected = opened.iteration, judged.collected
    work.emit(ItemCompleted(key, node, scope, opened.index, collected, skipped))
    if judged.enough:
        finish(work, key, UNTIL, ways)
    else:
        go_on(work, key, ways)


def _is_skipped(event: msgspec.Struct) -> bool:
    failed = isinstance(event, ActivityFailed | CallFailed) and event.recovery == SKIP
    return failed or isinstance(event, NodeSkipped)


def _judge(work: Work, run: Run, opened: OpenScope, repeated: Repeated) -> Judged:
    """Evaluate what is collected of a run, and the condition after it; one of `UNMAPPED`."""
    seen = {**seen_from(work.state, _inside(work.state, run)), **run.writes}
    extra = _extra(work.state, opened, repeated, seen)
    collected = b""
    if repeated.collect is not None:
        collected = repeated.collect.json(seen, extra)
        _check_size(work, run.node, opened, collected)
    enough = repeated.until is not None and repeated.until.truth(seen, extra)
    return Judged(collected, enough)


def _inside(state: InstanceState, run: Run) -> int:
    """Return the scope whose variables are seen: the node's own, where it is a scope."""
    token = run.consumed[0]
    return next((key for key, one in state.scopes.items() if one.token == token), run.scope)


def _extra(
    state: InstanceState,
    opened: OpenScope,
    repeated: Repeated,
    seen: dict[str, bytes],
) -> dict[str, Any]:
    """Return what conditions see beside the variables: how far it is, and the result."""
    iteration = state.iterations[opened.iteration]
    done = iteration.done + 1
    progress = {"total": iteration.total, "active": iteration.begun - done, "done": done}
    extra: dict[str, Any] = {PROGRESS: progress}
    path = repeated.path
    if path:
        extra["output"] = _value(seen, path)
    return extra


def _value(seen: dict[str, bytes], path: tuple[str, ...]) -> Any:
    value = parse(seen.get(path[0], b"null"))
    for name in path[1:]:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _check_size(work: Work, node: str, opened: OpenScope, collected: bytes) -> None:
    """Refuse a value with which the list would be too large a variable."""
    limit = work.ctx.limits.variable
    size = work.state.iterations[opened.iteration].size + len(collected)
    if size > limit:
        raise LimitError(
            f"with item {opened.index} the list of {node} has {size} bytes, the limit of a "
            f"variable is {limit} (variable_bytes_max): collect less of each item"
        )


def _stay(work: Work, run: Run, repeated: Repeated, cause: Cause, error: Exception) -> None:
    """Keep a run whose node is done but of which nothing can be said."""
    node, scope = run.node, run.scope
    if isinstance(work.graph.nodes[node].kind, Scope):
        inner = _inside(work.state, run)
        work.emit(NodeExecuted(node, "scope_done", Moves(run.consumed[1:])))
        no_result(work, node, f"what is collected of {node}", at(RESULT, inner), error)
        return
    # The result stays, so that a retry can judge it; its mapping is done then.
    kept = {name: one for name, one in run.writes.items() if name == repeated.path[0]}
    work.emit(cause(Moves(run.consumed, [], [], addressed(work.state, scope, kept))))
    stay(work, node, work.state.next_token, error, scope)
