"""What a batch will produce, in order: events, tasks, replies, commands, dead letters."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from schemas.codec import STAMPED, encode
from schemas.commands import Continue
from schemas.definitions import DefinitionRecord
from schemas.encoder import Stamp
from schemas.envelope import Context, Envelope
from schemas.ids import routing_key, task_id
from schemas.memo import Memo
from schemas.registry import BODIES, EVENT_TYPES, MESSAGES
from schemas.replies import Reply
from schemas.tasks import ActivityCancellation, ActivityTask
from schemas.telemetry import DeviceCheck, DeviceState
from streams.domain.protocol import (
    AnswerCommand,
    DispatchActivity,
    RecordActivityType,
    RecordDefinition,
    SendCommand,
)
from streams.runtime.ports import Out
from streams.runtime.slots import Slot
from topics.names import Names

_TASKS_PER_PARTITION = 64
_out = tuple.__new__
"""Makes an `Out` in a third of the time that its own constructor takes."""
_KINDS = {BODIES[kind]: ("ce_type", kind.encode()) for kind in EVENT_TYPES}
"""Header of an event's type, by body class."""
_encode_task = STAMPED[ActivityTask]


def _second(second: int) -> bytes:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()


_SECONDS = Memo(_second, 64)
"""A second as text: each command of a quiet engine has a millisecond of its own."""


class Facts(msgspec.Struct, gc=False):
    """What one command led to in its aggregate: encoded when the batch is decided."""

    aggregate_type: str
    tenant: str
    aggregate_id: str
    incarnation: str
    now: int
    context: Context
    sequence: int
    """Of the aggregate, before the first event."""
    position: int
    """Of the partition, before the first event."""
    events: list[Any]
    tasks: list[DispatchActivity]


