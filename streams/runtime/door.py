"""The door: what a message must be before it meets an aggregate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from schemas import commands as c
from schemas.activity_type_commands import RegisterActivityType, RemoveActivityType
from schemas.definition_commands import DeleteDefinition
from schemas.encoder import context_bytes
from schemas.envelope import Envelope
from schemas.errors import CATALOGUE
from schemas.ids import DEFAULT_TENANT, is_client_id, is_id, root_of, routing_key
from schemas.partition import partition_of
from schemas.registry import CLIENT_COMMAND_TYPES, COMMAND_TYPES, MESSAGES, RESULT_TYPES
from schemas.results import RecordVerdict
from schemas.start_commands import EndSingle, StartSingle
from schemas.telemetry import DeviceCheck, Reading
from schemas.watch_commands import (
    LookForStarts,
    MeetWaits,
    OpenWatch,
    StandWatch,
    UnwatchDevice,
    WatchDevice,
)
from streams.domain.protocol import Rejected
from streams.runtime.environment import Environment
from streams.runtime.inbox import COMMANDS, INTERNAL, RESULTS, TELEMETRY, Item

_CLIENT = frozenset(CLIENT_COMMAND_TYPES)
_ALLOWED: Final[dict[str, frozenset[str]]] = {
    COMMANDS: _CLIENT,
    RESULTS: frozenset(RESULT_TYPES),
    INTERNAL: frozenset(COMMAND_TYPES),
    TELEMETRY: frozenset({"Reading", "DeviceCheck"}),
}
_LOCKS: Final = (
    c.AcquireLock,
    c.ExtendLock,
    c.ReleaseLock,
    c.ForceReleaseLock,
    c.RequestLock,
    c.ReturnLock,
)
_CHANNELS: Final = (
    c.PublishMessage,
    c.BroadcastSignal,
    c.OpenSubscription,
    c.ContinueBroadcast,
    StartSingle,
    EndSingle,
)
_ANSWERS: Final = (c.CloseSubscription, c.AcceptMessage, c.RejectMessage)
_STARTS: Final = frozenset(
    {
        "RunInstance",
        "CreateInstance",
        "PublishDefinition",
        "RegisterActivityType",
        "PublishMessage",
        "BroadcastSignal",
        "AcquireLock",
        "RequestLock",
    }
)
_AGGREGATES: Final[dict[type[msgspec.Struct], tuple[str, ...]]] = {
    c.PublishDefinition: ("definition",),
    DeleteDefinition: ("definition",),
    RecordVerdict: ("definition",),
    RegisterActivityType: ("activity_type",),
    RemoveActivityType: ("activity_type",),
    c.RetryIncident: ("instance", "channel", "watch", "lock", "definition", "device"),
    **dict.fromkeys(_CHANNELS, ("channel",)),
    **dict.fromkeys(_ANSWERS, ("channel", "watch")),
    OpenWatch: ("watch",),
    MeetWaits: ("watch",),
    StandWatch: ("watch",),
    LookForStarts: ("device",),
    WatchDevice: ("device",),
    UnwatchDevice: ("device",),
    DeviceCheck: ("device",),
    **dict.fromkeys(_LOCKS, ("lock",)),
    c.Correlate: ("instance", "definition"),
    c.SubscriptionClosed: ("instance", "definition"),
    Reading: ("device",),
}
"""Whom a message may be for, where it is not for instances only."""
_COMMAND_ID_LENGTH_MAX = 256
_CONTEXT_BYTES_MAX = 16 * 1024


class Rule(NamedTuple):
    """What one type of message must be on one input."""

    kind: str
    aggregate_types: tuple[str, ...]
    is_legal: Callable[[str], bool]
    """Of the aggregate's id."""


def _rule(body: type[msgspec.Struct]) -> Rule:
    kind = MESSAGES[body]
    return Rule(
        kind, _AGGREGATES.get(body, ("instance",)), is_client_id if kind in _STARTS else is_id
    )


_RULES: Final = {
    source: {body: _rule(body) for body, kind in MESSAGES.items() if kind in kinds}
    for source, kinds in _ALLOWED.items()
}
"""By input and body class; what is not here may not be written there."""


