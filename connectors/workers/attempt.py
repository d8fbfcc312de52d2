"""One attempt of one activity: from the task's bytes to the result to report."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
import structlog
from pydantic import ValidationError

from connectors.workers.context import ActivityCancelledError, ActivityContext
from connectors.workers.declare import Activity
from connectors.workers.errors import ActivityError
from schemas.envelope import Envelope, caused_by
from schemas.errors import cause_chain
from schemas.json_text import JsonError, canonical, parse
from schemas.registry import public_type
from schemas.results import CompleteActivity, FailActivity
from schemas.tasks import ActivityTask

log = structlog.get_logger(__name__)
_MESSAGE_LENGTH_MAX = 4_000


class Task(NamedTuple):
    """A task as it was read from its queue."""

    partition: int
    offset: int
    envelope: Envelope
    body: ActivityTask


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
            f"this worker knows no activity {task.activity_type!r} (it knows {known}): start a "
            "worker that does on this queue, then retry the incident"
        )
        return failure(context, "NotFound", message, retryable=False)
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
    except asyncio.CancelledError:
        return None
    except Exception as error:  # noqa: BLE001 - whatever the author's code raises is a result
        return _settle(call, _raising(error))
    return _settle(call, lambda: value)


def _raising(error: Exception) -> Callable[[], Any]:
    def again() -> Any:
        raise error

    return again


def _settle(call: Prepared, produce: Callable[[], Any]) -> CompleteActivity | FailActivity | None:
    context = call.context
    try:
        output = canonical(call.activity.output(produce()))
        if context.cancelled.is_set():
            return None
        task = context.task
        return CompleteActivity(
            task.activity, task.attempt, output, context.worker, context.started_at
        )
    except ActivityCancelledError:
        return None
    except ActivityError as error:
        return failure(context, error.code, str(error), error, retryable=error.retryable)
    except JsonError as error:
        return failure(context, "Serialization", f"the output {error}", error, retryable=False)
    except Exception as error:
        log.warning("an activity failed", activity=call.activity.name, exc_info=error)
        message = f"{type(error).__name__}: {error}"
        return failure(context, "ActivityExecution", message, error, retryable=True)


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
