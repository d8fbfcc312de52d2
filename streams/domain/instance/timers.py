"""Moments: when the next is due, and what happens then."""

from __future__ import annotations

from schemas.commands import FireTimer
from schemas.events import Moves, NodeExecuted
from streams.domain.instance.advance import leave
from streams.domain.instance.approval_overdue import escalate
from streams.domain.instance.combined import came
from streams.domain.instance.enter import again, enter
from streams.domain.instance.fail_activity import fail, kind_of
from streams.domain.instance.notify import remind
from streams.domain.instance.outputs import UNMAPPED, mapped, stay
from streams.domain.instance.places import scope_of
from streams.domain.instance.sections import extend
from streams.domain.instance.state import RUNNING, InstanceState
from streams.domain.instance.work import Work
from streams.domain.protocol import Decision, Outcome

TIMER, RETRY, START, CLOSE, BEAT, CATCH = "timer", "retry", "start", "close", "beat", "catch"
NOTIFY, ESCALATE, LOCK, CALL = "notify", "escalate", "lock", "call"
Moment = tuple[int, str, int]
"""Due time, what for, and the token or activity."""


def moments(state: InstanceState, beats: dict[int, int]) -> list[Moment]:
    """Return every moment that the instance waits for."""
    found: list[Moment] = [(timer.due, TIMER, token) for token, timer in state.timers.items()]
    found.extend((one.due, CATCH, key) for key, one in state.subscriptions.items() if one.due)
    found.extend(
        (one.retry_at, NOTIFY, key) for key, one in state.notifications.items() if one.retry_at
    )
    found.extend(
        (one.escalate_at, ESCALATE, key) for key, one in state.approvals.items() if one.escalate_at
    )
    found.extend((one.retry_at, CALL, key) for key, one in state.calls.items() if one.retry_at)
    found.extend((one.extend_at, LOCK, n) for n, one in state.sections.items() if one.extend_at)
    for key, activity in state.activities.items():
        if activity.retry_at:
            found.append((activity.retry_at, RETRY, key))
            continue
        if activity.start_by:
            found.append((activity.start_by, START, key))
        if activity.close_by:
            found.append((activity.close_by, CLOSE, key))
        if activity.beat_by:
            beat = beats.get(key, 0)
            due = max(activity.beat_by, beat + activity.heartbeat_ms if beat else 0)
            found.append((due, BEAT, key))
    return found


def next_due(state: InstanceState, beats: dict[int, int]) -> int:
    """Return the earliest moment, 0 for none; a suspended instance waits for none."""
    if state.status != RUNNING:
        return 0
    if not (
        state.timers
        or state.subscriptions
        or state.notifications
        or state.approvals
        or state.sections
        or state.calls
    ):
        # Only activities, and mostly without a deadline: no list is made for them.
        for one in state.activities.values():
            if one.close_by or one.retry_at or one.start_by or one.beat_by:
                break
        else:
            return 0
    found = moments(state, beats)
    return min(found)[0] if found else 0


def decide_fire(_: FireTimer, state: InstanceState, ctx: Decision) -> Outcome:
    """Fire everything that is due by now, in the order of the due times."""
    work = Work(state, ctx)
    due = sorted(m for m in moments(state, ctx.beats) if m[0] <= ctx.now)
    for moment in due:
        if work.state.status != RUNNING or work.exhausted():
            break
        if moment in moments(work.state, ctx.beats):
            _fire(work, moment)
    return work.accepted()


def _fire(work: Work, moment: Moment) -> None:
    due, what, key = moment
    if what == TIMER:
        _fire_timer(work, key, due)
        return
    if what == CATCH:
        came(work, key, work.state.subscriptions[key])
        return
    if what == NOTIFY:
        remind(work, key)
        return
    if what == ESCALATE:
        escalate(work, key)
        return
    if what == CALL:
        call = work.state.calls[key]
        enter(work, call.node, call.token)
        return
    if what == LOCK:
        extend(work, key)
        return
    activity = work.state.activities[key]
    if what == RETRY:
        again(work, key, activity)
        return
    names = {START: "schedule-to-start", CLOSE: "start-to-close", BEAT: "heartbeat"}
    message = f"the {names[what]} time-out of attempt {activity.attempt} has passed"
    # A heartbeat that the author did not ask for was the worker's own: the worker is gone.
    lost = what == BEAT and not kind_of(work, activity).heartbeat_ms
    if lost:
        message = f"the worker of attempt {activity.attempt} is lost: it gives no sign of life"
    work.cancel_task(key, activity.attempt, message)
    fail(work, key, activity, "Timeout", message, retryable=True, lost=lost)


def _fire_timer(work: Work, token: int, due: int) -> None:
    node = work.state.timers[token].node
    scope = scope_of(work.state.tokens[token])

    def cause(moves: Moves) -> NodeExecuted:
        return NodeExecuted(node, "timer", moves, due)

    try:
        writes = mapped(work, node, {}, {"output": None}, scope)
    except UNMAPPED as error:
        work.emit(cause(Moves([token])))
        stay(work, node, token, error, scope)
        return
    leave(work, node, [token], writes, cause, scope)
