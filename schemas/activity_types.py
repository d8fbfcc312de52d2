"""The record of `workflow.activity-types`: what is known of a type of activity."""

from __future__ import annotations

import msgspec


class ActivityTypeRecord(msgspec.Struct, frozen=True, gc=False):
    """A type as every process keeps it: the record of `workflow.activity-types`."""

    name: str
    status: str
    """`registered` or `removed`."""
    queue: str = ""
    description: str = ""
    input_schema: bytes = b""
    output_schema: bytes = b""
    schedule_to_start_ms: int = 0
    start_to_close_ms: int = 0
    heartbeat_ms: int = 0
    on_failure: str = ""
    owner: str = ""
    updated_at: int = 0
    """Milliseconds since 1970."""
