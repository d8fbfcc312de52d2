"""Commands: what is asked of an aggregate. Bodies only; who asks whom stands in the envelope."""

from __future__ import annotations

import msgspec


class RunInstance(msgspec.Struct, frozen=True, gc=False):
    """Create and start an instance in one step."""

    definition_id: str
    version: str = ""
    """Exact version, or empty for the newest published one."""
    variables: bytes = b"{}"
    """A JSON object."""
    metadata: bytes = b"{}"
    """A JSON object of the client's own: kept with the instance, never read by the workflow."""


class CreateInstance(msgspec.Struct, frozen=True, gc=False):
    """Create an instance that waits, in state Created, for `StartInstance`."""

    definition_id: str
    version: str = ""
    variables: bytes = b"{}"
    metadata: bytes = b"{}"


class StartInstance(msgspec.Struct, frozen=True, gc=False):
    """Start an instance that is in state Created."""


class SuspendInstance(msgspec.Struct, frozen=True, gc=False):
    """Stop routing: work under way may end, nothing new begins."""

    reason: str = ""


class ResumeInstance(msgspec.Struct, frozen=True, gc=False):
    """Go on after `SuspendInstance`."""

    reason: str = ""


class CancelInstance(msgspec.Struct, frozen=True, gc=False):
    """End with clean-up: children and open activities are cancelled, what is done is undone."""

    reason: str = ""
    compensate: bool = True
    """False: compensation handlers do not run; what an instance is undoing already, it drops."""


class TerminateInstance(msgspec.Struct, frozen=True, gc=False):
    """End at once, without clean-up."""

    reason: str = ""


class DeleteInstance(msgspec.Struct, frozen=True, gc=False):
    """Hide an instance that has ended, or was never started; its history stays."""

    reason: str = ""


class RetryIncident(msgspec.Struct, frozen=True, gc=False):
    """Try again what an incident stopped."""

    incident: int
    """Sequence of the `error.occurred` event; 0 for all open ones of the instance."""


class SkipNode(msgspec.Struct, frozen=True, gc=False):
    """Take the node at which an incident's token waits as done, without a result."""

    incident: int
    """Sequence of the `error.occurred` event."""
    flow: str = ""
    """Id of the flow to leave by; empty where the node's conditions, or its only flow, decide."""
    reason: str = ""


class CompleteNode(msgspec.Struct, frozen=True, gc=False):
    """Give an activity, a call or an approval its result by hand; one number says which."""

    result: bytes = b"null"
    """A JSON value: what the activity or the call would have returned; of an approval `outcome` and
    `data`."""
    incident: int = 0
    """Sequence of the `error.occurred` event that stopped it."""
    activity: int = 0
    """Sequence of the first `activity.scheduled` event: the activity is open, and is cancelled."""
    call: int = 0
    """Sequence of the `call.started` event: the call is open, and its child is cancelled."""
    reason: str = ""
    approval: int = 0
    """Sequence of the `approval.requested` event: the approval is open, and is cancelled."""


class SetVariables(msgspec.Struct, frozen=True, gc=False):
    """Set variables of an instance that runs or is suspended."""

    variables: bytes
    """A JSON object; names that begin with `@` are refused."""
    scope: int = 0
    """Sequence of the `scope.started` event whose local variables they are; 0: the workflow's."""
    reason: str = ""


class PublishDefinition(msgspec.Struct, frozen=True, gc=False):
    """Submit a definition for publication."""

    source: str
    """The definition as its author wrote it, YAML or JSON."""
    allow_unsound: bool = False
    """Publish it even if it is not sound, or not known to be; it is marked so."""
    max_states: int = 0
    """States to look at before soundness counts as unknown; 0, or too many: the verifier's own."""
    sound_with: list[str] = []
    """What it is to be sound together with: `id@version`, or `id` for the newest published one."""


