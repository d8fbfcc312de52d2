"""The core's two functions and their values.

`decide(command, state, ctx) -> Accepted | Rejected` and `evolve(state, event) -> state`.
Refusals and effects are values; nothing here reads a clock, draws a number or does I/O.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from schemas.activity_types import ActivityTypeRecord
from schemas.commands import PublishDefinition
from schemas.tasks import ActivityCancellation, ActivityTask
from streams.domain.net.device_starts import DeviceStarts
from streams.domain.net.model import Definition, Version


class Limits(msgspec.Struct, frozen=True, gc=False):
    """Bounds that `decide` holds; sizes in bytes."""

    variable: int = 256 * 1024
    state: int = 1024 * 1024
    message: int = 512 * 1024
    events_per_command: int = 2_000
    steps_per_command: int = 1_000
    text: int = 4_000
    """Characters of an error's message; what is longer is cut."""
    reason: int = 1_000
    """Characters of a reason: it goes to every worker and child that is told."""
    messages: int = 1_000
    """Messages that a channel holds, buffered or offered."""
    subscriptions: int = 5_000
    """Open subscriptions of a channel."""
    message_ids: int = 1_000
    """Ids of messages that a channel remembers, so that a repeated one has no effect."""
    message_window: int = 86_400_000
    """For how long it remembers them, in milliseconds."""
    fan_out: int = 500
    """Subscriptions that one command offers a signal to; `ContinueBroadcast` does the rest."""
    failure_strategy: str = "fail_workflow"
    """What follows a failure of which neither the node nor its definition says anything."""
    notification_queue: str = "default"
    """Queue of the tasks that tell people of an incident."""


class Definitions(Protocol):
    """What a decision may know of definitions: the published versions, as of the batch."""

    def find(self, tenant: str, definition_id: str, version: str) -> Definition | None:
        """Return that version, or the newest in that range, empty for any; None if unknown.

        Deleted versions are found by their exact number alone.
        """
        ...

    def versions(self, tenant: str, definition_id: str) -> list[Version]:
        """Return the published versions of a definition that are not deleted."""
        ...

    def is_deleted(self, tenant: str, definition_id: str, version: str) -> bool:
        """Tell whether that version is deleted: `find` has it by its exact number alone."""
        ...

    def source(self, tenant: str, definition_id: str, version: str) -> str:
        """Return the source of a version that was published, empty where none is known."""
        ...

    def started_by(self, tenant: str, kind: str, name: str) -> list[str]:
        """Return the definitions whose newest version a `message` or `signal` starts, in order.

        It may be too old to be relied on: the definition itself decides what it starts.
        """
        ...

    def device_starts(self, tenant: str) -> DeviceStarts:
        """Return what devices start, which may be too old as well."""
        ...

    def queue_exists(self, queue: str) -> bool:
        """Tell whether the activity queue has a topic."""
        ...


class Decision(msgspec.Struct, frozen=True, gc=False):
    """Everything outside the aggregate that a decision may read."""

    now: int
    """Milliseconds since 1970; never goes back."""
    aggregate_id: str
    tenant: str
    command_id: str
    actor: str
    incarnation: str
    """Incarnation in the command, empty for any; for a start: the one to take."""
    expected_sequence: int
    """-1 for any."""
    definitions: Definitions
    limits: Limits
    beats: dict[int, int]
    """Last heartbeat by open activity, ms since 1970: the book's, outside the fold."""
    read_definition: Callable[[PublishDefinition], Definition | list[str]]
    """Reads a definition's source: the model, or the sentences that say what is wrong."""
    reply_to: str = ""
    """Where the command's answer goes; kept by who answers later, with `AnswerCommand`."""
    beside: Any = None
    """A device's: the state of its watch, which lives beside it; None for none."""


class DispatchActivity(msgspec.Struct, frozen=True, gc=False):
    """Effect: put a task on its queue."""

    queue: str
    task: ActivityTask


class CancelTask(msgspec.Struct, frozen=True, gc=False):
    """Effect: tell workers that a task is no longer wanted."""

    cancellation: ActivityCancellation


class SendCommand(msgspec.Struct, frozen=True, gc=False):
    """Effect: an internal command to another aggregate."""

    aggregate_type: str
    aggregate_id: str
    incarnation: str
    body: msgspec.Struct
    hop: bool = False
    """True: by way of the topic even to this partition, so that other work has its turn."""


