"""Timer starts: when the newest version's are due, and what is done then.

The due time is in the definition's state, as an instance's timers are in its own: whoever owns the
partition of the definition fires it, so that it fires once, whatever strikes.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from schemas.commands import FireTimer, TriggerInstance
from schemas.definition_events import ScheduleFired
from schemas.json_text import canonical
from streams.domain.definition.ids import begun, started_id
from streams.domain.definition.state import DefinitionState, OpenStart, evolve
from streams.domain.expressions.schedules import next_due as following
from streams.domain.expressions.schedules import read_schedule
from streams.domain.net.model import TimerTrigger
from streams.domain.net.timing import due_of, timing_of
from streams.domain.protocol import Accepted, Decision, Effect, EventPlace, Outcome

LATE_MS: Final = 60_000
"""With `missed: skip`, what is due for longer starts nothing."""


class Fired(NamedTuple):
    """What a due start comes to."""

    next_due: int
    missed: int
    skipped: bool


def first_due(trigger: TimerTrigger, now: int) -> tuple[int, str]:
    """Return when a timer that begins now is due, and its schedule; 0 for what is over already."""
    values = {word: value.source for word, value in timing_of(trigger).items()}
    try:
        due, schedule = due_of(values, now)
    except ValueError:
        return 0, ""  # It was read when the version was submitted: all its times have passed.
    past = trigger.date is not None and due <= now
    return (0, "") if past else (due, schedule)


def next_due(state: DefinitionState, _beats: dict[int, int] | None = None) -> int:
    """Return when the earliest timer start is due, in ms since 1970; 0 for none."""
    return min((one.due for one in state.starts if one.due), default=0)


def decide_fire(_: FireTimer, state: DefinitionState, ctx: Decision) -> Outcome:
    """Start an instance for each timer start that is due, the earliest first."""
    events: list[ScheduleFired] = []
    effects: list[Effect] = []
    while len(events) < ctx.limits.fan_out:
        due = [one for one in state.starts if 0 < one.due <= ctx.now]
        if not due:
            break
        event = _event(min(due, key=lambda one: one.due), state, ctx)
        place = EventPlace(ctx.aggregate_id, ctx.tenant, "", state.sequence + 1, ctx.now, ctx.actor)
        state = evolve(state, event, place)
        events.append(event)
        if event.instance_id:
            effects.append(_started(event))
    return Accepted([*events], effects, state)


def _event(start: OpenStart, state: DefinitionState, ctx: Decision) -> ScheduleFired:
    name, due = ctx.aggregate_id, start.due
    fired = _fire(start, ctx.now)
    instance = "" if fired.skipped else started_id(name, "timer", start.node, str(due))
    ids = (name, state.newest, start.node)
    return ScheduleFired(*ids, due, fired.missed, fired.next_due, instance)


def _fire(start: OpenStart, now: int) -> Fired:
    skipped = start.missed == "skip" and now - start.due > LATE_MS
    if not start.schedule:
        return Fired(0, 0, skipped)
    schedule = read_schedule(start.schedule)
    if start.missed == "each":
        return Fired(following(schedule, start.due, start.due).due, 0, skipped=False)
    if start.missed == "once":
        return Fired(*following(schedule, start.due, now), skipped=False)
    # What is not late yet is looked at by itself.
    due, missed = following(schedule, start.due, max(start.due, now - LATE_MS - 1))
    return Fired(due, missed, skipped)


def _started(event: ScheduleFired) -> Effect:
    due, missed = event.due, event.missed
    payload = canonical({"due": due, "missed": missed})
    ids = (event.definition_id, event.version, event.node)
    body = TriggerInstance(*ids, "timer", payload, due=due, missed=missed)
    return begun(event.instance_id, body)