class PublishMessage(msgspec.Struct, frozen=True, gc=False):
    """Give a message to the one subscription that waits for its name and key.

    The command's aggregate is the channel `schemas.ids.channel_id("message", name, key)`.
    """

    name: str
    key: str = ""
    """Correlation key: which one of those that wait for the name."""
    message_id: str = ""
    """Yours: publishing it again has no effect. Empty: the command's id."""
    payload: bytes = b"null"
    """A JSON value."""
    ttl_ms: int = 3_600_000
    """How long it waits for a subscription; 0: it is taken at once or expires."""


class BroadcastSignal(msgspec.Struct, frozen=True, gc=False):
    """Give a signal to everything that waits for its name now.

    The command's aggregate is the channel `schemas.ids.channel_id("signal", name)`.
    """

    name: str
    signal_id: str = ""
    """Yours: broadcasting it again has no effect. Empty: the command's id."""
    payload: bytes = b"null"
    """A JSON value."""


class AcquireLock(msgspec.Struct, frozen=True, gc=False):
    """Take a lock, or wait for it in order of asking; refused as `LockAcquisition`.

    The answer is `{"acquired": true, "token": …, "expires_at": …}`, given when the lock is. Who
    has the lock already keeps it, with its token and at least this time to live: holds are not
    counted, one release frees it. Who waits already keeps its place; the former request is
    refused.
    """

    owner: str
    """Who asks: 1 to 128 characters of the client's own, another for each holder."""
    ttl_ms: int
    """After this time the lock is free again unless it is extended: 1 ms to a day."""
    wait_ms: int = 0
    """How long to wait where another owner has it: 0 to a day."""


class ExtendLock(msgspec.Struct, frozen=True, gc=False):
    """Keep a lock for longer, from now on; refused as `LockExtension` where it is lost."""

    owner: str
    token: int
    """The fencing token that came with the lock."""
    ttl_ms: int


class ReleaseLock(msgspec.Struct, frozen=True, gc=False):
    """Give a lock back; answers `true`, or `false` where it is not, and was not, this owner's."""

    owner: str
    token: int = 0
    """The lock's token; 0 for whatever the owner has: the lock, or its place in the queue."""


class ForceReleaseLock(msgspec.Struct, frozen=True, gc=False):
    """Take a lock from its holder, whoever it is; the next in the queue gets it."""

    reason: str = ""


class StartChild(msgspec.Struct, frozen=True, gc=False):
    """A call node starts another workflow (internal)."""

    definition_id: str
    version: str
    variables: bytes
    parent_id: str
    parent_incarnation: str
    parent_call: int
    """Sequence of the parent's `call.started` event."""


class TriggerInstance(msgspec.Struct, frozen=True, gc=False):
    """A definition starts an instance, for one of its start events came about (internal)."""

    definition_id: str
    version: str
    node: str
    """The start that is taken."""
    kind: str
    """`message`, `signal` or `timer`."""
    payload: bytes = b"null"
    """A JSON value: of a timer `due` and `missed`."""
    message_id: str = ""
    due: int = 0
    """Timers: when it was due, ms since 1970."""
    missed: int = 0
    """Timers: how many later due times have passed as well."""
    single: str = ""
    """The channel that lets one such instance live at a time, and is told of its end."""


class CompleteCall(msgspec.Struct, frozen=True, gc=False):
    """A child tells its parent that it completed (internal)."""

    call: int
    result: bytes
    """A JSON object: the child's result."""
    compensable: bool = False
    """True: the child keeps what undoes it, until `CompensateInstance` or `DiscardCompensation`."""


class FailCall(msgspec.Struct, frozen=True, gc=False):
    """A child tells its parent that it did not complete, or `refused`: not start (internal)."""

    call: int
    code: str
    message: str
    refused: bool = False


class CompensateInstance(msgspec.Struct, frozen=True, gc=False):
    """A parent has its child undo what it did; one that still runs is cancelled (internal)."""

    parent_id: str
    parent_incarnation: str
    call: int
    """Sequence of the parent's `handler.started`: `CompleteCall` or `FailCall` answers it."""
    reason: str = ""


class DiscardCompensation(msgspec.Struct, frozen=True, gc=False):
    """A parent will not have its child undone any more (internal)."""


