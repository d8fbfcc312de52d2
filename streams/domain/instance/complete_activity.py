"""An activity's result arrives."""

from __future__ import annotations

from typing import Any

from schemas.events import ActivityCompleted, Moves
from schemas.json_text import JsonError, canonical, parse
from schemas.results import CompleteActivity
from streams.domain.expressions.cel import ExpressionError
from streams.domain.instance.advance import leave, written
from streams.domain.instance.enter import LimitError, incident
from streams.domain.instance.fail_activity import fail
from streams.domain.instance.joins import OUT
from streams.domain.instance.start import too_large
from streams.domain.instance.state import InstanceState, OpenActivity
from streams.domain.instance.work import Work
from streams.domain.net.model import Activity
from streams.domain.protocol import Decision, Outcome, Rejected

UNMAPPED = (ExpressionError, JsonError, LimitError)
"""What `mapped` raises."""


def decide_complete(command: CompleteActivity, state: InstanceState, ctx: Decision) -> Outcome:
    """The first completion of any attempt wins while the activity is open."""
    activity = state.activities.get(command.activity)
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
    _complete(work, command, activity, output)
    return work.accepted()


def closed(activity: int, state: InstanceState) -> Rejected:
    """Return the refusal of a report about an activity that is not open."""
    return Rejected(
        "already_closed",
        f"activity {activity} is no longer open; the instance is {state.status}",
    )


def _complete(work: Work, command: CompleteActivity, activity: OpenActivity, output: Any) -> None:
    graph = work.graph
    node = activity.node
    kind = graph.nodes[node].kind
    assert isinstance(kind, Activity)
    variables = work.state.variables
    text = canonical(output)
    writes = result_writes(variables, kind.result_path, output, text)

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

    refusal = too_large({**variables, **writes}, work.ctx)
    if refusal is not None:
        work.emit(cause(Moves([activity.token])))
        incident(work, node, activity.token, refusal.code, f"output of {node}: {refusal.message}")
        return
    try:
        writes = mapped(work, node, writes, output)
    except UNMAPPED as error:
        work.emit(cause(Moves([activity.token], [], [], writes)))
        stay(work, node, activity.token, error)
        return
    leave(work, node, [activity.token], writes, cause)


def stay(work: Work, node: str, token: int, error: Exception) -> None:
    """Keep a token whose node is done but whose outputs cannot be computed."""
    source, values = "", b"null"
    if isinstance(error, ExpressionError):
        source, values = error.source, canonical(error.values)
    code = "limit_exceeded" if isinstance(error, LimitError) else "expression_failed"
    message = f"output of {node}: {error}"
    incident(work, node, token, code, message, source, values, node + OUT)


def result_writes(
    variables: dict[str, bytes], path: str, output: Any, text: bytes
) -> dict[str, bytes]:
    """Return the variable that takes an output: `path`, else `result`; `text` is its JSON."""
    if not path:
        return {"result": text}
    steps = tuple(path.split("."))
    return {steps[0]: written(variables, steps, output)}


def mapped(work: Work, node: str, writes: dict[str, bytes], output: Any) -> dict[str, bytes]:
    """Add the node's output mappings to the writes; one of `UNMAPPED` where that fails."""
    mappings = work.graph.outputs.get(node)
    if not mappings:
        return writes
    variables = {**work.state.variables, **writes}
    extra = {"output": output}
    result = dict(writes)
    for path, value in mappings:
        base = {**variables, **result}
        result[path[0]] = written(base, path, value.evaluate(variables, extra))
    refusal = too_large({**variables, **result}, work.ctx)
    if refusal is not None:
        raise LimitError(refusal.message)
    return result
