"""Domain events: facts, in the past participle, and the source of truth.

Bodies only; id, sequence, position and cause stand in the envelope. An event carries results
(tokens, the path taken, values written, due times), never an expression to evaluate again.
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
    """An error that nothing handled ended it; a restart begins at what was resting, else anew."""

    code: str
    message: str
    node: str = ""
    restartable: bool = False
    resting: list[Token] = []


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
    recovery: str = ""
    """What follows: `retry`, `boundary`, `fallback`, or a strategy; empty in version 1."""


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


class CompensationStarted(msgspec.Struct, frozen=True, gc=False):
    """A node has failed for good, and its compensation activity is to undo what it did."""

    node: str
    """The node that failed."""
    activity_id: str
    """The compensation activity."""
    token: int
    """The token that waits at the compensation activity."""
    code: str
    """The node's error, which goes on when the compensation is done and no fallback follows."""
    message: str


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


class ScopeStarted(msgspec.Struct, frozen=True, gc=False):
    """A scope runs; the event's sequence names it in the places of its tokens."""

    node: str
    token: int
    variables: dict[str, bytes] = {}
    """Its local variables: canonical JSON by name."""
    moves: Moves = NO_MOVES


class EventAwaited(msgspec.Struct, frozen=True, gc=False):
    """A token waits for an event beside its work, or for one of several; named by its sequence."""

    node: str
    """The boundary event, or the event that follows an event gateway."""
    token: int
    kind: str
    """`timer`, `message`, `signal`, `condition`, `device`."""
    host: str = ""
    """Where the token waits from now on: the event or its gateway; empty where it waits already."""
    due: int = 0
    """Timers: milliseconds since 1970."""
    channel: str = ""
    """Messages and signals: the id of the channel; devices: `device:` and the device's."""
    schedule: str = ""
    """Timers that come again: cycle or cron, `[ZONE]`, `@` and the ms from which it is counted."""
    part: int = 0
    """Combined waits: the number of the event among those of the node, from 1."""
    wait: bytes = b""
    """Devices: JSON of the `DeviceWait` that it waits for."""


class EventTriggered(msgspec.Struct, frozen=True, gc=False):
    """What a boundary event or an event gateway waited for came about."""

    node: str
    kind: str
    """`timer`, `message`, `signal`, `condition`, `device`, `error`, `escalation`."""
    subscription: int = 0
    """The sequence of `event.awaited`; 0 where none was needed."""
    host: str = ""
    """The node whose boundary it is, or the event gateway."""
    moves: Moves = NO_MOVES
    due: int = 0
    """Timers: when it was due."""
    payload: bytes = b"null"
    """A JSON value: of an error, code, message and node."""
    message_id: str = ""
    stays: bool = False
    """True: it is waited for again."""
    missed: int = 0
    """Timers that come again and again: how many further due times had passed."""
    next_due: int = 0
    """Timers that are waited for again: when it is due next, in ms since 1970."""
    single: str = ""
    """Of a start: the channel that is told when the instance lives no longer."""


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
    seen: bytes = b""
    """A JSON object: what the output saw of the event that came, by name, for its retry."""


class IncidentResolved(msgspec.Struct, frozen=True, gc=False):
    """An incident is over."""

    incident: int
    resolution: str
    """`retried`, `skipped`, `completed` (by hand) or `closed` (the instance ended)."""


class NodeSkipped(msgspec.Struct, frozen=True, gc=False):
    """An operator took a node as done, without a result."""

    node: str
    incident: int
    """The incident at which its token waited, and which is over."""
    reason: str = ""
    moves: Moves = NO_MOVES


class NodeCompleted(msgspec.Struct, frozen=True, gc=False):
    """An operator gave an activity, a call or an approval its result by hand."""

    node: str
    node_type: str
    """`activity`, `call` or `approval`."""
    output: bytes
    """A JSON value: the result."""
    incident: int = 0
    """The incident that is over with it; 0 where the node was still at work."""
    work: int = 0
    """The open activity, call or approval that was cancelled; 0 where there was none."""
    reason: str = ""
    moves: Moves = NO_MOVES


class VariablesSet(msgspec.Struct, frozen=True, gc=False):
    """An operator set variables: the moves' writes; `@SCOPE/name` is a running scope's own."""

    reason: str = ""
    moves: Moves = NO_MOVES


class NotificationRequested(msgspec.Struct, frozen=True, gc=False):
    """Somebody is to be told of an incident, or of an approval that is overdue: by a task."""

    notification: int
    """Sequence of the first attempt's event: the last part of the task id."""
    incident: int
    """0 where it is about an approval."""
    recipient: str
    queue: str
    attempt: int = 1
    approval: int = 0
    """The approval that it is about; 0 where it is about an incident."""


class NotificationCompleted(msgspec.Struct, frozen=True, gc=False):
    """A worker has told a recipient of an incident."""

    notification: int
    incident: int
    recipient: str
    attempt: int
    worker: str = ""


class NotificationFailed(msgspec.Struct, frozen=True, gc=False):
    """A recipient could not be told of an incident."""

    notification: int
    incident: int
    recipient: str
    attempt: int
    code: str
    message: str
    retry_at: int = 0
    """When the next attempt is due, milliseconds since 1970; 0 where it is given up."""
    worker: str = ""
