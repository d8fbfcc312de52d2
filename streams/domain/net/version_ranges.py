"""Ranges of semantic versions, as a call may ask for: `^1.2`, `~1.4`, `>=1.2 <2`, `1.x`, `latest`.

`^` keeps the major version (of `0.y` the minor one), `~` the minor one; parts that are left out
or `x` may be anything; several comparisons must all hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from streams.domain.net.model import Version

LATEST: Final = "latest"
_SHOWN_MAX: Final = 10
EXACT: Final = re.compile(r"\d{1,9}\.\d{1,9}\.\d{1,9}\Z", re.ASCII)
_TERM: Final = re.compile(
    r"(\^|~|>=|<=|>|<|=)?(\d{1,9}|[xX*])(?:\.(\d{1,9}|[xX*]))?(?:\.(\d{1,9}|[xX*]))?\Z", re.ASCII
)
_WILD: Final = frozenset("xX*")
Bounds = tuple[Version, Version]
"""The first version inside, and the first behind."""
_END: Final = Version(2_000_000_000, 0, 0)


@lru_cache(maxsize=1_024)
def bounds_of(text: str) -> Bounds:
    """Return what a range allows; `ValueError` says how one is written."""
    if text in ("", LATEST):
        return Version(0, 0, 0), _END
    low, high = Version(0, 0, 0), _END
    for term in re.sub(r"([<>=^~])\s+", r"\1", text.strip()).split():
        one, other = _term(term)
        low, high = max(low, one), min(high, other)
    if low >= high:
        raise ValueError(f"no version can be in {text!r}")
    return low, high


def _term(term: str) -> Bounds:
    found = _TERM.match(term)
    if found is None:
        raise ValueError(
            f"{term!r} is no version: write 1.2.3, 1.x, ^1.2, ~1.4, `>=1.2 <2`, or latest"
        )
    sign, *parts = found.groups()
    given = _given(parts)
    first = Version(*(*given, 0, 0, 0)[:3])
    behind = _after(given)
    if sign == "^":
        return first, _after(_kept(given))
    if sign == "~":
        return first, _after(given[:2])
    comparisons: dict[str, Bounds] = {
        ">=": (first, _END),
        ">": (behind, _END),
        "<": (Version(0, 0, 0), first),
        "<=": (Version(0, 0, 0), behind),
    }
    return comparisons.get(sign or "", (first, behind))


def _given(parts: Iterable[str | None]) -> tuple[int, ...]:
    numbers: list[int] = []
    for part in parts:
        if part is None or part in _WILD:
            break
        numbers.append(int(part))
    return tuple(numbers)


def _kept(given: tuple[int, ...]) -> tuple[int, ...]:
    """Return the parts up to the first that is not 0: those that `^` keeps."""
    for place, number in enumerate(given, 1):
        if number:
            return given[:place]
    return given


def _after(given: tuple[int, ...]) -> Version:
    """Return the first version behind all that begin with these parts."""
    if not given:
        return _END
    return Version(*(*given[:-1], given[-1] + 1, 0, 0)[:3])


def newest(versions: Iterable[Version], wanted: str) -> Version | None:
    """Return the newest of the versions that is in a range; None where none is."""
    try:
        low, high = bounds_of(wanted)
    except ValueError:
        return None
    return max((one for one in versions if low <= one < high), default=None)


def is_exact(text: str) -> bool:
    """Tell whether a text names one version."""
    return EXACT.match(text) is not None


def listed(versions: Iterable[Version]) -> str:
    """Return the newest versions as a text, the newest first."""
    known = sorted(versions, reverse=True)
    more = ", …" if len(known) > _SHOWN_MAX else ""
    return ", ".join(map(str, known[:_SHOWN_MAX])) + more
