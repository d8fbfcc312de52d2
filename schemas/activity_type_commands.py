"""Activity types: what a name stands for, said by workers when they start, or by command.

The aggregate's id is the type's name.
"""

from __future__ import annotations

import msgspec


class RegisterActivityType(msgspec.Struct, frozen=True, gc=False):
    """Say what is known of a type; what is left empty stays as it was.

    The one message that may be written as a command and as a result: workers report it.
    """

    queue: str = ""
    """Where workers take its tasks from."""
    description: str = ""
    input_schema: bytes = b""
    """A JSON Schema, Draft 2020-12."""
    output_schema: bytes = b""
    schedule_to_start_ms: int = 0
    """Time-outs that its owner recommends; 0: none."""
    start_to_close_ms: int = 0
    heartbeat_ms: int = 0
    on_failure: str = ""
    """The recovery strategy that its owner recommends."""
    owner: str = ""
    """Person or team that answers for it."""
    worker: str = ""
    """Who reports it; empty for a command."""


class RemoveActivityType(msgspec.Struct, frozen=True, gc=False):
    """Forget a type; a worker that still has it reports it again when it starts."""

    reason: str = ""
