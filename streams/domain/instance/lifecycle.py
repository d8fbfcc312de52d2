"""The one table of legal transitions: which command is taken in which status."""

from __future__ import annotations

from typing import Final

from streams.domain.instance.state import (
    CANCELLED,
    COMPLETED,
    CREATED,
    DELETED,
    FAILED,
    RUNNING,
    STATUSES,
    SUSPENDED,
    TERMINATED,
)
from streams.domain.protocol import Rejected

ENDED: Final = frozenset({COMPLETED, FAILED, CANCELLED, TERMINATED})
UNFINISHED: Final = frozenset({CREATED, RUNNING, SUSPENDED})

LEGAL: Final[dict[str, frozenset[str]]] = {
    "StartInstance": frozenset({CREATED}),
    "SuspendInstance": frozenset({RUNNING}),
    "ResumeInstance": frozenset({SUSPENDED}),
    "CancelInstance": UNFINISHED,
    "TerminateInstance": UNFINISHED,
    "DeleteInstance": ENDED | {CREATED},
    "RetryIncident": frozenset({RUNNING}),
    "SkipNode": frozenset({RUNNING, SUSPENDED}),
    "CompleteNode": frozenset({RUNNING, SUSPENDED}),
    "SetVariables": frozenset({RUNNING, SUSPENDED}),
}
"""By command: the statuses that take it. All others refuse it."""

TRANSITIONS: Final[dict[str, frozenset[str]]] = {
    CREATED: frozenset({RUNNING, CANCELLED, TERMINATED, DELETED}),
    RUNNING: frozenset({SUSPENDED, COMPLETED, FAILED, CANCELLED, TERMINATED}),
    SUSPENDED: frozenset({RUNNING, FAILED, CANCELLED, TERMINATED}),
    COMPLETED: frozenset({DELETED, RUNNING}),  # A child runs again to be undone.
    FAILED: frozenset({DELETED, RUNNING}),
    CANCELLED: frozenset({DELETED}),
    TERMINATED: frozenset({DELETED}),
    DELETED: frozenset(),
}
"""By status: the statuses that may follow."""

assert set(TRANSITIONS) == set(STATUSES)


def too_long(reason: str, limit: int) -> Rejected | None:
    """Return the refusal of a reason above its limit, or None."""
    if len(reason) <= limit:
        return None
    return Rejected(
        "limit_exceeded",
        f"the reason has {len(reason)} characters, the limit is {limit}: say it shorter",
    )


def illegal(command: str, status: str) -> Rejected | None:
    """Return the refusal of a command in a status, or None where it is legal."""
    allowed = LEGAL[command]
    if status in allowed:
        return None
    names = ", ".join(sorted(allowed))
    return Rejected(
        "InvalidStateTransition",
        f"{command} is not possible while the instance is {status}; it takes {names}",
    )
