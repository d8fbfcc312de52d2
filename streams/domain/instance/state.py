"""The state of a workflow instance: what `evolve` folds and the store keeps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec.structs import replace

from schemas.events import NO_PARENT, Parent
from streams.domain.instance.chunks import Chunks
from streams.domain.instance.state_approval import OpenApproval

CREATED: Final = "Created"
RUNNING: Final = "Running"
SUSPENDED: Final = "Suspended"
COMPLETED: Final = "Completed"
FAILED: Final = "Failed"
CANCELLED: Final = "Cancelled"
TERMINATED: Final = "Terminated"
DELETED: Final = "Deleted"
STATUSES: Final = (
    CREATED,
    RUNNING,
    SUSPENDED,
    COMPLETED,
    FAILED,
    CANCELLED,
    TERMINATED,
    DELETED,
)
FINISHED: Final = frozenset({COMPLETED, FAILED, CANCELLED, TERMINATED, DELETED})


class Attempt(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A former attempt of an activity that is still open."""

    number: int
    code: str
    message: str
    worker: str
    ended_at: int


class OpenActivity(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An activity that has no result yet. Its key is the first scheduling's sequence."""

    node: str
    token: int
    kind: str
    """Activity type."""
    queue: str
    attempt: int
    input: bytes
    start_by: int
    close_by: int
    beat_by: int
    """Deadline of the first heartbeat; 0 while not started or where none is asked for."""
    retry_at: int
    """When the next attempt is due; 0 while an attempt is under way."""
    close_ms: int
    heartbeat_ms: int
    started: bool = False
    attempts: list[Attempt] = []


class OpenTimer(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A token that waits for a moment. Its key is the token."""

    node: str
    due: int


class OpenCall(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A child under way. Its key is the sequence of `call.started`."""

    node: str
    token: int
    child_id: str
    attempt: int = 1
    retry_at: int = 0
    """When another child is due; 0 while one is under way."""


class Incident(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Something that needs an operator. Its key is the sequence of `error.occurred`."""

    code: str
    message: str
    node: str
    token: int
    command: bytes = b""
    seen: bytes = b""
    """JSON of what the output saw of the event that came, by name: a retry sees it again."""


class OpenScope(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A scope that runs. Its key is the sequence of `scope.started`."""

    node: str
    token: int
    """The token that waits at the scope's node; it says which scope is around."""
    variables: dict[str, bytes] = {}
    """The local ones: canonical JSON by name."""
    iteration: int = 0
    """The iteration that it is a run of; 0 where it is a scope of its own."""
    index: int = 0
    """Which run, from 0."""


class Iteration(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A node that is run several times. Its key is the sequence of `iteration.started`."""

    node: str
    token: int
    """The token that waits at the node; its runs hang on it."""
    total: int
    """Runs to come; -1 where nobody knows."""
    begun: int = 0
    done: int = 0
    size: int = 0
    """Bytes of what is collected."""
    items: Chunks = []
    outputs: Chunks = []
    """What is collected, in the order of the items; empty where nothing is yet."""


class OpenSubscription(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An event that is waited for. Its key is the sequence of `event.awaited`."""

    node: str
    """The boundary event, or the event that follows an event gateway."""
    token: int
    """The token of its host, or of the gateway."""
    kind: str
    due: int = 0
    channel: str = ""
    taken: str = ""
    """The message that it took last, where it takes many."""
    schedule: str = ""
    """Of a timer that comes again and again: when."""
    met: bool = False
    """Of a condition that acts each time it becomes true: that it has, and is still true."""
    part: int = 0
    """Of a combined wait: the number of the event among those of its node."""
    wait: bytes = b""
    """Devices: JSON of the `DeviceWait` that it waits for."""


class OpenWait(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A combined wait of which something has come. Its key is the token."""

    came: dict[int, bytes] = {}
    """Payload (a JSON value) by the number of the event, in the order in which they came."""


NO_WAIT: Final = OpenWait()


class OpenCompensation(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A compensation activity under way. Its key is the token that waits at it."""

    node: str
    """The node that failed, and its error."""
    code: str
    message: str


class OpenNotification(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Somebody who is to be told of something. Its key is the first request's sequence."""

    incident: int
    recipient: str
    queue: str
    attempt: int
    retry_at: int = 0
    """When the next attempt is due; 0 while one is under way."""
    approval: int = 0
    """What it is about where it is no incident."""


class Completion(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A node that is done and can be undone. Its key is the sequence of its event."""

    node: str
    scope: int = 0
    """The scope that it was in, by the number under which that ran."""
    variables: dict[str, bytes] = {}
    """What its handler will see: canonical JSON by name."""
    inner: int = 0
    """A scope without a handler of its own: the number under which it ran."""
    child_id: str = ""


class Rollback(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is being undone. Its key is the token that waits for it."""

    node: str
    """The throwing event; empty where the whole instance is undone."""
    steps: dict[int, Completion]
    """What is left, in the order in which it is undone; the first may be under way."""
    started: int = 0
    """Sequence of the `handler.started` that is under way; 0 for none."""
    caller: int = 0
    """The parent's `handler.started` that waits for it."""
    cancels: bool = False
    reason: str = ""


class Observed(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a node's work saw of variables that merge. Its key is the token that waits there."""

    node: str
    variables: dict[str, bytes]
    """As an event names them."""
    added: dict[str, bytes] = {}
    """Of sets: elements, as a JSON list, that others have added since."""


class OpenSection(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A section that waits for its lock, or has it. Its key is the sequence of its first event."""

    node: str
    token: int
    lock: str
    ttl_ms: int
    fence: int = 0
    """The fencing token; 0 while it waits."""
    extend_at: int = 0


class InstanceState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A workflow instance. Fields are only ever added at the end."""

    status: str
    sequence: int
    incarnation: str
    definition_id: str = ""
    definition_version: str = ""
    variables: dict[str, bytes] = {}
    """Canonical JSON by name."""
    tokens: dict[int, str] = {}
    """Place by token: a node's id where it waits, a flow's id before a join or held back."""
    next_token: int = 1
    activities: dict[int, OpenActivity] = {}
    timers: dict[int, OpenTimer] = {}
    calls: dict[int, OpenCall] = {}
    incidents: dict[int, Incident] = {}
    path: list[str] = []
    """The last flows and nodes passed."""
    errors: list[str] = []
    """The last errors, newest last."""
    created_at: int = 0
    created_by: str = ""
    ended_at: int = 0
    parent: Parent = NO_PARENT
    reason: str = ""
    """Why it was suspended, cancelled or terminated."""
    metadata: bytes = b"{}"
    """A JSON object of the client's own."""
    scopes: dict[int, OpenScope] = {}
    subscriptions: dict[int, OpenSubscription] = {}
    compensations: dict[int, OpenCompensation] = {}
    notifications: dict[int, OpenNotification] = {}
    observed: dict[int, Observed] = {}
    iterations: dict[int, Iteration] = {}
    waits: dict[int, OpenWait] = {}
    completions: dict[int, Completion] = {}
    rollbacks: dict[int, Rollback] = {}
    approvals: dict[int, OpenApproval] = {}
    sections: dict[int, OpenSection] = {}
    restartable: bool = False
    """True: it has failed, and all is kept that a restart needs."""
    resting: dict[int, str] = {}
    """Place by token where a restart begins again."""
    single: str = ""
    """The channel that is told when the instance lives no longer; empty for none."""

    def children(self) -> Iterator[OpenCall]:
        """Yield the calls whose child is under way."""
        return (call for call in self.calls.values() if not call.retry_at)

    def completions_kept(self) -> Iterator[Completion]:
        """Yield all that can be undone, and what is being undone."""
        yield from self.completions.values()
        for rollback in self.rollbacks.values():
            yield from rollback.steps.values()


NOTHING: Final = InstanceState(CREATED, 0, "")
"""Before the first event. Others are copies of it: a new one makes a dict for each empty field."""
encode_state = msgspec.msgpack.Encoder().encode
decode_state = msgspec.msgpack.Decoder(InstanceState).decode


def remnant(state: InstanceState) -> InstanceState:
    """Return what is kept of a finished instance, so that retries are still recognised.

    One that has failed is kept whole, so that it can be restarted.
    """
    if state.restartable and state.status == FAILED:
        return state
    return replace(
        NOTHING, status=state.status, sequence=state.sequence, incarnation=state.incarnation
    )


class Remnant(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The first fields of a state: what a finished instance is written as."""

    status: str
    sequence: int
    incarnation: str


def encode(state: InstanceState) -> bytes:
    """Write a state; a remnant takes some twenty bytes."""
    if state.status in FINISHED and not state.definition_id:
        return encode_state(Remnant(state.status, state.sequence, state.incarnation))
    return encode_state(state)
