"""The names of all topics under one prefix."""

from __future__ import annotations

from collections.abc import Callable

from topics import kinds


class Names:
    """Full topic names, computed once."""

    def __init__(
        self, prefix: str = "", queue_partitions: Callable[[str], int] | None = None
    ) -> None:
        """Take the prefix, and how many partitions a queue's topic has (8 where unknown)."""
        self.prefix = prefix
        self.commands = f"{prefix}{kinds.COMMANDS.name}"
        self.results = f"{prefix}{kinds.RESULTS.name}"
        self.internal = f"{prefix}{kinds.INTERNAL.name}"
        self.events = f"{prefix}{kinds.EVENTS.name}"
        self.replies = f"{prefix}{kinds.REPLIES.name}"
        self.state = f"{prefix}{kinds.STATE.name}"
        self.definitions = f"{prefix}{kinds.DEFINITIONS.name}"
        self.activity_types = f"{prefix}{kinds.ACTIVITY_TYPES.name}"
        self.control = f"{prefix}{kinds.CONTROL.name}"
        self.dead_letters = f"{prefix}{kinds.DEAD_LETTERS.name}"
        self.audit = f"{prefix}{kinds.AUDIT.name}"
        self.telemetry = f"{prefix}{kinds.TELEMETRY.name}"
        self.device_commands = f"{prefix}{kinds.DEVICE_COMMANDS.name}"
        self.device_state = f"{prefix}{kinds.DEVICE_STATE.name}"
        self.device_events = f"{prefix}{kinds.DEVICE_EVENTS.name}"
        self._queue_partitions = queue_partitions or (lambda _queue: 8)
        self._queue = prefix + kinds.QUEUE.name.removesuffix(kinds.QUEUE_PLACE)

    def queue(self, queue: str) -> str:
        """Return the topic of an activity queue."""
        return f"{self._queue}{queue}"

    def queue_partitions(self, queue: str) -> int:
        """Return how many partitions a queue's topic has."""
        return self._queue_partitions(queue)
