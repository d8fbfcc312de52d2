"""What a shard counts: once a batch, never once a record."""

from __future__ import annotations

from bisect import bisect_left


class Histogram:
    """How often a value was at most each of some bounds."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        """Take the bounds, rising."""
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        """By the smallest bound that holds; the last is for values above all of them."""
        self.sum = 0.0

    def add(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


class Meter:
    """The counts of one shard since this process took its partition."""

    def __init__(self) -> None:
        """Start at nothing."""
        self.records = 0
        self.timers = 0
        self.events = 0
        self.aborts = 0
        self.recoveries = 0
        self.replayed = 0
        """Changelog records read while taking ownership."""
        self.stalled = 0
        """Aggregates that a defect has stopped until they are retried."""
        self.seconds = Histogram((0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5))
        """Of transactions."""
        self.sizes = Histogram((1, 5, 20, 50, 100, 200, 500, 1_000, 2_000))
        """Records and timers of transactions."""