class RequestLock(msgspec.Struct, frozen=True, gc=False):
    """An aggregate asks for a lock, for one section of its work (internal).

    The answer is `LockGranted`, at once or later, or `LockRefused`.
    """

    aggregate_type: str
    aggregate_id: str
    incarnation: str
    section: int
    """Names the section in the aggregate: sequence of the event that began it."""
    ttl_ms: int = 0
    """0: until it is returned."""
    wait_ms: int = -1
    """-1: as long as it takes."""


class ReturnLock(msgspec.Struct, frozen=True, gc=False):
    """An aggregate's section is over: its lock, or its place in the queue, is free (internal)."""

    aggregate_type: str
    aggregate_id: str
    incarnation: str
    section: int


class LockGranted(msgspec.Struct, frozen=True, gc=False):
    """A lock tells an aggregate that a section of it may begin (internal)."""

    lock: str
    section: int
    token: int
    """The fencing token: greater than those of all former holders."""
    expires_at: int = 0
    """Milliseconds since 1970; 0: held until it is returned."""


class LockRefused(msgspec.Struct, frozen=True, gc=False):
    """A lock tells an aggregate that a section of it may not begin (internal)."""

    lock: str
    section: int
    code: str
    message: str


class LockLost(msgspec.Struct, frozen=True, gc=False):
    """A lock tells an aggregate that a section of it is no longer protected (internal)."""

    lock: str
    section: int
    token: int
    how: str
    """`expired` or `forced`."""


class Continue(msgspec.Struct, frozen=True, gc=False):
    """Go on with routing that one command's limits broke off (internal)."""


class FireTimer(msgspec.Struct, frozen=True, gc=False):
    """A timer of the aggregate is due; made by the shard, never on a topic."""

    due: int
    """Milliseconds since 1970 at which it was due, at or before now."""


class OpenSubscription(msgspec.Struct, frozen=True, gc=False):
    """An aggregate waits for messages of a channel (internal).

    Opening what is open already changes nothing; a message that its owner deferred is offered
    again at once.
    """

    owner_id: str
    owner_incarnation: str
    subscription: int
    """Sequence of the owner's event that opened it."""
    node: str
    once: bool = True
    """True: the first message that is taken ends it."""
    owner_type: str = "instance"


class CloseSubscription(msgspec.Struct, frozen=True, gc=False):
    """The owner waits no longer; the channel confirms by `SubscriptionClosed` (internal)."""

    owner_id: str
    owner_incarnation: str
    subscription: int
    owner_type: str = "instance"


class AcceptMessage(msgspec.Struct, frozen=True, gc=False):
    """The owner of a subscription took what `Correlate` brought (internal)."""

    owner_id: str
    owner_incarnation: str
    subscription: int
    message_id: str
    owner_type: str = "instance"


class RejectMessage(msgspec.Struct, frozen=True, gc=False):
    """The owner of a subscription did not take what `Correlate` brought (internal)."""

    owner_id: str
    owner_incarnation: str
    subscription: int
    message_id: str
    reason: str
    final: bool = True
    """False: not now, as the owner is suspended; the message stays with the subscription."""
    owner_type: str = "instance"


class Correlate(msgspec.Struct, frozen=True, gc=False):
    """A channel offers a message to a subscription, which must answer (internal)."""

    subscription: int
    channel_id: str
    message_id: str
    name: str
    payload: bytes
    """A JSON value."""


class SubscriptionClosed(msgspec.Struct, frozen=True, gc=False):
    """A channel has closed a subscription: nothing more will come from it (internal)."""

    subscription: int
    code: str = ""
    """Empty: as the owner asked. Else why the channel could not open it."""
    message: str = ""


class ContinueBroadcast(msgspec.Struct, frozen=True, gc=False):
    """A channel goes on with a broadcast that one command's limits broke off (internal)."""

    broadcast: int
    """Sequence of the `signal.broadcast` event."""
    cursor: int
    """Subscriptions opened up to this sequence of the channel were served."""