class RecordDefinition(msgspec.Struct, frozen=True, gc=False):
    """Effect: write a version to `workflow.definitions`."""

    definition_id: str
    version: str
    status: str
    source: str
    message: str = ""
    verdict: str = ""
    violations: bytes = b"[]"
    code: str = ""
    allow_unsound: bool = False
    max_states: int = 0
    deletion: tuple[int, str, str, bool] = (0, "", "", False)
    """When, by whom, why, and whether it was published before."""
    sound_with: list[str] = []


class RecordActivityType(msgspec.Struct, frozen=True, gc=False):
    """Effect: write what is known of a type to `workflow.activity-types`."""

    record: ActivityTypeRecord


class AnswerCommand(msgspec.Struct, frozen=True, gc=False):
    """Effect: the reply to a command that was accepted before with an empty result."""

    command_id: str
    reply_to: str
    result: bytes = b"null"
    """A JSON value."""
    code: str = ""
    """Why it is refused, a code of `schemas.errors`; empty where it is not."""
    message: str = ""


class RedriveCommand(msgspec.Struct, frozen=True, gc=False):
    """Effect: apply the command that an incident kept (`ErrorOccurred.command`) again."""

    data: bytes


Effect = (
    DispatchActivity
    | CancelTask
    | SendCommand
    | RecordDefinition
    | RecordActivityType
    | AnswerCommand
    | RedriveCommand
)


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """The command takes effect: facts, what follows from them, and the state after them."""

    events: list[msgspec.Struct]
    """Event bodies, in order; the n-th has sequence `state.sequence + n`."""
    effects: list[Effect]
    state: Any
    """`fold(events)` from the state before: what `decide` itself worked with."""
    result: bytes = b"null"
    """A JSON value for the reply; empty where an `AnswerCommand` is to be the reply, later."""
    beat: int = 0
    """Activity whose heartbeat this command is; the shard notes `now` in the book."""


class Rejected(msgspec.Struct, frozen=True, gc=False):
    """The command has no effect."""

    code: str
    """A code of `schemas.errors`."""
    message: str
    """A sentence that helps."""


Outcome = Accepted | Rejected


def conflict(ctx: Decision, sequence: int) -> Rejected:
    """Return the refusal of a command that expects the aggregate at another sequence."""
    return Rejected(
        "version_conflict",
        f"{ctx.aggregate_id!r} is at sequence {sequence}, the command expects "
        f"{ctx.expected_sequence}: read it again, then decide",
    )


class EventPlace(msgspec.Struct, frozen=True, gc=False):
    """Where an event stands: what `evolve` reads of the envelope."""

    aggregate_id: str
    tenant: str
    incarnation: str
    sequence: int
    time: int
    actor: str


class Aggregate(Protocol):
    """One kind of aggregate, as the runtime drives it."""

    type: str
    """Its name in envelopes and store keys."""
    form: int
    """Version of the state record's form; a newer one in the log is refused."""
    has_incidents: bool
    """True where `evolve` takes `ErrorOccurred`: a defect stalls it instead of losing a command."""

    def decide(self, command: msgspec.Struct, state: Any | None, ctx: Decision) -> Outcome:
        """Decide a command; pure."""
        ...

    def evolve(self, state: Any | None, event: msgspec.Struct, at: EventPlace) -> Any:
        """Apply an event; pure, total, never refuses."""
        ...

    def encode(self, state: Any) -> bytes:
        """Write a state; equal states give equal bytes."""
        ...

    def decode(self, data: bytes) -> Any:
        """Read a state."""
        ...

    def sequence(self, state: Any) -> int:
        """Return the sequence of the state's last event."""
        ...

    def incarnation(self, state: Any) -> str:
        """Return which life of its id the state is."""
        ...

    def next_due(self, state: Any, beats: dict[int, int]) -> int:
        """Return when the state's earliest timer is due, in ms since 1970; 0 for none."""
        ...

    def is_finished(self, state: Any) -> bool:
        """Tell whether only a short memory of the state need be kept."""
        ...

    def remnant(self, state: Any) -> Any:
        """Return the short memory of a finished state, as `decode(encode(…))` gives it back."""
        ...
