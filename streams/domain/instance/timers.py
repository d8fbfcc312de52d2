"""Moments: when the next is due, and what happens then."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.commands import FireTimer
from schemas.events import Moves, NodeExecuted
from streams.domain.instance.advance import advance
from streams.domain.instance.complete_activity import UNMAPPED, mapped, stay
from streams.domain.instance.enter import again
from streams.domain.instance.fail_activity import fail
from streams.domain.instance.state import RUNNING, InstanceState, OpenActivity
from streams.domain.instance.walk import Walk
from streams.domain.instance.work import Work
from streams.domain.protocol import Decision, Outcome

TIMER, RETRY, START, CLOSE, BEAT = "timer", "retry", "start", "close", "beat"
Moment = tuple[int, str, int]
"""Due time, what for, and the token or activity."""


def moments(state: InstanceState, beats: dict[int, int]) -> Iterator[Moment]:
    """Yield every moment that the instance waits for."""
    for token, timer in state.timers.items():
        yield timer.due, TIMER, token
    for key, activity in state.activities.items():
        yield from _activity_moments(key, activity, beats)


def _activity_moments(key: int, activity: OpenActivity, beats: dict[int, int]) -> Iterator[Moment]:
    if activity.retry_at:
        yield activity.retry_at, RETRY, key
        return
    if activity.start_by:
        yield activity.start_by, START, key
    if activity.close_by:
        yield activity.close_by, CLOSE, key
    if activity.beat_by:
        beat = beats.get(key, 0)
        yield max(activity.beat_by, beat + activity.heartbeat_ms if beat else 0), BEAT, key


def next_due(state: InstanceState, beats: dict[int, int]) -> int:
    """Return the earliest moment, 0 for none; a suspended instance waits for none."""
    if state.status != RUNNING or not (state.timers or state.activities):
        return 0
    return min((moment[0] for moment in moments(state, beats)), default=0)


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
    activity = work.state.activities[key]
    if what == RETRY:
        again(work, key, activity)
        return
    names = {START: "schedule-to-start", CLOSE: "start-to-close", BEAT: "heartbeat"}
    message = f"the {names[what]} time-out of attempt {activity.attempt} has passed"
    work.cancel_task(key, activity.attempt, message)
    fail(work, key, activity, "Timeout", message, retryable=True)


def _fire_timer(work: Work, token: int, due: int) -> None:
    node = work.state.timers[token].node

    def cause(moves: Moves) -> NodeExecuted:
        return NodeExecuted(node, "timer", moves, due)

    try:
        writes = mapped(work, node, work.state.variables, {}, None)
    except UNMAPPED as error:
        work.emit(cause(Moves([token])))
        stay(work, node, token, error)
        return
    walk = Walk(work, [token], writes)
    walk.leave(node)
    advance(work, walk, cause)
