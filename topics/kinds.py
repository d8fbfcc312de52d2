"""Every topic of Tidemill, once: what it carries, how long it keeps it, who writes it, and why.

Common to all: created by us and never by a broker; the record's time is the broker's
(`LogAppendTime`), because a client's or a device's clock, an old or a wrong one, would reorder
timers or let retention delete a segment; the partitioner is murmur2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final

QUEUE_PLACE: Final = "<queue>"
"""Stands in a name for an activity queue's."""

_DAY: Final = timedelta(days=1)
_MIB: Final = 1024 * 1024


class Cleanup(StrEnum):
    """What Kafka does with old records."""

    DELETE = "delete"
    COMPACT = "compact"


class Partitions(StrEnum):
    """Where a topic's number of partitions comes from."""

    KEYED = "the cluster's number, fixed at creation and the same for every keyed topic"
    QUEUE = "the queue's own number; may grow, as no state depends on it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One topic, or one family of them, without a prefix."""

    name: str
    key: str
    value: str
    cleanup: Cleanup
    retention: timedelta | None = None
    """How long a record is kept; None: no time limit."""
    written_by: str
    why: str
    partitions: Partitions = Partitions.KEYED
    config: Mapping[str, str] = field(default_factory=dict)
    """What this topic sets beyond what all topics set."""


COMMANDS: Final = Kind(
    name="workflow.commands",
    key="routing key",
    value="command",
    cleanup=Cleanup.DELETE,
    retention=7 * _DAY,
    written_by="any client, with an idempotent producer",
    why="Apart from what shards write in transactions: an open transaction of a dead shard "
    "must not hold back commands.",
)
RESULTS: Final = Kind(
    name="workflow.results",
    key="routing key",
    value="completions, failures, starts and heartbeats of activities; verdicts on definitions",
    cleanup=Cleanup.DELETE,
    written_by="workers, verifiers",
    why="Workers have no right to write commands, nor clients to report results. No time limit, "
    "as an unread completion must never expire; shards delete below their committed position.",
)
INTERNAL: Final = Kind(
    name="workflow.internal",
    key="routing key",
    value="command from one aggregate to another on a different partition",
    cleanup=Cleanup.DELETE,
    written_by="shards, in their transaction",
    why="What one shard owes another survives both; deleted below the committed position.",
)
EVENTS: Final = Kind(
    name="workflow.events",
    key="routing key",
    value="domain event",
    cleanup=Cleanup.DELETE,
    written_by="shards, in their transaction",
    why="The source of truth: every view and every state can be rebuilt from it.",
)
REPLIES: Final = Kind(
    name="workflow.replies",
    key="client",
    value="answer to a command that asked for one, and every rejection",
    cleanup=Cleanup.DELETE,
    retention=_DAY,
    written_by="shards, in their transaction",
    why="A client reads one partition of it, named in its commands, and so hears only its own.",
)
STATE: Final = Kind(
    name="workflow.state",
    key="store key",
    value="state records and the partition's position record",
    cleanup=Cleanup.COMPACT,
    written_by="shards, in their transaction",
    why="Private: from it a shard's store is rebuilt. Small segments and a bounded lag keep "
    "recovery short; a store older than half the tombstones' retention is rebuilt.",
    config={
        "segment.bytes": str(64 * _MIB),
        "min.cleanable.dirty.ratio": "0.2",
        "max.compaction.lag.ms": str(60 * 60 * 1000),
        "delete.retention.ms": str(7 * 24 * 60 * 60 * 1000),
    },
)
DEFINITIONS: Final = Kind(
    name="workflow.definitions",
    key="definition id @ version",
    value="submitted, published, refused and deleted definitions, with source",
    cleanup=Cleanup.COMPACT,
    written_by="shards, in their transaction",
    why="Every process reads all of it and so knows every published version; what was submitted "
    "and not decided since is what verifiers have to do.",
)
ACTIVITY_TYPES: Final = Kind(
    name="workflow.activity-types",
    key="activity type",
    value="what is known of an activity type",
    cleanup=Cleanup.COMPACT,
    written_by="shards, in their transaction",
    why="Who validates a definition reads all of it, and knows what workers can do.",
)
QUEUE: Final = Kind(
    name=f"activity.{QUEUE_PLACE}",
    key="task id",
    value="activity task; its type is in the record",
    cleanup=Cleanup.DELETE,
    retention=7 * _DAY,
    written_by="shards, in their transaction",
    why="One topic a queue, so that a slow kind of work never holds back another; its "
    "partitions bound how many workers share it.",
    partitions=Partitions.QUEUE,
)
CONTROL: Final = Kind(
    name="activity.control",
    key="task id",
    value="cancellation of a task",
    cleanup=Cleanup.COMPACT,
    written_by="shards, in their transaction",
    why="Every worker reads it; a task that was taken before its cancellation is stopped.",
)
DEAD_LETTERS: Final = Kind(
    name="workflow.dead-letters",
    key="the original key",
    value="the bytes that could not be handled; headers say why and from where",
    cleanup=Cleanup.DELETE,
    retention=30 * _DAY,
    written_by="shards and the bridge",
    why="Nothing that came in vanishes without a trace; an operator replays it.",
)
AUDIT: Final = Kind(
    name="audit.log",
    key="writer",
    value="who did, or tried, what",
    cleanup=Cleanup.DELETE,
    retention=365 * _DAY,
    written_by="shards and the API",
    why="Refused attempts have no event, and must be found all the same.",
)
TELEMETRY: Final = Kind(
    name="iot.telemetry",
    key="device id",
    value="reading, or a shard's mark among them",
    cleanup=Cleanup.DELETE,
    retention=7 * _DAY,
    written_by="the bridge; marks: the device's shard",
    why="Readings come by the thousand and are no commands: no event, no reply.",
)
DEVICE_COMMANDS: Final = Kind(
    name="iot.commands",
    key="device id",
    value="command to a device",
    cleanup=Cleanup.DELETE,
    retention=7 * _DAY,
    written_by="workers and applications",
    why="The bridge hands them to MQTT, in order for each device.",
)
DEVICE_STATE: Final = Kind(
    name="iot.state",
    key="device id",
    value="last known state of a device",
    cleanup=Cleanup.COMPACT,
    written_by="the device's shard",
    why="Consumers learn a device's state without reading its history.",
)
DEVICE_EVENTS: Final = Kind(
    name="iot.events",
    key="device id",
    value="a device came online or went offline",
    cleanup=Cleanup.DELETE,
    retention=7 * _DAY,
    written_by="the bridge",
    why="Presence is a fact about the connection, not a reading.",
)

KINDS: Final = (
    COMMANDS,
    RESULTS,
    INTERNAL,
    EVENTS,
    REPLIES,
    STATE,
    DEFINITIONS,
    ACTIVITY_TYPES,
    QUEUE,
    CONTROL,
    DEAD_LETTERS,
    AUDIT,
    TELEMETRY,
    DEVICE_COMMANDS,
    DEVICE_STATE,
    DEVICE_EVENTS,
)
"""All kinds, in the order of a command's way."""
