"""Domain events: facts, in the past participle, and the source of truth.

Bodies only; id, sequence, position and cause stand in the envelope. An event carries
results (tokens consumed and produced, the path taken, values written, due times), never
an expression to evaluate again: `evolve` reads nothing else.
"""

from __future__ import annotations

import msgspec


class Token(msgspec.Struct, frozen=True, gc=False):
    """A token that now rests at a place: a wait node's id, or a flow's id before a join."""

    id: int
    place: str


class Moves(msgspec.Struct, frozen=True, gc=False):
    """How the marking and the variables changed."""

    consumed: list[int] = []
    """Ids of the tokens taken."""
    produced: list[Token] = []
    """Tokens put where nothing but arrival happens (joins, flows after a stop)."""
    path: list[str] = []
    """Ids of the flows and nodes passed, in order."""
    writes: dict[str, bytes] = {}
    """Variables set: canonical JSON by name."""


NO_MOVES = Moves()


class Parent(msgspec.Struct, frozen=True, gc=False):
    """The call that started this instance; all empty for a root."""

    id: str = ""
    incarnation: str = ""
    call: int = 0


NO_PARENT = Parent()


class WorkflowCreated(msgspec.Struct, frozen=True, gc=False):
    """An instance exists and waits to be started."""

    definition_id: str
    definition_version: str
    variables: dict[str, bytes]
    parent: Parent = NO_PARENT
    metadata: bytes = b"{}"
    """A JSON object of the client's own."""


class WorkflowStarted(msgspec.Struct, frozen=True, gc=False):
    """An instance runs; in a one-step start it carries what `workflow.created` would."""

    definition_id: str
    definition_version: str
    variables: dict[str, bytes]
    parent: Parent = NO_PARENT
    moves: Moves = NO_MOVES
    metadata: bytes = b"{}"


class WorkflowSuspended(msgspec.Struct, frozen=True, gc=False):
    """Nothing new begins until it is resumed."""

    reason: str


class WorkflowResumed(msgspec.Struct, frozen=True, gc=False):
    """What was held back while suspended goes on."""

    reason: str = ""
    moves: Moves = NO_MOVES


class WorkflowCompleted(msgspec.Struct, frozen=True, gc=False):
    """Every token has reached an end."""

    result: bytes
    """A JSON object: the declared outputs, else all variables."""


class WorkflowFailed(msgspec.Struct, frozen=True, gc=False):
    """An error that nothing handled ended the instance."""

    code: str
    message: str
    node: str = ""


class WorkflowCancelled(msgspec.Struct, frozen=True, gc=False):
    """Ended with clean-up, on request."""

    reason: str


class WorkflowTerminated(msgspec.Struct, frozen=True, gc=False):
    """Ended at once, on request."""

    reason: str


class WorkflowDeleted(msgspec.Struct, frozen=True, gc=False):
    """Hidden, on request; the event's time is when."""

    reason: str


class ActivityScheduled(msgspec.Struct, frozen=True, gc=False):
    """An attempt of an activity was handed to its queue."""

    activity: int
    """Sequence of the first attempt's event: the last part of the task id."""
    activity_id: str
    """The node's id."""
    activity_type: str
    queue: str
    token: int
    attempt: int = 1
    input: bytes = b"null"
    start_by: int = 0
    """Schedule-to-start deadline, milliseconds since 1970; 0 for none."""
    close_by: int = 0
    """Start-to-close deadline where it counts from dispatch; 0 for none."""
    heartbeat_ms: int = 0
    close_ms: int = 0


class ActivityStarted(msgspec.Struct, frozen=True, gc=False):
    """A worker began an attempt and said so at once."""

    activity: int
    activity_id: str
    attempt: int
    worker: str
    started_at: int
    close_by: int = 0
    beat_by: int = 0
    heartbeat_ms: int = 0
    activity_type: str = ""


class ActivityCompleted(msgspec.Struct, frozen=True, gc=False):
    """An activity has its result."""

    activity: int
    activity_id: str
    activity_type: str
    attempt: int
    output: bytes
    worker: str = ""
    started_at: int = 0
    moves: Moves = NO_MOVES


