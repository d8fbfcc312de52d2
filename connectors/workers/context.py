"""What a running activity may know and say."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any

from schemas.envelope import Envelope
from schemas.json_text import canonical, parse, parse_object
from schemas.results import HeartbeatActivity
from schemas.tasks import ActivityTask

Report = Callable[[Any], None]
_BEATS_PER_TIMEOUT = 4


class ActivityCancelledError(Exception):
    """The engine no longer wants the result: the instance ended, or the attempt timed out."""


class ActivityContext:
    """One attempt of one activity; safe to use from any thread."""

    def __init__(self, envelope: Envelope, task: ActivityTask, worker: str, report: Report) -> None:
        """Take the task, and a way to report to the engine."""
        self.task = task
        self.envelope = envelope
        self.worker = worker
        self.started_at = time.time_ns() // 1_000_000
        self._event: dict[str, threading.Event] = {}
        self.cancel_reason = ""
        self._report = report
        self._beat_at = 0.0

    @property
    def cancelled(self) -> threading.Event:
        """Set when the result is no longer wanted; made when first asked for, as it is dear."""
        # One step: the activity's thread and the one that cancels must be given the same.
        return self._event.setdefault("cancelled", threading.Event())

    @property
    def is_cancelled(self) -> bool:
        """Tell whether the result is no longer wanted."""
        event = self._event.get("cancelled")
        return event is not None and event.is_set()

    @property
    def key(self) -> tuple[str, int]:
        """Task id and attempt: what a cancellation names."""
        return self.envelope.id, self.task.attempt

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt of this activity: hand it to systems that charge or ship."""
        return self.envelope.id

    @property
    def instance_id(self) -> str:
        """The workflow instance."""
        return self.envelope.aggregate_id

    @property
    def attempt(self) -> int:
        """1 for the first."""
        return self.task.attempt

    @property
    def activity_id(self) -> str:
        """The node of the definition that the activity is done for."""
        return self.task.activity_id

    @property
    def definition_version(self) -> str:
        """Version of the definition that the instance runs."""
        return self.task.definition_version

    @property
    def input(self) -> Any:
        """The input as a JSON value of the caller's own."""
        return parse(self.task.input)

    @cached_property
    def variables(self) -> Mapping[str, Any]:
        """The workflow variables that the node declares it reads; they cannot be written."""
        return MappingProxyType(parse_object(self.task.variables))

    @property
    def activity_type(self) -> str:
        """The name that the definition calls the activity by."""
        return self.task.activity_type

    def heartbeat(self, details: object = None) -> None:
        """Tell the engine that this attempt is alive; cheap to call often.

        Raises:
            ActivityCancelledError: the result is no longer wanted; stop working.
        """
        self.check()
        now = time.monotonic()
        limit = self.task.heartbeat_ms or 30_000
        if now - self._beat_at < limit / 1000 / _BEATS_PER_TIMEOUT:
            return
        self._beat_at = now
        task = self.task
        self._report(
            HeartbeatActivity(task.activity, task.attempt, self.worker, canonical(details))
        )

    def check(self) -> None:
        """Raise `ActivityCancelledError` where the result is no longer wanted."""
        if self.is_cancelled:
            raise ActivityCancelledError(self.cancel_reason)
