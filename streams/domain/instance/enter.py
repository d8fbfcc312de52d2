"""What happens when a token reaches a node that waits: an activity, a call, an approval."""

from __future__ import annotations

from typing import Final

from schemas.call_events import CallStarted
from schemas.commands import StartChild
from schemas.events import (
    ActivityScheduled,
    ErrorOccurred,
    TimerScheduled,
)
from schemas.ids import ID_LENGTH_MAX, child_id
from schemas.json_text import JsonError, canonical
from schemas.memo import Memo
from schemas.tasks import ActivityTask
from streams.domain.expressions.cel import ExpressionError
from streams.domain.instance.approval_request import request_approval
from streams.domain.instance.await_parts import await_parts
from streams.domain.instance.awaiting import await_events, awaited, events_on, timed
from streams.domain.instance.fitting import UnfitError, check_locals
from streams.domain.instance.limits import LimitError, too_large
from streams.domain.instance.merging import observe
from streams.domain.instance.places import at, scope_of
from streams.domain.instance.runs import is_run_of, named
from streams.domain.instance.sections import fence, seen_at
from streams.domain.instance.state import OpenActivity
from streams.domain.instance.variables import seen_from
from streams.domain.instance.work import Work
from streams.domain.net.approval import Approval
from streams.domain.net.model import Activity, Call, Catch, EventGateway, Scope, Timer, Wait
from streams.domain.protocol import DispatchActivity

NAME_MAX: Final = 256
"""Characters kept of a name that a worker gives: its own, a code's."""
_SMALL: Final = 1_024


UNBEGUN: Final = (ExpressionError, LimitError, ValueError, JsonError)
"""What a node raises that cannot begin."""


