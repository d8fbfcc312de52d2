"""Event appliers: the only code that changes an instance's state.

An applier reads the event and its place and nothing else, is total and never refuses.
A released applier is never changed, only followed by a new version: golden states under
`tests/golden` hold them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from schemas import events as e
from schemas.call_events import CallFailed, CallStarted
from schemas.restart_events import WorkflowRestarted
from streams.domain.instance import state as s
from streams.domain.instance.evolve_approval import APPROVALS
from streams.domain.instance.evolve_compensation import COMPENSATION
from streams.domain.instance.evolve_conditions import CONDITIONS
from streams.domain.instance.evolve_data import DATA
from streams.domain.instance.evolve_escalation import ESCALATIONS
from streams.domain.instance.evolve_iteration import ITERATION
from streams.domain.instance.evolve_recovery import RECOVERY
from streams.domain.instance.evolve_sections import SECTIONS
from streams.domain.instance.evolve_wait import WAITS
from streams.domain.instance.hanging import own_completions, reachable_completions, without_waits
from streams.domain.instance.moving import KEPT, KEPT_TEXT
from streams.domain.instance.moving import moved as _moved
from streams.domain.instance.moving import placed as _placed
from streams.domain.instance.moving import with_error as _errors
from streams.domain.instance.moving import without as _without
from streams.domain.instance.state import InstanceState
from streams.domain.protocol import EventPlace

_NONE: Final[dict[int, Any]] = {}
"""Shared by all states that hold nothing there: what changes is always copied first."""

Intervention = e.NodeSkipped | e.NodeCompleted | e.VariablesSet
Applier = Callable[[InstanceState, Any, EventPlace], InstanceState]


def _created(_: InstanceState, event: e.WorkflowCreated, at: EventPlace) -> InstanceState:
    return InstanceState(
        s.CREATED,
        at.sequence,
        at.incarnation,
        event.definition_id,
        event.definition_version,
        event.variables,
        created_at=at.time,
        created_by=at.actor,
        parent=event.parent,
        metadata=event.metadata,
    )


def _started(state: InstanceState, event: e.WorkflowStarted, at: EventPlace) -> InstanceState:
    if state.status == s.CREATED and state.sequence:
        return _moved(state, event.moves, at, status=s.RUNNING)
    fresh = replace(
        s.NOTHING,
        status=s.RUNNING,
        sequence=at.sequence,
        incarnation=at.incarnation,
        definition_id=event.definition_id,
        definition_version=event.definition_version,
        variables=event.variables,
        path=event.moves.path[-KEPT:],
        created_at=at.time,
        created_by=at.actor,
        parent=event.parent,
        metadata=event.metadata,
    )
    if event.moves.produced or event.moves.writes:
        moves = e.Moves([], event.moves.produced, [], event.moves.writes)
        return _moved(fresh, moves, at)
    return fresh


def _suspended(state: InstanceState, event: e.WorkflowSuspended, at: EventPlace) -> InstanceState:
    return replace(state, sequence=at.sequence, status=s.SUSPENDED, reason=event.reason)


def _resumed(state: InstanceState, event: e.WorkflowResumed, at: EventPlace) -> InstanceState:
    return _moved(state, event.moves, at, status=s.RUNNING, reason="")


def _ended(state: InstanceState, at: EventPlace, status: str, reason: str) -> InstanceState:
    return replace(
        state,
        sequence=at.sequence,
        status=status,
        ended_at=at.time,
        tokens=_NONE,
        activities=_NONE,
        timers=_NONE,
        calls=_NONE,
        incidents=_NONE,
        scopes=_NONE,
        subscriptions=_NONE,
        compensations=_NONE,
        notifications=_NONE,
        observed=_NONE,
        iterations=_NONE,
        waits=_NONE,
        completions=_NONE,
        rollbacks=_NONE,
        approvals=_NONE,
        sections=_NONE,
        reason=reason,
    )


def _completed(state: InstanceState, _: e.WorkflowCompleted, at: EventPlace) -> InstanceState:
    ended = _ended(state, at, s.COMPLETED, "")
    if not (state.completions and state.parent.id):
        return ended
    # The parent may have it undone.
    return replace(ended, completions=reachable_completions(state.completions, ()))


def _failed(state: InstanceState, event: e.WorkflowFailed, at: EventPlace) -> InstanceState:
    ended = _ended(state, at, s.FAILED, event.message)
    errors = _errors(state, f"{event.code}: {event.message}")
    if not event.restartable:
        return replace(ended, errors=errors)
    return replace(
        ended,
        errors=errors,
        restartable=True,
        resting={token.id: token.place for token in event.resting},
        completions=own_completions(state),
    )


def _restarted(state: InstanceState, event: WorkflowRestarted, at: EventPlace) -> InstanceState:
    again = replace(state, restartable=False, resting={}, ended_at=0, reason="")
    return _moved(again, event.moves, at, status=s.RUNNING)


def _cancelled(state: InstanceState, event: e.WorkflowCancelled, at: EventPlace) -> InstanceState:
    return _ended(state, at, s.CANCELLED, event.reason)


def _terminated(state: InstanceState, event: e.WorkflowTerminated, at: EventPlace) -> InstanceState:
    return _ended(state, at, s.TERMINATED, event.reason)


def _deleted(state: InstanceState, _: e.WorkflowDeleted, at: EventPlace) -> InstanceState:
    # Nothing else: of a finished instance there may be no more than the short memory.
    return replace(state, sequence=at.sequence, status=s.DELETED)


def _scheduled(state: InstanceState, event: e.ActivityScheduled, at: EventPlace) -> InstanceState:
    former = state.activities.get(event.activity)
    opened = s.OpenActivity(
        event.activity_id,
        event.token,
        event.activity_type,
        event.queue,
        event.attempt,
        event.input,
        event.start_by,
        event.close_by,
        0,
        0,
        event.close_ms,
        event.heartbeat_ms,
        False,  # noqa: FBT003 - by position, as in a hot path
        [] if former is None else former.attempts,
    )
    activities = state.activities.copy()
    activities[event.activity] = opened
    place = _placed(state, event.token, event.activity_id)
    return replace(state, sequence=at.sequence, activities=activities, **place)


def _activity_started(
    state: InstanceState, event: e.ActivityStarted, at: EventPlace
) -> InstanceState:
    former = state.activities.get(event.activity)
    if former is None:
        return replace(state, sequence=at.sequence)
    opened = replace(
        former,
        start_by=0,
        close_by=event.close_by,
        beat_by=event.beat_by,
        heartbeat_ms=event.heartbeat_ms,
        started=True,
    )
    return replace(
        state, sequence=at.sequence, activities={**state.activities, event.activity: opened}
    )


def _activity_completed(
    state: InstanceState, event: e.ActivityCompleted, at: EventPlace
) -> InstanceState:
    rest = _without(state.activities, event.activity)
    return _moved(state, event.moves, at, activities=rest)


def _activity_failed(
    state: InstanceState, event: e.ActivityFailed, at: EventPlace
) -> InstanceState:
    former = state.activities.get(event.activity)
    errors = _errors(state, f"{event.activity_id}: {event.code}: {event.message}")
    if former is None or event.moves.consumed:
        rest = _without(state.activities, event.activity)
        return _moved(state, event.moves, at, activities=rest, errors=errors)
    message = event.message[:KEPT_TEXT]
    attempt = s.Attempt(event.attempt, event.code, message, event.worker, at.time)
    opened = replace(
        former,
        start_by=0,
        close_by=0,
        beat_by=0,
        retry_at=event.retry_at,
        started=False,
        attempts=[*former.attempts, attempt][-20:],
    )
    activities = {**state.activities, event.activity: opened}
    return _moved(state, event.moves, at, activities=activities, errors=errors)


def _activity_cancelled(
    state: InstanceState, event: e.ActivityCancelled, at: EventPlace
) -> InstanceState:
    return replace(
        state, sequence=at.sequence, activities=_without(state.activities, event.activity)
    )


def _timer_scheduled(
    state: InstanceState, event: e.TimerScheduled, at: EventPlace
) -> InstanceState:
    timers = {**state.timers, event.token: s.OpenTimer(event.node, event.due)}
    place = _placed(state, event.token, event.node)
    return replace(state, sequence=at.sequence, timers=timers, **place)


def _call_started(state: InstanceState, event: CallStarted, at: EventPlace) -> InstanceState:
    calls = {key: one for key, one in state.calls.items() if one.token != event.token}
    calls[at.sequence] = s.OpenCall(event.node, event.token, event.child_id, event.attempt)
    place = _placed(state, event.token, event.node)
    return replace(state, sequence=at.sequence, calls=calls, **place)


def _call_failed(state: InstanceState, event: CallFailed, at: EventPlace) -> InstanceState:
    errors = _errors(state, f"{event.node}: {event.code}: {event.message}")
    rest = _without(state.calls, event.call)
    former = state.calls.get(event.call)
    if event.retry_at and former is not None:
        rest[event.call] = replace(former, retry_at=event.retry_at)
    return _moved(state, event.moves, at, calls=rest, errors=errors)


def _node_executed(state: InstanceState, event: e.NodeExecuted, at: EventPlace) -> InstanceState:
    changes: dict[str, Any] = {}
    gone = frozenset(event.moves.consumed)
    if event.node_type == "timer":
        changes["timers"] = {t: timer for t, timer in state.timers.items() if t not in gone}
    elif event.node_type == "call":
        changes["calls"] = {k: call for k, call in state.calls.items() if call.token not in gone}
    elif event.node_type in {"scope", "scope_done"}:
        # An end may have taken tokens that still waited for something.
        changes = without_waits(state, gone)
    return _moved(state, event.moves, at, **changes)


def _scope_started(state: InstanceState, event: e.ScopeStarted, at: EventPlace) -> InstanceState:
    place = _placed(state, event.token, event.node)
    scope = s.OpenScope(event.node, event.token, event.variables)
    placed = replace(state, scopes={**state.scopes, at.sequence: scope}, **place)
    return _moved(placed, event.moves, at)


def _event_awaited(state: InstanceState, event: e.EventAwaited, at: EventPlace) -> InstanceState:
    opened = s.OpenSubscription(event.node, event.token, event.kind, event.due, event.channel)
    if event.schedule or event.part or event.wait:
        opened = replace(opened, schedule=event.schedule, part=event.part, wait=event.wait)
    place = _placed(state, event.token, event.host) if event.host else {}
    subscriptions = {**state.subscriptions, at.sequence: opened}
    return replace(state, sequence=at.sequence, subscriptions=subscriptions, **place)


def _event_triggered(
    state: InstanceState, event: e.EventTriggered, at: EventPlace
) -> InstanceState:
    changes = without_waits(state, frozenset(event.moves.consumed))
    waited = state.subscriptions.get(event.subscription)
    if waited is not None:
        rest = _without(state.subscriptions, event.subscription)
        if event.stays:
            rest[event.subscription] = replace(
                waited,
                taken=event.message_id,
                due=event.next_due or waited.due,
                met=event.kind == "condition",
            )
        changes["subscriptions"] = rest
    if event.single:
        changes["single"] = event.single
    return _moved(state, event.moves, at, **changes)


def _error_occurred(state: InstanceState, event: e.ErrorOccurred, at: EventPlace) -> InstanceState:
    incident = s.Incident(
        event.code, event.message, event.node, event.token, event.command, event.seen
    )
    incidents = {**state.incidents, at.sequence: incident}
    where = f"{event.node}: " if event.node else ""
    errors = _errors(state, f"{where}{event.code}: {event.message}")
    changes: dict[str, Any] = {}
    if event.token:
        changes = _placed(state, event.token, event.place or event.node)
        calls = {k: call for k, call in state.calls.items() if call.token != event.token}
        if len(calls) != len(state.calls):
            changes["calls"] = calls
        activities = {
            k: activity for k, activity in state.activities.items() if activity.token != event.token
        }
        if len(activities) != len(state.activities):
            changes["activities"] = activities
    placed = replace(state, **changes) if changes else state
    return _moved(placed, event.moves, at, incidents=incidents, errors=errors)


def _incident_resolved(
    state: InstanceState, event: e.IncidentResolved, at: EventPlace
) -> InstanceState:
    return replace(state, sequence=at.sequence, incidents=_without(state.incidents, event.incident))


def _intervened(state: InstanceState, event: Intervention, at: EventPlace) -> InstanceState:
    gone = frozenset(event.moves.consumed)
    return _moved(state, event.moves, at, **without_waits(state, gone))


APPLIERS: Final[dict[type[msgspec.Struct], Applier]] = {
    e.WorkflowCreated: _created,
    e.WorkflowStarted: _started,
    e.WorkflowSuspended: _suspended,
    e.WorkflowResumed: _resumed,
    e.WorkflowCompleted: _completed,
    e.WorkflowFailed: _failed,
    WorkflowRestarted: _restarted,
    e.WorkflowCancelled: _cancelled,
    e.WorkflowTerminated: _terminated,
    e.WorkflowDeleted: _deleted,
    e.ActivityScheduled: _scheduled,
    e.ActivityStarted: _activity_started,
    e.ActivityCompleted: _activity_completed,
    e.ActivityFailed: _activity_failed,
    e.ActivityCancelled: _activity_cancelled,
    e.TimerScheduled: _timer_scheduled,
    CallStarted: _call_started,
    CallFailed: _call_failed,
    e.NodeExecuted: _node_executed,
    e.ScopeStarted: _scope_started,
    e.EventAwaited: _event_awaited,
    e.EventTriggered: _event_triggered,
    e.ErrorOccurred: _error_occurred,
    e.IncidentResolved: _incident_resolved,
    e.NodeSkipped: _intervened,
    e.NodeCompleted: _intervened,
    e.VariablesSet: _intervened,
    **RECOVERY,
    **COMPENSATION,
    **CONDITIONS,
    **ESCALATIONS,
    **DATA,
    **ITERATION,
    **WAITS,
    **APPROVALS,
    **SECTIONS,
}


def evolve(state: InstanceState | None, event: msgspec.Struct, at: EventPlace) -> InstanceState:
    """Apply one event."""
    return APPLIERS[type(event)](s.NOTHING if state is None else state, event, at)
