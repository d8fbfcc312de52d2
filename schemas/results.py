"""Results: what workers report about an activity, and the verifier about a definition.

They go to `workflow.results`, which who may only send commands cannot write.
"""

from __future__ import annotations

import msgspec


class CompleteActivity(msgspec.Struct, frozen=True, gc=False):
    """An attempt ended well; the first completion of any attempt wins."""

    activity: int
    """Sequence of the first `activity.scheduled` event, the last part of the task id."""
    attempt: int
    output: bytes = b"null"
    """A JSON value."""
    worker: str = ""
    started_at: int = 0
    """Milliseconds since 1970 by the worker's clock."""


class FailActivity(msgspec.Struct, frozen=True, gc=False):
    """The current attempt ended with an error."""

    activity: int
    attempt: int
    code: str
    """A code of the error catalogue, or the author's own."""
    message: str = ""
    retryable: bool = True
    worker: str = ""
    started_at: int = 0
    details: bytes = b"null"
    """A JSON value: service, cause chain."""


class ReportActivityStarted(msgspec.Struct, frozen=True, gc=False):
    """A worker has begun an attempt; sent only where a time-out or detachment needs it."""

    activity: int
    attempt: int
    worker: str = ""
    started_at: int = 0
    heartbeat_ms: int = 0
    """The worker will be heard of this often, where the definition asks for no heartbeat."""


class HeartbeatActivity(msgspec.Struct, frozen=True, gc=False):
    """A worker is still at it; kept in the book, no event."""

    activity: int
    attempt: int
    worker: str = ""
    details: bytes = b"null"


class RecordVerdict(msgspec.Struct, frozen=True, gc=False):
    """The verifier has judged a submitted version; the first verdict of a source counts."""

    version: str
    source_hash: bytes
    """Of the source that was judged: `streams.domain.definition.state.source_hash`."""
    verdict: str
    """`sound`, `unsound` or `unknown`."""
    message: str = ""
    """What does not hold, or why it is not known: a line for each, with line and run. Of what is
    `sound` what is worth a word."""
    violations: bytes = b"[]"
    """A JSON array of what does not hold: property, node, line, message, trace, and of several
    definitions together also definition and severity (`error`, `warning`)."""
    states: int = 0
    """How many were looked at."""