def shortened(text: str, limit: int) -> str:
    """Return a text of at most `limit` characters, with a mark where it was cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def enter(work: Work, node: str, token: int) -> None:
    """Let a token begin to wait at a node; what cannot begin becomes an incident."""
    kind = work.graph.nodes[node].kind
    if isinstance(kind, Activity):
        enter_activity(work, node, kind, token)
        return
    scope = scope_of(work.state.tokens.get(token, ""))
    try:
        if node in work.graph.locks and fence(work, node, token, scope) is None:
            return
        events = []
        if node in work.graph.boundaries and not is_run_of(work.state, node, scope):
            events = events_on(work, node, token, scope)
        if isinstance(kind, Timer):
            _timer(work, node, token, scope)
        elif isinstance(kind, Call):
            _call(work, node, kind, token, scope)
        elif isinstance(kind, Approval):
            request_approval(work, node, kind, token, scope)
        elif isinstance(kind, Wait):
            await_parts(work, node, token)
        else:
            assert isinstance(kind, EventGateway | Catch)
            _await_only(work, node, kind, token, scope)
    except UNBEGUN as error:
        not_begun(work, node, token, error)
        return
    if events:
        await_events(work, token, events)


def enter_activity(work: Work, node: str, kind: Activity, token: int) -> None:
    """Hand an activity to its queue, and begin to wait for its boundary events."""
    scope = scope_of(work.state.tokens.get(token, ""))
    try:
        if kind.lock is not None and fence(work, node, token, scope) is None:
            return
        events = []
        if node in work.graph.boundaries and not is_run_of(work.state, node, scope):
            events = events_on(work, node, token, scope)
        _activity(work, node, kind, token, scope)
    except UNBEGUN as error:
        not_begun(work, node, token, error)
        return
    if events:
        await_events(work, token, events)


def not_begun(work: Work, node: str, token: int, error: Exception, place: str = "") -> None:
    """Raise the incident of a node that could not begin, for one of `UNBEGUN`."""
    if isinstance(error, ExpressionError):
        seen = canonical(error.values)
        incident(work, node, token, "expression_failed", str(error), error.source, seen, place)
    else:
        code = "InvalidInput" if type(error) is ValueError else code_of(error)
        incident(work, node, token, code, str(error), place=place)


def code_of(error: Exception) -> str:
    """Return the code of an incident, by what was raised."""
    if isinstance(error, UnfitError):
        return "schema_violation"
    return "limit_exceeded" if isinstance(error, LimitError) else "expression_failed"


def scope_locals(work: Work, node: str, around: int) -> dict[str, bytes]:
    """Return the local variables with which a scope begins."""
    kind = work.graph.nodes[node].kind
    assert isinstance(kind, Scope)
    seen = seen_from(work.state, around)
    own = {name: canonical(kind.defaults.get(name)) for name in kind.variables}
    given = {name: value.json(seen) for name, value in work.graph.given[node]}
    check_locals(work, node, given)
    own |= given
    refusal = too_large(own, work.ctx)
    if refusal is not None:
        raise LimitError(refusal.message)
    return own


def incident(
    work: Work,
    node: str,
    token: int,
    code: str,
    message: str,
    expression: str = "",
    values: bytes = b"null",
    place: str = "",
    extra: bytes = b"",
) -> None:
    """Raise an incident: the token waits at the node for an operator."""
    place = place or _resting(work, node, token)
    said = shortened(named(work.state, place) + message, work.ctx.limits.text)
    where = "" if place == node else place
    work.emit(
        ErrorOccurred(
            code[:NAME_MAX], said, node, token, expression, values, place=where, seen=extra
        )
    )


def _resting(work: Work, node: str, token: int) -> str:
    """Return where a token rests whose node could not begin: it stays in its scope."""
    place = work.state.tokens.get(token, "")
    return at(node, scope_of(place))


def _activity(work: Work, node: str, kind: Activity, token: int, scope: int) -> None:
    if not work.ctx.definitions.queue_exists(kind.queue):
        incident(
            work,
            node,
            token,
            "queue_missing",
            f"queue {kind.queue!r} has no topic: run `tidemill topics apply --queue "
            f"{kind.queue}`, then retry this incident",
        )
        return
    seen = work.state.variables
    if scope or kind.lock is not None:
        seen = seen_at(work, node, token, scope)
    given = work.graph.inputs[node].json(seen)
    if len(given) >= _SMALL or len(given) > work.ctx.limits.variable:
        _check_input(work, node, given)
    schedule(work, node, kind, token, work.next_sequence, 1, given)
    if work.graph.merges:
        observe(work, node, token, scope)


def _check_input(work: Work, node: str, given: bytes) -> None:
    """Raise `LimitError` where an input, or those of all open activities, are too large."""
    limits, size = work.ctx.limits, len(given)
    if size > limits.variable:
        raise LimitError(
            f"the input of {node} has {size} bytes, the limit is {limits.variable} "
            "(variable_bytes_max): pass large data by reference"
        )
    together = size + sum(len(other.input) for other in work.state.activities.values())
    if together > limits.state:
        raise LimitError(
            f"with the input of {node} the open activities have {together} bytes of input, the "
            f"limit of an instance is {limits.state} (state_bytes_max): retry the incident when "
            "some are done, or pass large data by reference"
        )


def schedule(
    work: Work, node: str, kind: Activity, token: int, activity: int, attempt: int, given: bytes
) -> None:
    """Hand an attempt to its queue."""
    now = work.ctx.now
    late = bool(kind.schedule_to_start_ms or kind.heartbeat_ms)
    start_by = now + kind.schedule_to_start_ms if kind.schedule_to_start_ms else 0
    close_by = now + kind.start_to_close_ms if kind.start_to_close_ms and not late else 0
    work.emit(
        ActivityScheduled(
            activity,
            node,
            kind.activity_type,
            kind.queue,
            token,
            attempt,
            given,
            start_by,
            close_by,
            kind.heartbeat_ms,
            kind.start_to_close_ms,
        )
    )
    state = work.state
    task = ActivityTask(
        activity,
        node,
        kind.activity_type,
        attempt,
        given,
        state.definition_id,
        state.definition_version,
        kind.start_to_close_ms,
        kind.heartbeat_ms,
        start_by,
        late,
        _readable(work, kind, token) if kind.reads else b"{}",
    )
    work.effects.append(DispatchActivity(kind.queue, task))


def _readable(work: Work, kind: Activity, token: int) -> bytes:
    variables = seen_from(work.state, scope_of(work.state.tokens[token]))
    return object_bytes({name: variables[name] for name in kind.reads if name in variables})


def _member_name(name: str) -> bytes:
    return canonical(name) + b":"


_NAMES = Memo(_member_name, 4096)


def object_bytes(members: dict[str, bytes]) -> bytes:
    """Return a canonical JSON object of members that are canonical JSON themselves."""
    if len(members) == 1:
        [(name, value)] = members.items()
        return b"{" + _NAMES[name] + value + b"}"
    parts = [_NAMES[name] + members[name] for name in sorted(members)]
    return b"{" + b",".join(parts) + b"}"


def again(work: Work, key: int, activity: OpenActivity) -> None:
    """Schedule the next attempt of an activity that failed."""
    kind = work.graph.nodes[activity.node].kind
    assert isinstance(kind, Activity)
    attempt = activity.attempt + 1
    schedule(work, activity.node, kind, activity.token, key, attempt, activity.input)


def _timer(work: Work, node: str, token: int, scope: int) -> None:
    work.emit(TimerScheduled(node, token, timed(work, node, scope)[0]))


def _await_only(work: Work, node: str, kind: EventGateway | Catch, token: int, scope: int) -> None:
    """Wait for an event, or at a gateway for the first of those that follow it."""
    names = [node]
    if isinstance(kind, EventGateway):
        names = [route.flow.target for route in work.graph.outgoing[node]]
    await_events(work, token, [awaited(work, name, scope) for name in names], node)


def _call(work: Work, node: str, kind: Call, token: int, scope: int) -> None:
    ctx, state = work.ctx, work.state
    call = work.next_sequence
    child = child_id(ctx.aggregate_id, call)
    if kind.spread:
        child = f"{ctx.aggregate_id.replace('~', '.')}.{state.incarnation}.{call}"
    if len(child) > ID_LENGTH_MAX:
        raise ValueError(
            f"the child's id {child[:40]}… would have {len(child)} characters, the limit is "
            f"{ID_LENGTH_MAX}: workflows call each other too deep"
        )
    seen = seen_at(work, node, token, scope)
    variables = {name: value.json(seen) for name, value in work.graph.given[node]}
    given = object_bytes(variables)
    if len(given) > ctx.limits.state:
        raise LimitError(
            f"the input of {node} has {len(given)} bytes, the limit of an instance is "
            f"{ctx.limits.state} (state_bytes_max): pass large data by reference"
        )
    former = (one.attempt for one in state.calls.values() if one.token == token)
    wanted = (kind.definition_id, kind.version, given)
    work.emit(CallStarted(node, token, child, *wanted, next(former, 0) + 1))
    observe(work, node, token, scope)
    parent = (ctx.aggregate_id, state.incarnation, call)
    work.send(child, "", StartChild(*wanted, *parent))
