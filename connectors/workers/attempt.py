"""One attempt of one activity: from the task's bytes to the result to report."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
import structlog
from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from connectors.workers.context import ActivityCancelledError, ActivityContext
from connectors.workers.declare import Activity
from connectors.workers.errors import ActivityError
from connectors.workers.marks import Marks
from schemas.envelope import Envelope, caused_by
from schemas.errors import cause_chain
from schemas.json_text import JsonError, canonical, parse
from schemas.registry import public_type
from schemas.results import CompleteActivity, FailActivity
from schemas.tasks import ActivityTask

log = structlog.get_logger(__name__)
_MESSAGE_LENGTH_MAX = 4_000
_STOPPED = (ActivityCancelledError, asyncio.CancelledError)


class Task(NamedTuple):
    """A task as it was read from its queue."""

    partition: int
    offset: int
    envelope: Envelope
    body: ActivityTask
    marks: Marks | None = None
    """Its partition, as long as this worker has it."""

    @property
    def is_lost(self) -> bool:
        """Tell whether the partition has gone to another worker, and the task with it."""
        return self.marks is not None and self.marks.lost


class Prepared(NamedTuple):
    """A task that can be run."""

    activity: Activity
    arguments: dict[str, Any]
    context: ActivityContext


def result_envelope(task: Envelope, body: msgspec.Struct, now: int) -> Envelope:
    """Return the envelope of a report about a task."""
    kind = public_type(body)
    name = f"{task.id}#{kind}"
    return Envelope(
        name, kind, now, "instance", task.aggregate_id, task.incarnation, context=caused_by(task)
    )


def prepare(
    activities: Mapping[str, Activity], context: ActivityContext
) -> Prepared | FailActivity:
    """Return the call that a task means, or the failure to report where there is none."""
    task = context.task
    activity = activities.get(task.activity_type)
    if activity is None:
        known = ", ".join(sorted(activities)) or "none"
        message = (
            f"this worker knows no activity {task.activity_type!r} (it knows {known}): every "
            "worker of a queue must know all activities that definitions send there; start it "
            "with a module that declares this one, or give the node a queue of its own"
        )
        # Another worker may know it, or this one after its next release.
        return failure(context, "NotFound", message, retryable=True)
    try:
        return Prepared(activity, activity.arguments(parse(task.input), context), context)
    except (ValidationError, JsonError) as error:
        message = f"the input does not fit activity {activity.name}: {error}"
        return failure(context, "InvalidInput", message, retryable=False)


def run(call: Prepared) -> CompleteActivity | FailActivity | None:
    """Run a sync activity; None where the result is no longer wanted."""
    return _settle(call, lambda: call.activity.function(**call.arguments))


async def run_async(call: Prepared) -> CompleteActivity | FailActivity | None:
    """Run an async activity; None where the result is no longer wanted."""
    try:
        value = await call.activity.function(**call.arguments)
    except (Exception, SystemExit, asyncio.CancelledError) as error:  # noqa: BLE001 - a result
        return _settle(call, _raising(error))
    return _settle(call, lambda: value)


def _raising(error: BaseException) -> Callable[[], Any]:
    def again() -> Any:
        raise error

    return again


def _settle(call: Prepared, produce: Callable[[], Any]) -> CompleteActivity | FailActivity | None:
    context = call.context
    try:
        value = produce()
    except ActivityError as error:
        return failure(context, error.code, str(error), error, retryable=error.retryable)
    except (Exception, SystemExit, asyncio.CancelledError) as error:
        if context.is_cancelled and isinstance(error, _STOPPED):
            return None
        log.warning("an activity failed", activity=call.activity.name, exc_info=error)
        message = f"{type(error).__name__}: {error}"
        return failure(context, "ActivityExecution", message, error, retryable=True)
    return None if context.is_cancelled else _completion(call, value)


def _completion(call: Prepared, value: Any) -> CompleteActivity | FailActivity:
    context, task = call.context, call.context.task
    try:
        output = canonical(call.activity.output(value))
    except (JsonError, PydanticSerializationError, ValidationError) as error:
        message = f"the output of activity {call.activity.name}: {error}"
        return failure(context, "Serialization", message, error, retryable=False)
    return CompleteActivity(task.activity, task.attempt, output, context.worker, context.started_at)


def failure(
    context: ActivityContext,
    code: str,
    message: str,
    error: BaseException | None = None,
    *,
    retryable: bool,
) -> FailActivity:
    """Return the failure to report, with its service and its chain of causes."""
    given = error.details if isinstance(error, ActivityError) else None
    service = error.service if isinstance(error, ActivityError) else ""
    details = {
        "activity": context.activity_type,
        "service": service,
        "cause": cause_chain(error),
        "details": given,
    }
    task = context.task
    try:
        data = canonical(details)
    except JsonError:
        data = canonical({**details, "details": repr(given)[:1_000]})
    return FailActivity(
        task.activity,
        task.attempt,
        code,
        message[:_MESSAGE_LENGTH_MAX],
        retryable,
        context.worker,
        context.started_at,
        data,
    )


def too_large(task: Task, result: msgspec.Struct, size: int, limit: int) -> FailActivity:
    """Return the failure to report in place of a result that no engine would take."""
    assert isinstance(result, CompleteActivity | FailActivity)
    message = (
        f"the result of activity {task.body.activity_type} has {size} bytes, the limit is {limit} "
        "(command_bytes_max): pass large data by reference"
    )
    retryable = isinstance(result, FailActivity) and result.retryable
    return FailActivity(
        result.activity,
        result.attempt,
        "limit_exceeded",
        message,
        retryable,
        result.worker,
        result.started_at,
    )
