"""An attempt fails or times out: another attempt, else what the node's recovery says."""

from __future__ import annotations

from typing import Final

from schemas.events import ActivityFailed, Moves
from schemas.results import FailActivity
from streams.domain.instance.enter import NAME_MAX, again, shortened
from streams.domain.instance.notify import not_sent
from streams.domain.instance.recover import RETRY, Failed, recover
from streams.domain.instance.retries import delay_ms
from streams.domain.instance.state import SUSPENDED, InstanceState, OpenActivity
from streams.domain.instance.work import Work
from streams.domain.net.model import Activity, Retry
from streams.domain.protocol import Decision, Outcome, Rejected

_LOST: Final = Retry(initial_delay_ms=1_000, backoff_factor=2.0, max_delay_ms=300_000)
"""When an attempt is run again whose worker is gone, however often that happens."""


def decide_fail(command: FailActivity, state: InstanceState, ctx: Decision) -> Outcome:
    """A failure counts only for the current attempt."""
    activity = state.activities.get(command.activity)
    if command.activity in state.notifications:
        return not_sent(command, state, ctx)
    if activity is None or activity.retry_at or activity.attempt != command.attempt:
        return Rejected(
            "already_closed",
            f"attempt {command.attempt} of activity {command.activity} is no longer open",
        )
    work = Work(state, ctx)
    fail(
        work,
        command.activity,
        activity,
        command.code,
        command.message,
        retryable=command.retryable,
        worker=command.worker,
        started_at=command.started_at,
        details=command.details,
    )
    return work.accepted()


def fail(
    work: Work,
    key: int,
    activity: OpenActivity,
    code: str,
    message: str,
    *,
    retryable: bool,
    worker: str = "",
    started_at: int = 0,
    details: bytes = b"null",
    lost: bool = False,
) -> None:
    """End an attempt with an error, and do what the node's retry says.

    With `lost` it was not the activity that failed: it runs again, whatever the retry says.
    """
    code, message = code[:NAME_MAX], shortened(message, work.ctx.limits.text)
    retry = _retry(work, activity)
    retries = activity.attempt - 1
    now = work.ctx.now
    again_at = 0
    if lost:
        again_at = now + delay_ms(_LOST, retries)
    elif retryable and retries < retry.max_attempts:
        again_at = now + delay_ms(retry, retries)

    def cause(recovery: str, moves: Moves) -> ActivityFailed:
        return ActivityFailed(
            key,
            activity.node,
            activity.kind,
            activity.attempt,
            code,
            message,
            again_at,
            worker[:NAME_MAX],
            started_at,
            details,
            moves,
            recovery,
        )

    if not again_at:
        recover(work, Failed(activity.node, activity.token, code, message), cause)
        return
    work.emit(cause(RETRY, Moves()))
    if again_at <= now and work.state.status != SUSPENDED:
        again(work, key, work.state.activities[key])


def kind_of(work: Work, activity: OpenActivity) -> Activity:
    """Return what the definition says of an activity."""
    kind = work.graph.nodes[activity.node].kind
    assert isinstance(kind, Activity)
    return kind


def _retry(work: Work, activity: OpenActivity) -> Retry:
    own = kind_of(work, activity).retry
    return work.graph.definition.retry if own is None else own
