"""When timers are due: which of their values say so, and what can be read of them at once."""

from __future__ import annotations

from typing import Any, Final

from streams.domain.expressions.moments import date_ms, due_after
from streams.domain.expressions.schedules import begin, read_cron, read_cycle
from streams.domain.expressions.zones import zone_of
from streams.domain.net.model import Boundary, Expression, Timer, TimerTrigger
from streams.domain.net.problem import Problems, StructureProblem

MOMENTS: Final = ("duration", "date", "cycle", "cron")
"""A timer has one of them; `zone` says on whose clocks."""
SCHEDULES: Final = ("cycle", "cron")
"""Those that come again and again."""


def timing_of(kind: object) -> dict[str, Expression]:
    """Return what says when a timer is due, by its key; nothing for anything else."""
    timed = kind.trigger if isinstance(kind, Boundary) else kind
    if not isinstance(timed, Timer | TimerTrigger):
        return {}
    values = {word: getattr(timed, word) for word in (*MOMENTS, "zone")}
    return {word: value for word, value in values.items() if value is not None}


def repeats(kind: object) -> bool:
    """Tell whether an event can come again and again beside a host that goes on."""
    if not isinstance(kind, Boundary) or kind.interrupting:
        return False
    trigger = kind.trigger
    return not isinstance(trigger, TimerTrigger) or not (trigger.duration or trigger.date)


def due_of(values: dict[str, Any], now: int) -> tuple[int, str]:
    """Return when a timer is due that begins now, and the text of its schedule, if it has one.

    `values` are those of `timing_of`, evaluated.

    Raises:
        ValueError: one of them cannot be read, or the schedule does not come any more.
    """
    zone = values.get("zone", "")
    if not isinstance(zone, str):
        zone_of(zone)  # Says what is wrong with it.
    if "duration" in values:
        return due_after(values["duration"], now, zone), ""
    if "date" in values:
        # A due of 0 would say that nothing is due.
        return max(1, date_ms(values["date"], zone)), ""
    read = read_cycle if "cycle" in values else read_cron
    schedule = begin(read(values.get("cycle", values.get("cron")), zone), now)
    return schedule.next_due(now, now).due, schedule.text


def timing_problems(name: str, kind: object) -> Problems:
    """Return what is wrong with the literal values of a timer, instead of failing at run time."""
    where = ("nodes", name)
    given = timing_of(kind)
    if isinstance(kind, Timer) and sum(word in given for word in MOMENTS) != 1:
        return [StructureProblem(where, f"a timer has one of {', '.join(MOMENTS)}")]
    literal = {word: value.source for word, value in given.items() if not _computed(value)}
    # Where the zone is computed, what is meant on its clocks can be read on any.
    zone = literal.get("zone", "UTC" if "zone" in given else "")
    try:
        zone_of(zone)
    except ValueError as error:
        return [StructureProblem((*where, "zone"), str(error))]
    for word in MOMENTS:
        if word in literal:
            try:
                _read(word, literal[word], zone)
            except ValueError as error:
                return [StructureProblem((*where, word), str(error))]
    return []


def _computed(value: Expression) -> bool:
    return isinstance(value.source, str) and "${" in value.source


def _read(word: str, value: Any, zone: str) -> None:
    if word in SCHEDULES:
        read = read_cycle if word == "cycle" else read_cron
        read(value, zone)
    else:
        due_of({word: value, "zone": zone}, 0)
