"""How parallel writes of a variable merge: pure functions of what was read, written and is now.

A branch reads a value, works, and writes another one; meanwhile others may have written too. Its
delta is what it changed of what it had read, and the merged value is the present one with that
delta. `merge(read, read, now)` is `now`, and `merge(now, written, now)` is `written`, so that
without parallel writes a variable behaves as any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from schemas.json_text import INT64_MAX, INT64_MIN, canonical
from streams.domain.instance.fitting import UnfitError


def merge_counter(read: Any, written: Any, now: Any, _: Any = ()) -> int:
    """Add to the present value what the branch added; whole numbers, nothing counts as 0.

    The deltas are numbers under addition: their order and grouping do not matter.
    """
    total = _whole(now) + _whole(written) - _whole(read)
    if not INT64_MIN <= total <= INT64_MAX:
        raise UnfitError(f"a counter is a 64-bit integer, {total} is none")
    return total


def merge_add_wins(read: Any, written: Any, now: Any, added: Any = ()) -> list[Any]:
    """Put in what the branch put in and take out what it took out; an unseen addition stays.

    A set is a list of different JSON values, kept in the order of their canonical text. `added`
    are elements that others have added since the branch read: it has not seen those additions,
    so that it cannot take them out.
    """
    had, has, present = elements(read), elements(written), elements(now)
    gone = {text for text in had if text not in has} - set(elements(list(added)))
    kept = {text: item for text, item in present.items() if text not in gone}
    kept |= {text: item for text, item in has.items() if text not in had}
    return [kept[text] for text in sorted(kept)]


Merge = Callable[[Any, Any, Any, Any], Any]
MERGES: Final[dict[str, Merge]] = {"counter": merge_counter, "add_wins_set": merge_add_wins}
"""By policy; the last writer, which is every other variable's, merges nothing."""
NEUTRAL: Final = {"counter": b"0", "add_wins_set": b"[]"}
"""What a variable is seen as that is absent or null."""


def additions(read: Any, written: Any) -> dict[bytes, Any]:
    """Return the elements that a branch put into a set, by their canonical text."""
    had = elements(read)
    return {text: item for text, item in elements(written).items() if text not in had}


def elements(value: Any) -> dict[bytes, Any]:
    """Return a set's elements by their canonical text; nothing counts as the empty set."""
    if value is None:
        return {}
    if not isinstance(value, list):
        raise UnfitError(f"an add-wins set is a list, not {_shown(value)}")
    return {canonical(item): item for item in value}


def set_of(items: Iterable[Any]) -> list[Any]:
    """Return a list as a set is kept."""
    found = elements(list(items))
    return [found[text] for text in sorted(found)]


def _whole(value: Any) -> int:
    if value is None:
        return 0
    if isinstance(value, float) and value.is_integer() and abs(value) < 1 << 53:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise UnfitError(f"a counter is a whole number, not {_shown(value)}")


def _shown(value: Any) -> str:
    text = canonical(value).decode()
    return text if len(text) <= 100 else text[:99] + "…"