class ActivityFailed(msgspec.Struct, frozen=True, gc=False):
    """An attempt failed or timed out."""

    activity: int
    activity_id: str
    activity_type: str
    attempt: int
    code: str
    message: str
    retry_at: int = 0
    """When the next attempt is due, milliseconds since 1970; 0 for none."""
    worker: str = ""
    started_at: int = 0
    details: bytes = b"null"
    moves: Moves = NO_MOVES


class ActivityCancelled(msgspec.Struct, frozen=True, gc=False):
    """An open activity is no longer wanted."""

    activity: int
    activity_id: str
    reason: str


class TimerScheduled(msgspec.Struct, frozen=True, gc=False):
    """A token waits for a moment."""

    node: str
    token: int
    due: int


class CallStarted(msgspec.Struct, frozen=True, gc=False):
    """A call node asked for another workflow; the event's sequence names the call."""

    node: str
    token: int
    child_id: str
    definition_id: str
    version: str
    input: bytes


class NodeExecuted(msgspec.Struct, frozen=True, gc=False):
    """A wait that is no activity is over: a timer fired, a call returned, an incident's retry."""

    node: str
    node_type: str
    moves: Moves = NO_MOVES
    due: int = 0
    """Timers: when it was due."""
    missed: int = 0
    """Timers: how many further due times had passed."""
    output: bytes = b"null"


class ErrorOccurred(msgspec.Struct, frozen=True, gc=False):
    """An incident: the engine cannot go on here without help. Its sequence names it."""

    code: str
    message: str
    node: str = ""
    token: int = 0
    """Token that waits at the node; 0 where the whole aggregate is stalled."""
    expression: str = ""
    values: bytes = b"null"
    """A JSON object: the values that the expression saw."""
    command: bytes = b""
    """The command that could not be applied, whole, where the aggregate is stalled."""
    moves: Moves = NO_MOVES
    place: str = ""
    """Where the token waits if not at the node's entry: `NODE/out`, its work done."""


class IncidentResolved(msgspec.Struct, frozen=True, gc=False):
    """An incident is over."""

    incident: int
    resolution: str
    """`retried` or `closed` (the instance ended)."""


class DefinitionSubmitted(msgspec.Struct, frozen=True, gc=False):
    """A definition's structure is sound enough to be judged."""

    definition_id: str
    version: str
    source: str


class DefinitionPublished(msgspec.Struct, frozen=True, gc=False):
    """A version may be started from now on, and never changes."""

    definition_id: str
    version: str


class DefinitionRefused(msgspec.Struct, frozen=True, gc=False):
    """A version will not be published."""

    definition_id: str
    version: str
    code: str
    message: str


class LockOwner(msgspec.Struct, frozen=True, gc=False):
    """Who holds a lock or waits for it: a client, or a section of an aggregate's work."""

    name: str
    """The client's own text; `aggregate@incarnation:section` of an aggregate."""
    aggregate_type: str = ""
    """Empty for a client."""
    aggregate_id: str = ""
    incarnation: str = ""
    section: int = 0


class LockRequested(msgspec.Struct, frozen=True, gc=False):
    """An owner waits for the lock; one that waited already keeps its place."""

    owner: LockOwner
    ttl_ms: int
    wait_until: int
    """Milliseconds since 1970; 0: as long as it takes."""
    command_id: str = ""
    """The client's command that is not answered yet."""
    reply_to: str = ""


class LockAcquired(msgspec.Struct, frozen=True, gc=False):
    """An owner has the lock."""

    owner: LockOwner
    token: int
    """The fencing token: greater than those of all former holders."""
    ttl_ms: int
    expires_at: int
    """Milliseconds since 1970; 0: until it is released."""
    command_id: str = ""


class LockExtended(msgspec.Struct, frozen=True, gc=False):
    """The holder keeps the lock for longer."""

    owner: LockOwner
    token: int
    expires_at: int
    command_id: str = ""
    """The command that acquired the lock again; empty for a plain extension."""


class LockReleased(msgspec.Struct, frozen=True, gc=False):
    """The holder has the lock no longer."""

    owner: LockOwner
    token: int
    how: str
    """`released` by its owner, `expired`, or `forced` by an operator."""
    reason: str = ""


class LockRequestRefused(msgspec.Struct, frozen=True, gc=False):
    """An owner waits no longer, and has not got the lock."""

    owner: LockOwner
    how: str
    """`timeout` or `withdrawn`."""
    command_id: str = ""
