"""Durations and dates: from what is written to milliseconds; no clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from streams.domain.expressions.periods import DURATION_MS_MAX, read_period
from streams.domain.expressions.zones import zone_of

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


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
    period = read_period(text)
    if period.months:
        raise ValueError(f"{text!r}: years and months have no fixed length, days have 24 hours")
    return period.mean_ms


def date_ms(value: Any, zone: str = "") -> int:
    """Return milliseconds since 1970 of an ISO 8601 date; `ValueError`.

    Without an offset it is what the clocks of a zone show: of the one that it names, as in
    `2026-03-29T02:30[Europe/Berlin]`, else of `zone`. A time that they skip becomes the end of
    the gap; of one that they show twice it is the first.
    """
    text, _, named = value.strip().partition("[") if isinstance(value, str) else ("", "", "")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{value!r} is no ISO 8601 date, such as 2026-05-01T08:00:00+02:00"
        ) from None
    name = named.removesuffix("]") or zone
    if moment.tzinfo is None and name:
        # As if the clocks were those of UTC, and then put right.
        wall = (moment.replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND
        return zone_of(name).earliest(wall // 1_000) * 1_000 + wall % 1_000
    if moment.tzinfo is None:
        raise ValueError(
            f"{value!r} has no offset: add Z, +02:00 or [Europe/Berlin], so that it is one moment"
        )
    if named:
        zone_of(name)
    # In whole numbers: a float of seconds loses a millisecond here and there.
    return (moment - _EPOCH) // _MILLISECOND


def due_after(value: Any, start: int, zone: str = "") -> int:
    """Return when a duration that begins at a moment is over, in ms since 1970; `ValueError`.

    Years, months, weeks and days are the calendar's on the clocks of the zone.
    """
    if not isinstance(value, str):
        return start + duration_ms(value)
    return read_period(value).added(start, zone_of(zone))


def moment_ms(value: Any, start: int, zone: str = "") -> int:
    """Return a date, or when a duration from a moment is over, in ms since 1970; `ValueError`."""
    try:
        if isinstance(value, str) and not value.strip().startswith("P"):
            return date_ms(value, zone)
        return due_after(value, start, zone)
    except ValueError as error:
        raise ValueError(f"a duration or a date is needed: {error}") from None
