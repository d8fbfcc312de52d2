"""How much of what is wrong is sent: a verdict is a record, and a run may be long."""

from __future__ import annotations

from typing import Any, Final

from schemas.json_text import canonical

TEXT_MAX: Final = 16_000
"""Characters of all sentences together."""
_TRACE_MAX: Final = 32_000
"""Characters of one run."""
_VIOLATIONS_BYTES_MAX: Final = 128 * 1024


def within(trace: list[str]) -> list[str]:
    """Return as much of a run as may be sent, from its beginning."""
    size = 0
    for count, step in enumerate(trace):
        size += len(step)
        if size > _TRACE_MAX:
            return [*trace[:count], f"… and {len(trace) - count} more"]
    return trace


def bounded(violations: list[dict[str, Any]]) -> bytes:
    """Write as many as may be sent: the first has the shortest run."""
    while len(found := canonical(violations)) > _VIOLATIONS_BYTES_MAX:
        violations = violations[: len(violations) // 2]
    return found


def cut(text: str, length: int) -> str:
    """Return a text that is no longer than this."""
    return text if len(text) <= length else f"{text[: length - 1]}…"