class Outbox:
    """Collects the records of one batch of one partition."""

    def __init__(self, names: Names, partition: int, batch: int) -> None:
        """Write for this partition; `batch` spreads small numbers of tasks over a queue."""
        self._names = names
        self._partition = partition
        self._batch = batch
        self._collected: list[Out | Facts] = []
        self._encoded: list[Out] = []
        self._tasks: dict[str, int] = {}
        self._time_header: tuple[int, tuple[str, bytes]] = (-1, ("", b""))
        source = f"/tidemill/{names.prefix}".rstrip("/").encode()
        self._headers_fixed = [
            ("ce_specversion", b"1.0"),
            ("ce_source", source),
            ("content-type", b"application/avro"),
        ]

    def records(self) -> list[Out]:
        """Return everything, in order."""
        self.encode()
        return self._encoded

    def encode(self) -> None:
        """Encode the events and tasks so far.

        Not one command after the other: a processor's caches hold either the code that decides
        or the code that encodes (a sixth less time). Nor all of a large batch at its end: by then
        they have lost what the first commands led to.
        """
        found = self._encoded
        for one in self._collected:
            if isinstance(one, Facts):
                self._encode(one, found)
            else:
                found.append(one)
        self._collected.clear()

    def facts(self, facts: Facts) -> None:
        """Write what a command led to; tasks may be added until it is decided."""
        self._collected.append(facts)

    def _encode(self, facts: Facts, found: list[Out]) -> None:
        """Add domain events, with CloudEvents headers, and tasks."""
        name, now = facts.aggregate_id, facts.now
        stamp = Stamp(facts.aggregate_type, name, facts.incarnation, now, facts.context)
        key = routing_key(facts.tenant, name).encode()
        version, source, content = self._headers_fixed
        subject, moment = ("ce_subject", stamp.subject), self._time(now)
        topic, partition, begin = self._names.events, self._partition, stamp.name
        sequence, position = facts.sequence, facts.position
        for body in facts.events:
            sequence += 1
            position += 1
            encode_event, kind = STAMPED[type(body)], _KINDS[type(body)]
            event_id = b"%b%d" % (begin, sequence)
            value = encode_event(stamp, event_id, sequence, position, body)
            headers = [version, source, content, subject, moment, ("ce_id", event_id), kind]
            found.append(_out(Out, (topic, partition, key, value, headers)))
        found.extend([self._task(stamp, task) for task in facts.tasks])

    def _time(self, time: int) -> tuple[str, bytes]:
        known, header = self._time_header
        if known != time:
            header = ("ce_time", b"%b.%03dZ" % (_SECONDS[time // 1000], time % 1000))
            self._time_header = (time, header)
        return header

    def _task(self, stamp: Stamp, effect: DispatchActivity) -> Out:
        """Put a task on its queue.

        Tasks need no order, and each partition that a transaction touches costs it a
        marker: a batch fills one partition of the queue before it takes the next.
        """
        body, queue = effect.task, effect.queue
        name = b"%b%d" % (stamp.name, body.activity)
        count = self._tasks.get(queue, 0)
        self._tasks[queue] = count + 1
        partitions = self._names.queue_partitions(queue)
        first = self._batch * 7 + self._partition
        partition = (first + count // _TASKS_PER_PARTITION) % partitions
        value = _encode_task(stamp, name, -1, 0, body)
        return _out(Out, (self._names.queue(queue), partition, name, value, None))

    def cancellation(
        self, slot: Slot, incarnation: str, body: ActivityCancellation, now: int, cause: Context
    ) -> None:
        """Tell workers that a task is no longer wanted."""
        name = task_id(slot.id, incarnation, body.activity)
        envelope = Envelope(
            name,
            "ActivityCancellation",
            now,
            "instance",
            slot.id,
            incarnation,
            -1,
            0,
            "",
            "",
            cause,
        )
        self._collected.append(Out(self._names.control, -1, name.encode(), encode(envelope, body)))

    def command(self, envelope: Envelope, body: msgspec.Struct) -> None:
        """Send an internal command to an aggregate of another partition."""
        key = routing_key(envelope.context.tenant, envelope.aggregate_id).encode()
        self._collected.append(Out(self._names.internal, -1, key, encode(envelope, body)))

    def mark(self, envelope: Envelope, body: DeviceCheck) -> None:
        """Mark how far a device's readings have come in, on their own topic."""
        key = routing_key(envelope.context.tenant, envelope.aggregate_id).encode()
        value = encode(envelope, body)
        self._collected.append(Out(self._names.telemetry, self._partition, key, value))

    def known(
        self,
        slot: Slot,
        effect: RecordDefinition | RecordActivityType,
        now: int,
        position: int,
        cause: Context,
    ) -> None:
        """Write what every process is to know: a version of a definition, a type of activity."""
        body: msgspec.Struct
        if isinstance(effect, RecordActivityType):
            body, name, topic = effect.record, slot.id, self._names.activity_types
        else:
            body, topic = _definition_record(effect), self._names.definitions
            name = f"{effect.definition_id}@{effect.version}"
        envelope = Envelope(
            name,
            MESSAGES[type(body)],
            now,
            slot.aggregate.type,
            slot.id,
            "",
            -1,
            position,
            "",
            "",
            cause,
        )
        key = routing_key(slot.tenant, name).encode()
        self._collected.append(Out(topic, self._partition, key, encode(envelope, body)))

    def device_state(self, slot: Slot, body: DeviceState, now: int, cause: Context) -> None:
        """Write what a device last said."""
        envelope = Envelope(
            slot.id, "DeviceState", now, "device", slot.id, "", -1, 0, "", "", cause
        )
        key = routing_key(slot.tenant, slot.id).encode()
        self._collected.append(
            Out(self._names.device_state, self._partition, key, encode(envelope, body))
        )

    def reply(
        self, command: Envelope, body: Reply, partition: int, now: int, cause: Context
    ) -> None:
        """Answer a command, or note a rejection that nobody asked about."""
        envelope = Envelope(
            f"{command.id}/reply",
            "Reply",
            now,
            command.aggregate_type,
            command.aggregate_id,
            body.incarnation,
            body.sequence,
            0,
            "",
            "",
            cause,
        )
        tenant = command.context.tenant
        key = body.token or routing_key(tenant, command.aggregate_id)
        self._collected.append(
            Out(self._names.replies, partition, key.encode(), encode(envelope, body))
        )

    def answer(
        self, slot: Slot, effect: AnswerCommand, place: tuple[str, int, str, int], now: int
    ) -> None:
        """Answer a command that was taken before; `place` is position to lag of `Reply`."""
        token, _, partition = effect.reply_to.rpartition(":")
        position, sequence, incarnation, lag = place
        accepted = not effect.code
        body = Reply(
            token,
            accepted,
            effect.code,
            effect.message,
            position,
            sequence,
            incarnation,
            lag,
            effect.result,
        )
        cause = Context(effect.command_id, effect.command_id, "engine", slot.tenant)
        command = Envelope(effect.command_id, "", now, slot.aggregate.type, slot.id, context=cause)
        self.reply(command, body, int(partition), now, cause)

    def dead_letter(
        self, key: bytes | None, value: bytes | None, reason: str, origin: list[tuple[str, bytes]]
    ) -> None:
        """Keep the bytes that could not be handled, with why and from where."""
        headers = [("reason", reason.encode()[:4096]), *origin]
        self._collected.append(Out(self._names.dead_letters, -1, key or b"", value, headers))


def _definition_record(effect: RecordDefinition) -> DefinitionRecord:
    return DefinitionRecord(
        effect.definition_id,
        effect.version,
        effect.status,
        effect.source,
        effect.message,
        effect.verdict,
        effect.violations,
        effect.allow_unsound,
        effect.max_states,
        effect.code,
        *effect.deletion,
        sound_with=effect.sound_with,
    )


def internal_envelope(
    sender: str,
    number: int,
    effect: SendCommand,
    now: int,
    cause: Context,
) -> Envelope:
    """Return the envelope of a command that an aggregate sends.

    `sender` names the decision: `ID@INCARNATION:SEQUENCE` of its last event, or where it made
    none the command that it was about, so that no two commands have one id.
    """
    name = f"{sender}>{number}"
    kind = MESSAGES[type(effect.body)]
    incarnation_wanted = "" if isinstance(effect.body, Continue) else effect.incarnation
    return Envelope(
        name,
        kind,
        now,
        effect.aggregate_type,
        effect.aggregate_id,
        incarnation_wanted,
        -1,
        0,
        "",
        "",
        cause,
    )
