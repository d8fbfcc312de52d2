"""Places: where tokens rest.

The place of a token is a node's id where it waits, a flow's id before a join or held back, one
of these with a suffix below, and behind that `@SCOPE` where it is inside a running scope.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

OUT: Final = "/out"
"""Suffix of the place of a token whose node's work is done but which cannot leave."""
SPENT: Final = "/spent"
"""Suffix of the place of a mark: the flow has brought its token to a partial join."""
ARMED: Final = "/armed"
"""Suffix of the place of a guard: the token on which hangs what an event sub-process waits for."""
HELD_BY_NOBODY: Final = (SPENT, ARMED)
"""Suffixes of the places whose tokens hold up no end."""
SCOPE: Final = "@"
UNDO: Final = "/undo"
"""Place of the token that waits while a whole instance is undone."""
ROOT: Final = 0
"""The workflow itself; running scopes have the sequence of their `scope.started` event."""


def at(place: str, scope: int) -> str:
    """Return a place inside a scope."""
    return f"{place}{SCOPE}{scope}" if scope else place


def bare(place: str) -> str:
    """Return a place without its scope."""
    return place.partition(SCOPE)[0]


def scope_of(place: str) -> int:
    """Return the running scope that a place is in."""
    return int(place.partition(SCOPE)[2]) if SCOPE in place else ROOT


def inside(tokens: Mapping[int, str], scope: int) -> dict[int, str]:
    """Return the tokens that are in a scope itself, by their places within it."""
    if not scope:
        return {token: place for token, place in tokens.items() if SCOPE not in place}
    mark = f"{SCOPE}{scope}"
    return {t: place.removesuffix(mark) for t, place in tokens.items() if place.endswith(mark)}
