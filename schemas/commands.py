"""Commands: what clients, aggregates and timers ask of an aggregate.

Bodies only; who asks whom stands in the envelope. Names are imperative.
"""

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
    """End with clean-up: children and open activities are cancelled."""

    reason: str = ""


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
    """Give an activity or a call its result by hand; exactly one of the numbers says which."""

    result: bytes = b"null"
    """A JSON value: what the activity or the call would have returned."""
    incident: int = 0
    """Sequence of the `error.occurred` event that stopped it."""
    activity: int = 0
    """Sequence of the first `activity.scheduled` event: the activity is open, and is cancelled."""
    call: int = 0
    """Sequence of the `call.started` event: the call is open, and its child is cancelled."""
    reason: str = ""


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


class StartChild(msgspec.Struct, frozen=True, gc=False):
    """A call node starts another workflow (internal)."""

    definition_id: str
    version: str
    variables: bytes
    parent_id: str
    parent_incarnation: str
    parent_call: int
    """Sequence of the parent's `call.started` event."""


class CompleteCall(msgspec.Struct, frozen=True, gc=False):
    """A child tells its parent that it completed (internal)."""

    call: int
    result: bytes
    """A JSON object: the child's result."""


class FailCall(msgspec.Struct, frozen=True, gc=False):
    """A child tells its parent that it did not complete (internal)."""

    call: int
    code: str
    message: str


class Continue(msgspec.Struct, frozen=True, gc=False):
    """Go on with routing that one command's limits broke off (internal)."""


class FireTimer(msgspec.Struct, frozen=True, gc=False):
    """A timer of the aggregate is due; made by the shard, never on a topic."""

    due: int
    """Milliseconds since 1970 at which it was due, at or before now."""
