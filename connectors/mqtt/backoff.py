"""Pauses between attempts: exponential, capped, with full jitter."""

from __future__ import annotations

import asyncio
import contextlib
import random


class Backoff:
    """The next pause is drawn between nothing and a bound that doubles."""

    def __init__(self, longest: float, first: float = 0.2) -> None:
        """Take the longest bound and the first one, in seconds."""
        self._longest = longest
        self._first = first
        self._bound = first
        self._random = random.Random()  # noqa: S311 - no secret depends on it

    def reset(self) -> None:
        """Begin again after a success."""
        self._bound = self._first

    def next(self) -> float:
        """Return the next pause in seconds."""
        bound = self._bound
        self._bound = min(self._longest, bound * 2)
        # Never less than half of it: a fleet spreads, and nobody hammers.
        return self._random.uniform(bound / 2, bound)

    async def pause(self, stop: asyncio.Event) -> None:
        """Wait for the next pause, or until `stop` is set."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), self.next())
