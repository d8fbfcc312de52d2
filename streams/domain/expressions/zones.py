"""Time zones: what the clocks of a place show, and when they are changed.

The rules are those of the `tzdata` package, never the machine's own: every engine knows the
same. They are data that came with the code, read once for each zone. Everything here is in
whole seconds: an instant since 1970 in UTC, a wall time since 1970 on the clocks of the zone.
"""

from __future__ import annotations

import difflib
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

DAY: Final = 86_400
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAME_MAX: Final = 64


class Change(NamedTuple):
    """The clocks are changed: their offset to UTC is another one from this instant on."""

    at: int
    before: int
    after: int


class Zone:
    """A time zone by its IANA name."""

    __slots__ = ("_info", "name")

    def __init__(self, name: str, info: ZoneInfo) -> None:
        """Take the zone's name and its rules; `zone_of` knows both."""
        self.name = name
        self._info = info

    def offset(self, second: int) -> int:
        """Return how far the clocks are ahead of UTC at an instant."""
        return _seconds(datetime.fromtimestamp(second, self._info).utcoffset())

    def wall(self, second: int) -> int:
        """Return what the clocks show at an instant."""
        return second + self.offset(second)

    def showing(self, wall: int) -> list[int]:
        """Return the instants at which the clocks show this: one, two, or none in a gap."""
        before, after = self._offsets(wall)
        if before == after:
            return [wall - before]
        return [wall - before, wall - after] if before > after else []

    def earliest(self, wall: int) -> int:
        """Return the first instant at which the clocks show this, or have just skipped it."""
        before, after = self._offsets(wall)
        if before >= after:
            return wall - before
        return self._change(wall - after, wall - before)

    def changes(self, after: int, until: int) -> list[Change]:
        """Return the changes later than one instant and not later than another."""
        found = []
        place, offset = after, self.offset(after)
        while place < until:
            step = min(place + DAY, until)
            new = self.offset(step)
            if new != offset:
                found.append(Change(self._change(place, step), offset, new))
            place, offset = step, new
        return found

    def _offsets(self, wall: int) -> tuple[int, int]:
        """Return the offsets before and after a change that a wall time falls into."""
        shown = (_EPOCH + timedelta(seconds=wall)).replace(tzinfo=self._info)
        return _seconds(shown.utcoffset()), _seconds(shown.replace(fold=1).utcoffset())

    def _change(self, low: int, high: int) -> int:
        """Return the first instant after `low` with the offset of `high`."""
        former = self.offset(low)
        while high - low > 1:
            middle = (low + high) // 2
            if self.offset(middle) == former:
                low = middle
            else:
                high = middle
        return high


def _seconds(offset: timedelta | None) -> int:
    assert offset is not None
    return offset.days * DAY + offset.seconds


@cache
def _names() -> frozenset[str]:
    text = (resources.files("tzdata") / "zones").read_text(encoding="utf-8")
    return frozenset(text.split())


@cache
def _known(name: str) -> Zone:
    with (resources.files("tzdata") / "zoneinfo").joinpath(*name.split("/")).open("rb") as file:
        return Zone(name, ZoneInfo.from_file(file, key=name))


def zone_of(name: object) -> Zone:
    """Return a zone by its IANA name, UTC for an empty one.

    Raises:
        ValueError: there is none of this name.
    """
    if isinstance(name, str) and (name or "UTC") in _names():
        return _known(name or "UTC")
    close = difflib.get_close_matches(str(name)[:_NAME_MAX], _names(), 1)
    meant = f"did you mean {close[0]}?" if close else "write one as Europe/Berlin"
    raise ValueError(f"{str(name)[:_NAME_MAX]!r} is no IANA time zone: {meant}")


UTC_ZONE: Final = zone_of("")
