"""The names of all topics under one prefix."""

from __future__ import annotations

from collections.abc import Callable


class Names:
    """Full topic names, computed once."""

    def __init__(self, prefix: str = "", queue_partitions: Callable[[str], int] | None = None) -> None:
        """Take the prefix, and how many partitions a queue's topic has (8 where unknown)."""
        self.prefix = prefix
        self.commands = f"{prefix}workflow.commands"
        self.results = f"{prefix}workflow.results"
        self.internal = f"{prefix}workflow.internal"
        self.events = f"{prefix}workflow.events"
        self.replies = f"{prefix}workflow.replies"
        self.state = f"{prefix}workflow.state"
        self.definitions = f"{prefix}workflow.definitions"
        self.control = f"{prefix}activity.control"
        self.dead_letters = f"{prefix}workflow.dead-letters"
        self.audit = f"{prefix}audit.log"
        self.telemetry = f"{prefix}iot.telemetry"
        self.device_commands = f"{prefix}iot.commands"
        self.device_state = f"{prefix}iot.state"
        self.device_events = f"{prefix}iot.events"
        self._queue_partitions = queue_partitions or (lambda _queue: 8)

    def queue(self, queue: str) -> str:
        """Return the topic of an activity queue."""
        return f"{self.prefix}activity.{queue}"

    def queue_partitions(self, queue: str) -> int:
        """Return how many partitions a queue's topic has."""
        return self._queue_partitions(queue)
