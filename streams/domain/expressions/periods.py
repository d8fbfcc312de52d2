"""Periods: ISO 8601 durations with their calendar parts, added on the clocks of a zone.

Years, months, weeks and days are the calendar's: the clocks show the same time at both ends.
Hours, minutes and seconds are exact. In UTC a day is 24 hours.
"""

from __future__ import annotations

import calendar
import re
from datetime import date, timedelta
from typing import Final, NamedTuple

from streams.domain.expressions.zones import DAY, UTC_ZONE, Zone

DURATION_MS_MAX: Final = 100 * 366 * DAY * 1_000
_DAY_MS: Final = DAY * 1_000
_MONTH_MS: Final = 2_629_746_000
"""A mean one: to guess with, and to compare."""
_FIRST: Final = date(1970, 1, 1)
_YEAR_MAX: Final = 9_000
_PERIOD: Final = re.compile(
    r"P(?:(?P<y>\d{1,4})Y)?(?:(?P<mo>\d{1,5})M)?"
    r"(?:(?P<w>\d{1,9}(?:\.\d+)?)W)?(?:(?P<d>\d{1,9}(?:\.\d+)?)D)?"
    r"(?:T(?:(?P<h>\d+(?:\.\d+)?)H)?(?:(?P<m>\d+(?:\.\d+)?)M)?(?:(?P<s>\d+(?:\.\d+)?)S)?)?\Z"
)
_EXACT_MS: Final = {"h": 3_600_000, "m": 60_000, "s": 1_000}


class Period(NamedTuple):
    """A duration: months and days of the calendar, and milliseconds."""

    months: int = 0
    days: int = 0
    ms: int = 0

    @property
    def mean_ms(self) -> int:
        """How long it is, with months of mean length."""
        return self.months * _MONTH_MS + self.days * _DAY_MS + self.ms

    def is_exact_in(self, zone: Zone) -> bool:
        """Tell whether it always is of the same length in a zone."""
        return not self.months and (not self.days or zone is UTC_ZONE)

    def added(self, start: int, zone: Zone, times: int = 1) -> int:
        """Return the moment so many periods after another, in ms since 1970.

        It is counted from the start, not from one period to the next: a month after 31 January
        is the end of February, two months after it 31 March. A time that the clocks skip
        becomes the end of the gap; of one that they show twice it is the first.
        """
        if not times or self.is_exact_in(zone):
            return start + times * self.mean_ms
        second, rest = divmod(start, 1_000)
        days, time = divmod(zone.wall(second), DAY)
        day = _moved(_FIRST + timedelta(days=days), self.months * times)
        wall = ((day - _FIRST).days + self.days * times) * DAY + time
        return zone.earliest(wall) * 1_000 + rest + self.ms * times


def _moved(day: date, months: int) -> date:
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    if not 0 < year < _YEAR_MAX:
        raise ValueError(f"the year {year} is too far away")
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, last))


def read_period(text: str) -> Period:
    """Read an ISO 8601 duration of at most 100 years; `ValueError`."""
    match = _PERIOD.match(text.strip())
    parts = {} if match is None else {k: v for k, v in match.groupdict().items() if v}
    if not parts:
        raise ValueError(f"{text!r} is no ISO 8601 duration, such as PT30S, P1DT12H or P1M")
    days = 7 * float(parts.get("w", 0)) + float(parts.get("d", 0))
    whole = int(days)
    exact = sum(float(parts.get(unit, 0)) * ms for unit, ms in _EXACT_MS.items())
    ms = round(min(exact + (days - whole) * _DAY_MS, DURATION_MS_MAX + 1))
    period = Period(12 * int(parts.get("y", 0)) + int(parts.get("mo", 0)), whole, ms)
    if period.mean_ms > DURATION_MS_MAX:
        raise ValueError(f"a duration lies between 0 and 100 years, {text!r} does not")
    return period
