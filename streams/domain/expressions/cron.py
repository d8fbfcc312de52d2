"""Cron expressions on the clocks of a zone, and what becomes of hours that a change moves.

`cronsim` reads the fields and knows which days match. Its own treatment of time zones is not
used: it goes back in time when asked inside an hour that is shown twice, and treats six fields
unlike five. The rule here is one:

- Where the hour is fixed, what stands in a skipped hour comes once, at the end of the gap, and
  what stands in an hour that is shown twice comes in the first of them only.
- Where the hour is `*` it goes by the time that passes: nothing comes in a gap, which takes no
  time, and in an hour that is shown twice it comes in both.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

from cronsim import CronSim, CronSimError

from streams.domain.expressions.zones import DAY, Change, Zone

_NAMED: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_LENGTH_MAX: Final = 300
_DAYS_MAX: Final = 50 * 366
"""How far it is looked for the next day that matches."""
_FIRST: Final = date(1970, 1, 1)
_ANY: Final = datetime(2000, 1, 1, tzinfo=UTC)
_ANY_WALL: Final = int(_ANY.timestamp())


class Fields:
    """A cron expression: which wall times it names."""

    def __init__(self, text: str) -> None:
        """Read five fields, six with seconds first, or a name such as `@daily`; `ValueError`."""
        try:
            if len(text) > _LENGTH_MAX:
                raise ValueError(f"a cron expression has at most {_LENGTH_MAX} characters")
            self._days = CronSim(_NAMED.get(text.strip().lower(), text), _ANY)
        except CronSimError as error:
            raise ValueError(
                f"{text!r} is no cron expression ({str(error).lower()}): write minute, hour, day, "
                "month and weekday, as 0 9 * * MON-FRI, with the second before them if needed"
            ) from None
        self._hours = sorted(self._days.hours)
        self._minutes = sorted(self._days.minutes)
        self._seconds = sorted(self._days.seconds)
        self.is_hourly = len(self._hours) == 24
        """True: it goes by the time that passes, not by the hours that the clocks show."""
        if self.after(_ANY_WALL) is None:
            raise ValueError(f"{text!r} never comes: no such day in 50 years")

    def after(self, wall: int) -> int | None:
        """Return the next wall time that it names; None where there is none in 50 years."""
        day, time = divmod(wall, DAY)
        if self._matches(day):
            later = self._later(time)
            if later is not None:
                return day * DAY + later
        for ahead in range(day + 1, day + _DAYS_MAX):
            if self._matches(ahead):
                return ahead * DAY + self._time(0, 0, 0)
        return None

    def count(self, after: int, until: int) -> int:
        """Return how many wall times it names that are later than one, not later than another."""
        if until <= after:
            return 0
        first, last = after // DAY, until // DAY
        whole = sum(map(self._matches, range(first, last))) * self._rank(DAY - 1)
        ends = self._rank(until % DAY) if self._matches(last) else 0
        return whole + ends - (self._rank(after % DAY) if self._matches(first) else 0)

    def _matches(self, day: int) -> bool:
        found = _FIRST + timedelta(days=day)
        return found.month in self._days.months and self._days.match_day(found)

    def _time(self, hour: int, minute: int, second: int) -> int:
        """Return the second of the day of fields by their places."""
        return self._hours[hour] * 3_600 + self._minutes[minute] * 60 + self._seconds[second]

    def _rank(self, time: int) -> int:
        """Return how many times of a day it names that are not later than this one."""
        hour, rest = divmod(time, 3_600)
        minute, second = divmod(rest, 60)
        minutes, seconds = len(self._minutes), len(self._seconds)
        rank = bisect_left(self._hours, hour) * minutes * seconds
        if _has(self._hours, hour):
            rank += bisect_left(self._minutes, minute) * seconds
            if _has(self._minutes, minute):
                rank += bisect_right(self._seconds, second)
        return rank

    def _later(self, time: int) -> int | None:
        """Return the next time of the same day."""
        rank = self._rank(time)
        hour, rest = divmod(rank, len(self._minutes) * len(self._seconds))
        if hour >= len(self._hours):
            return None
        return self._time(hour, *divmod(rest, len(self._seconds)))


def _has(values: Sequence[int], one: int) -> bool:
    place = bisect_left(values, one)
    return place < len(values) and values[place] == one


def next_after(fields: Fields, zone: Zone, after: int) -> int | None:
    """Return the first instant later than another at which an expression comes about."""
    wall = zone.wall(after)
    if fields.is_hourly:
        return _next_passing(fields, zone, after, wall)
    while True:
        found = fields.after(wall)
        if found is None:
            return None
        instant = zone.earliest(found)
        if instant > after:
            return instant
        wall = found  # Inside an hour that is shown again: its times have come before.


def _next_passing(fields: Fields, zone: Zone, after: int, wall: int) -> int | None:
    shown = zone.showing(wall)
    again = []
    if len(shown) == 2 and shown[0] == after:
        # The clocks will go back to before this: what they show again comes again.
        (change,) = zone.changes(after, shown[1])
        found = fields.after(change.at + change.after - 1)
        again = [] if found is None else [found - change.after]
    while True:
        found = fields.after(wall)
        if found is None:
            return min(again, default=None)
        instants = [*again, *(one for one in zone.showing(found) if one > after)]
        if instants:
            return min(instants)
        wall = found


def count_between(fields: Fields, zone: Zone, after: int, until: int) -> int:
    """Return how often an expression comes about after one instant, up to and with another."""
    changes = zone.changes(after, until)
    count, start, offset = 0, after, zone.offset(after)
    # Where the hour is fixed, wall times that were reached before do not come again.
    shown = zone.showing(start + offset)
    reached = after + offset
    if not fields.is_hourly and shown and shown[0] < after:
        reached = _furthest(zone, shown[0], after)
    for change in [*changes, Change(until + 1, 0, 0)]:
        end = change.at - 1 + offset
        begin = start + offset if fields.is_hourly else max(start + offset, reached)
        count += fields.count(begin, end)
        reached = max(reached, end)
        if change.at > until:
            break
        skipped = change.after - change.before
        if skipped > 0 and not fields.is_hourly and fields.count(end, end + skipped):
            count += 1 if not fields.count(end + skipped, end + skipped + 1) else 0
        start, offset = change.at - 1, change.after
    return count


def _furthest(zone: Zone, first: int, after: int) -> int:
    """Return the furthest wall time that was shown before an hour was shown again."""
    (change,) = zone.changes(first, after)
    return change.at - 1 + change.before
