"""A worker reports that it has begun, or that it is still at it."""

from __future__ import annotations

from schemas.events import ActivityStarted
from schemas.results import HeartbeatActivity, ReportActivityStarted
from streams.domain.instance.complete_activity import closed
from streams.domain.instance.state import InstanceState
from streams.domain.instance.work import Work
from streams.domain.protocol import Accepted, Decision, Outcome


def decide_started(command: ReportActivityStarted, state: InstanceState, ctx: Decision) -> Outcome:
    """Note the start: the start-to-close and heartbeat deadlines count from now."""
    activity = state.activities.get(command.activity)
    if activity is None or activity.attempt != command.attempt or activity.retry_at:
        return closed(command.activity, state)
    promised = command.heartbeat_ms > 0 and not activity.heartbeat_ms
    if activity.started and not promised:
        return Accepted([], [], state, beat=command.activity)
    now = ctx.now
    close_by = activity.close_by or (now + activity.close_ms if activity.close_ms else 0)
    beat_ms = activity.heartbeat_ms or max(0, command.heartbeat_ms)
    beat_by = now + beat_ms if beat_ms else 0
    work = Work(state, ctx)
    work.emit(
        ActivityStarted(
            command.activity,
            activity.node,
            command.attempt,
            command.worker,
            command.started_at,
            close_by,
            beat_by,
            beat_ms,
            activity.kind,
        )
    )
    return work.accepted()


def decide_heartbeat(command: HeartbeatActivity, state: InstanceState, _: Decision) -> Outcome:
    """Note the heartbeat in the book: no event."""
    activity = state.activities.get(command.activity)
    if activity is None or activity.attempt != command.attempt or activity.retry_at:
        return closed(command.activity, state)
    return Accepted([], [], state, beat=command.activity)
