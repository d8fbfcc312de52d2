"""Durations and dates: parsing only, no clock."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

DURATION_MS_MAX: Final = 100 * 366 * 86_400_000
_DURATION = re.compile(
    r"P(?:(?P<w>\d+(?:\.\d+)?)W)?(?:(?P<d>\d+(?:\.\d+)?)D)?"
    r"(?:T(?:(?P<h>\d+(?:\.\d+)?)H)?(?:(?P<m>\d+(?:\.\d+)?)M)?(?:(?P<s>\d+(?:\.\d+)?)S)?)?\Z"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_UNITS_MS: Final = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000}


def duration_ms(value: Any) -> int:
    """Return milliseconds of an ISO 8601 duration or of a number of seconds; `ValueError`."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{value!r} is no duration: write PT5M, or a number of seconds")  # noqa: TRY004
    result = _iso_ms(value) if isinstance(value, str) else _seconds_ms(value)
    if not 0 <= result <= DURATION_MS_MAX:
        raise ValueError(f"a duration lies between 0 and 100 years, {value!r} does not")
    return result


def _seconds_ms(value: float) -> int:
    if not abs(value) <= DURATION_MS_MAX:
        raise ValueError(f"{value!r} is no number of seconds")
    return round(value * 1000)


def _iso_ms(text: str) -> int:
    match = _DURATION.match(text.strip())
    parts = {} if match is None else {k: v for k, v in match.groupdict().items() if v}
    if not parts:
        raise ValueError(f"{text!r} is no ISO 8601 duration, such as PT30S, PT5M or P1DT12H")
    total = sum(float(number) * _UNITS_MS[unit] for unit, number in parts.items())
    return round(min(total, DURATION_MS_MAX + 1))  # Infinity is no integer.


def moment_ms(value: Any, now: int) -> int:
    """Return a date's milliseconds since 1970, or `now` and a duration; `ValueError`."""
    if not isinstance(value, str):
        return now + duration_ms(value)
    try:
        return now + duration_ms(value) if value.lstrip()[:1] == "P" else date_ms(value)
    except ValueError as error:
        raise ValueError(f"a duration or a date is needed: {error}") from None


def date_ms(value: Any) -> int:
    """Return milliseconds since 1970 of an ISO 8601 date with offset; `ValueError`."""
    try:
        moment = datetime.fromisoformat(value.strip())
    except (AttributeError, ValueError):
        raise ValueError(
            f"{value!r} is no ISO 8601 date, such as 2026-05-01T08:00:00+02:00"
        ) from None
    if moment.tzinfo is None:
        raise ValueError(f"{value!r} has no offset: add Z or +02:00, so that it is one moment")
    # In whole numbers: a float of seconds loses a millisecond here and there.
    return (moment - _EPOCH) // _MILLISECOND
