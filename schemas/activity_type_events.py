"""Events of activity types."""

from __future__ import annotations

import msgspec


class ActivityTypeRegistered(msgspec.Struct, frozen=True, gc=False):
    """What is known of a type has changed; this is all of it."""

    name: str
    queue: str = ""
    description: str = ""
    input_schema: bytes = b""
    output_schema: bytes = b""
    schedule_to_start_ms: int = 0
    start_to_close_ms: int = 0
    heartbeat_ms: int = 0
    on_failure: str = ""
    owner: str = ""
    worker: str = ""
    """Who reported it; empty for a command."""


class ActivityTypeRemoved(msgspec.Struct, frozen=True, gc=False):
    """A type is forgotten."""

    name: str
    reason: str = ""
