"""What starts a definition by itself, in words for people."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from streams.domain.definition.timed import first_due
from streams.domain.net.model import Start, TimerTrigger
from streams.domain.net.starts import name_of, triggered_starts
from streams.forms import read_definition


def starts_told(source: str, now: int) -> Iterator[str]:
    """Yield a sentence for each start that something triggers; `now` in ms since 1970.

    A time that is counted from the publication is not known here: `schedule.fired` has it.
    """
    definition = read_definition(source)
    if isinstance(definition, list):
        return
    for node, start in triggered_starts(definition):
        kind, name = name_of(start)
        told = f"{node} is started by the {kind} {name}"
        next_time = _next(start, now)
        yield f"{told}, next at {next_time}" if next_time else told


def _next(start: Start, now: int) -> str:
    trigger = start.trigger
    if not isinstance(trigger, TimerTrigger):
        return ""
    given = trigger.cycle.source if trigger.cycle is not None else ""
    if trigger.duration is not None or str(given).count("/") == 1:
        return ""
    due, _ = first_due(trigger, now)
    return datetime.fromtimestamp(due / 1_000, UTC).isoformat() if due else ""
