"""Schedules: what comes again and again, as an ISO 8601 cycle or a cron expression.

A cycle is `R3/PT10S` or `R/2026-01-01T00:00:00+01:00/P1D`: so many times (without a number
for ever), from a start (without one from when it began), after each period. Due times are
counted from the start, never from the last one, so that nothing drifts.

`next_due` is the one question. To begin, ask it with the moment of beginning twice::

    schedule = begin(read_cycle("R3/PT10S"), now)
    due, _ = next_due(schedule, now, now)
    ...                                        # It fires, at `later`:
    due, missed = next_due(schedule, due, later)

What must be remembered between is `schedule.text`, which `read_schedule` reads again.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final, NamedTuple

from streams.domain.expressions.cron import Fields, count_between, next_after
from streams.domain.expressions.moments import date_ms
from streams.domain.expressions.periods import read_period
from streams.domain.expressions.zones import Zone, zone_of

PERIOD_MS_MIN: Final = 1_000
COUNT_MAX: Final = 1_000_000_000
LENGTH_MAX: Final = 400
_CYCLE: Final = re.compile(r"R(?P<count>\d*)/(?:(?P<start>[^P/][^/]*)/)?(?P<period>P[^/]*)\Z")
_TEXT: Final = re.compile(r"(?P<source>.+)\[(?P<zone>[^]]*)\](?:@(?P<began>\d+))?\Z", re.DOTALL)


class Next(NamedTuple):
    """When a schedule is due next, and what was missed."""

    due: int
    """Milliseconds since 1970; 0: it does not come any more."""
    missed: int
    """How many due times lie between the one that fired and now."""


class Cycle:
    """A repeating interval: it comes at its start, if it has one, and after each period."""

    __slots__ = ("_base", "_first", "_period", "_zone", "count", "source", "text")

    def __init__(self, source: str, zone: str, began: int = 0) -> None:
        """Read an ISO 8601 repeating interval; `ValueError`.

        Without a start it counts from `began`, in ms since 1970. Without a zone (an empty name)
        a start has an offset.
        """
        match = _CYCLE.match(source)
        if match is None:
            raise ValueError(
                f"{source!r} is no ISO 8601 cycle: write R3/PT10S for three times, R/P1D without "
                "an end, or R/2026-01-01T00:00:00Z/P1D with a start"
            )
        self.source = source
        self._zone = zone_of(zone)
        self._period = read_period(match["period"])
        self.count = int(match["count"][:12]) if match["count"] else 0
        """How often it comes in all; 0: without an end."""
        if match["count"] and not 0 < self.count <= COUNT_MAX:
            raise ValueError(f"{source!r}: a cycle comes 1 to {COUNT_MAX} times; R/ has no end")
        if self._period.mean_ms < PERIOD_MS_MIN:
            raise ValueError(f"{source!r}: the period of a cycle is at least one second")
        start = match["start"]
        self._base = date_ms(start, zone) if start else began
        self._first = 0 if start else 1
        """Periods from the base to the first time."""
        self.text = f"{source}[{self._zone.name}]" + ("" if start else f"@{began}")

    def begun(self, began: int) -> Cycle:
        """Return the same cycle, counted from a moment if it has no start of its own."""
        return Cycle(self.source, self._zone.name, began) if self._first else self

    def next_due(self, after: int, now: int) -> Next:
        """Implement `next_due`."""
        fired, passed = self._passed(after), self._passed(max(after, now))
        over = bool(self.count) and passed >= self.count
        return Next(0 if over else max(1, self._at(passed)), passed - fired)

    def _at(self, number: int) -> int:
        """Return the due time of this number, from 0."""
        return self._period.added(self._base, self._zone, number + self._first)

    def _passed(self, moment: int) -> int:
        """Return how many due times are not later than a moment."""
        number = max(0, (moment - self._base) // self._period.mean_ms - self._first + 1)
        while number and self._at(number - 1) > moment:
            number -= 1
        while self._at(number) <= moment:
            number += 1
        return min(number, self.count) if self.count else number


class Cron:
    """A cron expression on the clocks of a zone."""

    __slots__ = ("_fields", "_zone", "count", "source", "text")

    def __init__(self, source: str, zone: Zone) -> None:
        """Read a cron expression; `ValueError`."""
        self.source = source
        self.count = 0
        """It has no end."""
        self._fields = Fields(source)
        self._zone = zone
        self.text = f"{source}[{zone.name}]"

    def begun(self, began: int) -> Cron:
        """Return itself: it is the same whenever it begins."""
        del began
        return self

    def next_due(self, after: int, now: int) -> Next:
        """Implement `next_due`."""
        fired, present = after // 1_000, max(after, now) // 1_000
        missed = count_between(self._fields, self._zone, fired, present)
        due = next_after(self._fields, self._zone, present)
        return Next(0 if due is None else max(1, due * 1_000), missed)


Schedule = Cycle | Cron


def read_cycle(value: Any, zone: Any = "") -> Cycle:
    """Read a cycle on the clocks of a zone (an IANA name; empty for UTC); `ValueError`."""
    return Cycle(_words(value, "cycle"), zone_of(zone).name if zone else "")


def read_cron(value: Any, zone: Any = "") -> Cron:
    """Read a cron expression on the clocks of a zone (an IANA name; empty for UTC); `ValueError`.

    Minute, hour, day, month, weekday; or six fields, the second first; or `@yearly`, `@monthly`,
    `@weekly`, `@daily`, `@hourly`. If day and weekday are both given, one of them is enough.
    """
    return Cron(_words(value, "cron expression"), zone_of(zone))


def _words(value: Any, what: str) -> str:
    if not isinstance(value, str) or len(value) > LENGTH_MAX:
        raise ValueError(f"{str(value)[:80]!r} is no {what}: text is needed")
    return value.strip()


@lru_cache(4_096)
def read_schedule(text: str) -> Schedule:
    """Read the `text` of a schedule that has begun; `ValueError` for anything else."""
    match = _TEXT.match(text)
    if match is None:
        raise ValueError(f"{text!r} is no schedule: SOURCE[ZONE] or SOURCE[ZONE]@BEGAN")
    source, zone = match["source"], match["zone"]
    if source.startswith("R"):
        return Cycle(source, zone, int(match["began"] or 0))
    return Cron(source, zone_of(zone))


def begin(schedule: Schedule, began: int) -> Schedule:
    """Let a schedule begin at a moment, in ms since 1970; its first due time is later.

    Raises:
        ValueError: it does not come any more.
    """
    begun = schedule.begun(began)
    if not begun.next_due(began, began).due:
        raise ValueError(f"{schedule.source!r} does not come any more: all its times have passed")
    return begun


def next_due(schedule: Schedule, after: int, now: int) -> Next:
    """Return the first due time later than now, and how many were missed.

    `after` is the due time that just fired, or the moment of beginning; what is due later than
    it and not later than `now` was missed. With `now` the same as `after` nothing is: it gives
    one due time after the other. All are in milliseconds since 1970.
    """
    return schedule.next_due(after, now)
