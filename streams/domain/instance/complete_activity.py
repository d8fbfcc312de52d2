"""An activity's result arrives."""

from __future__ import annotations

from typing import Any

from schemas.events import ActivityCompleted, Moves
from schemas.json_text import JsonError, canonical, parse
from schemas.results import CompleteActivity
from streams.domain.instance.advance import leave, moved
from streams.domain.instance.compensate import record
from streams.domain.instance.enter import incident
from streams.domain.instance.fail_activity import fail
from streams.domain.instance.fitting import fitting, unfit_output
from streams.domain.instance.limits import too_large
from streams.domain.instance.notify import sent
from streams.domain.instance.outputs import UNMAPPED, mapped, result_writes, stay
from streams.domain.instance.places import at, scope_of
from streams.domain.instance.recover import compensated
from streams.domain.instance.state import InstanceState, OpenActivity
from streams.domain.instance.variables import seen_from
from streams.domain.instance.work import Work
from streams.domain.net.model import Activity
from streams.domain.protocol import Accepted, Decision, Outcome, Rejected


def decide_complete(command: CompleteActivity, state: InstanceState, ctx: Decision) -> Outcome:
    """The first completion of any attempt wins while the activity is open."""
    activity = state.activities.get(command.activity)
    if command.activity in state.notifications:
        return sent(command, state, ctx)
    if activity is None:
        return closed(command.activity, state)
    work = Work(state, ctx)
    try:
        output = parse(command.output)
    except JsonError as error:
        fail(
            work,
            command.activity,
            activity,
            "Serialization",
            f"the worker's output is {error}",
            retryable=False,
            worker=command.worker,
        )
        return work.accepted()
    unfit = "" if work.graph.schemas is None else unfit_output(work, activity.node, output)
    if unfit:
        message = f"the worker's output does not fit its schema: {unfit}"
        who, code = command.worker, "schema_violation"
        fail(work, command.activity, activity, code, message, retryable=False, worker=who)
        return work.accepted()
    _complete(work, command, activity, output)
    return work.accepted()


def closed(activity: int, state: InstanceState) -> Outcome:
    """Return the refusal of a report about an activity that is not open.

    That a worker is at a notification changes nothing.
    """
    if activity in state.notifications:
        return Accepted([], [], state)
    return Rejected(
        "already_closed",
        f"activity {activity} is no longer open; the instance is {state.status}",
    )


def _complete(work: Work, command: CompleteActivity, activity: OpenActivity, output: Any) -> None:
    graph = work.graph
    node = activity.node
    kind = graph.nodes[node].kind
    assert isinstance(kind, Activity)
    token = activity.token
    state = work.state
    scope = scope_of(state.tokens[token])
    text = canonical(output)

    def cause(moves: Moves) -> ActivityCompleted:
        return ActivityCompleted(
            command.activity,
            node,
            activity.kind,
            command.attempt,
            text,
            command.worker,
            command.started_at,
            moves,
        )

    if token in state.compensations:
        compensated(work, token, scope, cause)
        return
    variables = seen_from(state, scope) if scope else state.variables
    writes = result_writes(variables, kind.result_path, output, text)
    refusal = too_large({**variables, **writes}, work.ctx)
    if refusal is not None:
        work.emit(cause(Moves([token])))
        message = f"output of {node}: {refusal.message}"
        incident(work, node, token, refusal.code, message, place=at(node, scope))
        return
    try:
        everything = mapped(work, node, writes, {"output": output}, scope, token=token)
        if node in graph.handlers:
            record(work, node, scope, everything)
    except UNMAPPED as error:
        begun = work.state.observed.get(token)
        work.emit(cause(moved(work, token, scope, fitting(work, writes, scope))))
        stay(work, node, token, error, scope, begun)
        return
    leave(work, node, [token], everything, cause, scope)
