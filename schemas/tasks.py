"""Tasks: what the engine hands to workers, on `activity.<queue>` and `activity.control`."""

from __future__ import annotations

import msgspec


class ActivityTask(msgspec.Struct, frozen=True, gc=False):
    """One attempt of one activity. The envelope's id is the task id."""

    activity: int
    activity_id: str
    activity_type: str
    attempt: int
    input: bytes
    definition_id: str
    definition_version: str
    close_ms: int = 0
    """Start-to-close time-out in milliseconds; 0 for none."""
    heartbeat_ms: int = 0
    start_by: int = 0
    """Schedule-to-start deadline, milliseconds since 1970; 0 for none."""
    report_started: bool = False
    """True where the engine must hear of the start at once."""
    variables: bytes = b"{}"
    """A JSON object: the variables that the node declares it reads."""


class ActivityCancellation(msgspec.Struct, frozen=True, gc=False):
    """The task is no longer wanted. The envelope's id is the task id."""

    activity: int
    attempt: int
    reason: str
