"""A node that is run several times: once for each item, or as long as a condition says."""

from __future__ import annotations

from typing import Final

import msgspec

from streams.domain.net.expression import Expression

WINDOW: Final = 100
"""Items under way at once where the author says nothing."""
WINDOW_MAX: Final = 1_000
PROGRESS: Final = "each"
"""Name under which conditions see `total`, `active` and `done`."""


class Collect(msgspec.Struct, frozen=True, gc=False):
    """The list that a repeated node gives: a value of each item, in the order of the items."""

    into: str
    """Variable outside (dotted path) that takes the list."""
    value: Expression = Expression("${output}")
    """Sees the item's variables, and its result as `output`."""


class Each(msgspec.Struct, frozen=True, gc=False, tag="each"):
    """BPMN's multi-instance: once for each item of a list, or a number of times."""

    items: Expression | None = None
    """The list; exactly one of this and `count` is given."""
    count: Expression | None = None
    item: str = "item"
    """Local variable: the item."""
    index: str = "index"
    """Local variable: its place in the list, from 0."""
    sequential: bool = False
    """True: one after the other. False: side by side, up to `max_parallel`."""
    max_parallel: int = WINDOW
    until: str = ""
    """CEL source: where it is true after an item, the rest is stopped. Empty for none."""
    collect: Collect | None = None


class Loop(msgspec.Struct, frozen=True, gc=False, tag="loop"):
    """BPMN's standard loop: again and again, one run after the other."""

    condition: str = ""
    """CEL source, tested before each run: it goes on while this is true. Empty for none."""
    until: str = ""
    """CEL source, tested after each run: it goes on until this is true. Empty for none."""
    max: int = 0
    """Runs at most; 0 for no bound."""
    index: str = "index"
    """Local variable: the number of the run, from 0."""


Repeat = Each | Loop


def local_names(repeat: Repeat) -> list[str]:
    """Return the local variables that each run has by itself."""
    if isinstance(repeat, Each) and repeat.items is not None:
        return [repeat.item, repeat.index]
    return [repeat.index]