class Door:
    """Checks envelopes; cheap, since every record passes it."""

    def __init__(self, environment: Environment) -> None:
        """Take the limits and the place of the shard."""
        self._partition = environment.partition
        self._partitions = environment.partitions
        self._bytes_max = environment.limits.message
        self._small = min(self._bytes_max, _CONTEXT_BYTES_MAX)
        """Bytes of a message of which nothing is too large."""
        self._aggregates = environment.aggregates

    def at_home(self, envelope: Envelope) -> bool:
        """Tell whether the envelope's aggregate lives on this partition."""
        return self.is_here(routing_key(envelope.context.tenant, envelope.aggregate_id).encode())

    def is_here(self, key: bytes) -> bool:
        """Tell whether what has this routing key lives on this partition."""
        return partition_of(key, self._partitions) == self._partition

    def reply_address(self, envelope: Envelope) -> tuple[str, int]:
        """Return token and partition to answer to; an unusable address is no address."""
        token, _, partition = envelope.reply_to.rpartition(":")
        if token and partition.isascii() and partition.isdigit():
            number = int(partition)
            if number < self._partitions:
                return token, number
        return "", -1

    def check(self, item: Item) -> Rejected | None:
        """Return why the message may not pass, or None; what is unreadable is none of ours."""
        message = item.message
        if message is None:
            return None
        envelope, body = message
        rule = _RULES[item.source].get(type(body))
        if rule is None:
            kind = MESSAGES[type(body)]
            return Rejected("UnsupportedOperation", f"{kind} may not be written to {item.source}")
        if not envelope.id or len(envelope.id) > _COMMAND_ID_LENGTH_MAX:
            return Rejected(
                "MissingParameter",
                "the envelope's id is missing or above 256 characters: give every command an "
                "id of your own, so that sending it twice has one effect",
            )
        if envelope.aggregate_type not in rule.aggregate_types:
            wanted = " or ".join(map(repr, rule.aggregate_types))
            return Rejected(
                "InvalidInput",
                f"aggregate_type of {rule.kind} is {wanted}, not {envelope.aggregate_type!r}",
            )
        record, tenant = item.record, envelope.context.tenant
        if (
            tenant == DEFAULT_TENANT
            and rule.is_legal(envelope.aggregate_id)
            and record.key == root_of(envelope.aggregate_id).encode()
            and not envelope.reply_to
            and len(record.value) <= self._small
        ):
            return None  # As nearly all are.
        return self._check_place(item, envelope, rule)

    def _check_place(self, item: Item, envelope: Envelope, rule: Rule) -> Rejected | None:
        record = item.record
        if not rule.is_legal(envelope.aggregate_id):
            return Rejected(
                "InvalidInput",
                f"aggregate_id {envelope.aggregate_id[:140]!r} is not an id: 1 to 128 of "
                "A-Z a-z 0-9 . _ : -",
            )
        tenant = envelope.context.tenant
        if tenant != DEFAULT_TENANT and not is_client_id(tenant):
            return Rejected("InvalidInput", f"tenant {tenant[:140]!r} is not an id")
        if record.key != routing_key(tenant, envelope.aggregate_id).encode():
            return Rejected(
                "wrong_partition",
                f"the record's key must be {routing_key(tenant, envelope.aggregate_id)!r}, the "
                f"routing key of {envelope.aggregate_id!r}; " + CATALOGUE["wrong_partition"],
            )
        if envelope.reply_to and not self.reply_address(envelope)[0]:
            return Rejected(
                "InvalidInput", "reply_to is `token:partition` with a partition of workflow.replies"
            )
        size = len(record.value)
        if size > _CONTEXT_BYTES_MAX and len(context_bytes(envelope.context)) > _CONTEXT_BYTES_MAX:
            return Rejected(
                "limit_exceeded",
                f"actor, trace, correlation id and metadata have more than {_CONTEXT_BYTES_MAX} "
                "bytes together: every event and task of the command would carry them",
            )
        if size > self._bytes_max:
            return Rejected(
                "limit_exceeded",
                f"the message has {size} bytes, the limit is {self._bytes_max} "
                "(command_bytes_max): pass large data by reference",
            )
        return None
