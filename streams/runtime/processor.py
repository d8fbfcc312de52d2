"""One batch of one partition, from decoded records to the records to produce.

Pure but for reading the store: it can be run again after an abort and may then decide
differently (the clock has moved on), since nothing of the first run was visible.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

import msgspec
import structlog

from schemas.codec import UnknownSchemaError, decode, encode
from schemas.commands import FireTimer, ForceReleaseLock, RetryIncident
from schemas.envelope import Context, Envelope, caused_by
from schemas.errors import CATALOGUE
from schemas.events import ErrorOccurred
from schemas.ids import base32, root_of
from schemas.replies import Reply
from schemas.telemetry import DeviceCheck
from streams.domain.protocol import (
    Accepted,
    Aggregate,
    AnswerCommand,
    CancelTask,
    Decision,
    DispatchActivity,
    EventPlace,
    RecordActivityType,
    RecordDefinition,
    RedriveCommand,
    Rejected,
    SendCommand,
)
from streams.runtime.cause import Cause
from streams.runtime.devices import beside, write_states
from streams.runtime.door import Door
from streams.runtime.environment import Environment
from streams.runtime.inbox import COMMANDS, INTERNAL, TELEMETRY, Item
from streams.runtime.outbox import Facts, Outbox, internal_envelope
from streams.runtime.records import (
    RECENT_COMMANDS_MAX,
    Book,
    PositionRecord,
    UnknownFormError,
    command_hash,
)
from streams.runtime.slots import Overlay, Slot, raise_stuck
from streams.runtime.told import told

log = structlog.get_logger(__name__)
TIMER = "timer"
_HEARTBEATS_MAX = 256
_TOGETHER = 200
"""Records that are checked, decided and encoded together: what a processor's cache holds."""


class Processor:
    """Applies one batch's records in order and collects what they cause."""

    def __init__(
        self, environment: Environment, overlay: Overlay, position: PositionRecord, lag: int
    ) -> None:
        """Start from a committed position; `lag` is what stays queued behind the batch."""
        self._env = environment
        self._overlay = overlay
        self._partition = environment.partition
        self._lag = lag
        self.now = position.now
        self.number = position.number
        self.out = Outbox(environment.names, environment.partition, position.batch + 1)
        self._local: deque[tuple[SendCommand, Envelope]] = deque()
        self._door = Door(environment)
        self._poison: Item | str | None = None
        self.stalled = 0
        self._life = (-1, "")
        self.devices: dict[bytes, tuple[Slot, Context]] = {}

    def quarantine(self, guilty: Item | str) -> None:
        """Treat this record, or with `TIMER` the due timer, as one that cannot be decided."""
        self._poison = guilty

    def fire(self, slot: Slot, due: int, wall: int) -> None:
        """Apply a due timer."""
        self.now = max(self.now, wall)
        name = f"{slot.id}!{due}"
        context = Context("", "", "engine", slot.tenant)
        envelope = Envelope(
            name, "FireTimer", self.now, slot.aggregate.type, slot.id, context=context
        )
        cause = Cause(envelope, TIMER, None, caused_by(envelope))
        self._apply(slot.aggregate, slot, FireTimer(due), cause)
        self._drain()

    def run(self, items: Iterable[Item]) -> None:
        """Apply the records in order."""
        batch = list(items)
        for start in range(0, len(batch), _TOGETHER):
            self._together(batch[start : start + _TOGETHER])
            self.out.encode()

    def _together(self, items: list[Item]) -> None:
        # The door needs no state: it goes first for all, as one piece of code at a time is quick.
        for item, refusal in zip(items, [self._door.check(one) for one in items], strict=True):
            self.now = max(self.now, item.record.timestamp)
            self._one(item, refusal)
            if self._local:
                self._drain()

    def _one(self, item: Item, refusal: Rejected | None) -> None:
        if item.message is None:
            if item.source == INTERNAL and isinstance(item.error, UnknownSchemaError):
                raise UnknownFormError(f"workflow.internal holds a record: {item.error}")
            self._dead(item, f"Serialization: {item.error}")
            return
        envelope, body = item.message
        cause = Cause(envelope, item.source, item, caused_by(envelope))
        if refusal is not None:
            self._reject(cause, refusal, None)
            if refusal.code in {"wrong_partition", "Serialization"}:
                self._dead(item, f"{refusal.code}: {refusal.message}")
            return
        aggregate = self._env.aggregates[envelope.aggregate_type]
        slot = self._overlay.get(aggregate, envelope.context.tenant, envelope.aggregate_id)
        if slot.state is None and not self._door.is_here(item.record.key):
            wrong = Rejected("wrong_partition", CATALOGUE["wrong_partition"])
            self._reject(cause, wrong, slot)
            self._dead(item, f"wrong_partition: {wrong.message}")
            return
        self._apply(aggregate, slot, body, cause)

    def _apply(self, aggregate: Aggregate, slot: Slot, body: msgspec.Struct, cause: Cause) -> None:
        envelope = cause.envelope
        known = b""
        if cause.source == COMMANDS:
            known = command_hash(envelope.id)
            for recent, sequence in slot.book.recent:
                if recent == known:
                    self._reply(cause, slot, sequence, b"null")
                    return
        decision = self._decision(envelope, slot)
        if aggregate.type == "device":
            watch = self._env.aggregates["watch"]
            decision = beside(decision, slot, cause.source, self._overlay, watch)
        try:
            if self._poison is not None and self._poison in (cause.item, cause.source):
                raise RuntimeError("the batch with this record cannot be committed")
            outcome = aggregate.decide(body, slot.state, decision)
        except UnknownFormError:
            raise
        except Exception as error:
            log.exception("decide failed", command=envelope.type, id=envelope.aggregate_id)
            self._poisoned(aggregate, slot, body, cause, error)
            return
        if isinstance(outcome, Rejected):
            self._reject(cause, outcome, slot)
            self._tell(slot, body, outcome, cause)
        else:
            self._accept(aggregate, slot, body, outcome, cause, known)

    def _decision(self, envelope: Envelope, slot: Slot) -> Decision:
        env = self._env
        return Decision(
            self.now,
            slot.id,
            slot.tenant,
            envelope.id,
            envelope.context.actor,
            self._incarnation() if slot.state is None else envelope.incarnation,
            envelope.sequence,
            env.definitions,
            env.limits,
            slot.book.beats,
            env.read_definition,
            envelope.reply_to,
        )

    def _incarnation(self) -> str:
        """Return the incarnation of what begins now; the last is kept, as many begin at once."""
        now, life = self._life
        if now != self.now:
            life = base32(self.now)
            self._life = (self.now, life)
        return life

    def _accept(
        self,
        aggregate: Aggregate,
        slot: Slot,
        body: msgspec.Struct,
        outcome: Accepted,
        cause: Cause,
        known: bytes,
    ) -> None:
        before = 0 if slot.state is None else aggregate.sequence(slot.state)
        events, effects = outcome.events, outcome.effects
        if cause.source == TIMER and not events and not effects:
            raise_stuck(aggregate, slot, outcome, self.now)
        was, book, slot.state = slot.state, slot.book, outcome.state
        if events or effects:
            slot.renewed = slot.renewed or bool(events)
            facts = self._facts(aggregate, slot, events, before, cause.context)
            if effects:
                self._effects(aggregate, slot, outcome, facts, cause)
        after = before + len(events)
        if known or outcome.beat:
            self._book(slot, body, outcome, known, after)
        # What was absorbed costs no record; a timer that had no effect has a new moment, though.
        if slot.state is not was or slot.book is not book or cause.source == TIMER:
            self._overlay.touch(slot)
        if cause.source == TELEMETRY:
            self.devices[slot.key] = (slot, cause.context)
        elif cause.envelope.reply_to and outcome.result:
            self._reply(cause, slot, after, outcome.result)

    def _facts(
        self, aggregate: Aggregate, slot: Slot, events: list[Any], before: int, context: Context
    ) -> Facts:
        facts = Facts(
            aggregate.type,
            slot.tenant,
            slot.id,
            aggregate.incarnation(slot.state),
            self.now,
            context,
            before,
            self.number,
            events,
            [],
        )
        self.out.facts(facts)
        self.number += len(events)
        return facts

    def _book(
        self, slot: Slot, body: msgspec.Struct, outcome: Accepted, known: bytes, sequence: int
    ) -> None:
        book = slot.book
        # What answers with a result is absorbed by its aggregate, which gives the result again.
        if known and outcome.result == b"null":
            recent = (*book.recent[-(RECENT_COMMANDS_MAX - 1) :], (known, sequence))
            stalled = book.stalled and not isinstance(body, RetryIncident | ForceReleaseLock)
            slot.book = Book(recent, book.beats, stalled)
        elif outcome.beat:
            beats = {**book.beats, outcome.beat: self.now}
            while len(beats) > _HEARTBEATS_MAX:
                del beats[next(iter(beats))]
            slot.book = Book(book.recent, beats, book.stalled)

    def _effects(
        self,
        aggregate: Aggregate,
        slot: Slot,
        outcome: Accepted,
        facts: Facts,
        cause: Cause,
    ) -> None:
        context, incarnation = cause.context, facts.incarnation
        sequence = aggregate.sequence(outcome.state)
        for number, effect in enumerate(outcome.effects):
            if isinstance(effect, DispatchActivity):
                facts.tasks.append(effect)
            elif isinstance(effect, SendCommand):
                place = f"{slot.id}@{incarnation}:{sequence}"
                sender = place if outcome.events else cause.envelope.id
                envelope = internal_envelope(sender, number, effect, self.now, context)
                self._send(slot, effect, envelope)
            elif isinstance(effect, CancelTask):
                self.out.cancellation(slot, incarnation, effect.cancellation, self.now, context)
            elif isinstance(effect, RecordDefinition | RecordActivityType):
                self.out.known(slot, effect, self.now, self.number, context)
            elif isinstance(effect, AnswerCommand):
                stand = (f"{self._partition}:{self.number}", sequence, incarnation, self._lag)
                self.out.answer(slot, effect, stand, self.now)
            else:
                self._redrive(effect)

    def _send(self, slot: Slot, effect: SendCommand, envelope: Envelope) -> None:
        """Send an internal command: in this batch where it stays on this partition."""
        at_home = root_of(effect.aggregate_id) == root_of(slot.id) or self._door.at_home(envelope)
        if at_home and not effect.hop:
            self._local.append((effect, envelope))
        elif isinstance(effect.body, DeviceCheck):
            self.out.mark(envelope, effect.body)
        else:
            self.out.command(envelope, effect.body)

    def _drain(self) -> None:
        """Apply the internal commands that stayed on this partition."""
        while self._local:
            effect, envelope = self._local.popleft()
            aggregate = self._env.aggregates[effect.aggregate_type]
            slot = self._overlay.get(aggregate, envelope.context.tenant, envelope.aggregate_id)
            cause = Cause(envelope, INTERNAL, None, caused_by(envelope))
            self._apply(aggregate, slot, effect.body, cause)

    def _redrive(self, effect: RedriveCommand) -> None:
        envelope, body = decode(effect.data)
        send = SendCommand(
            envelope.aggregate_type, envelope.aggregate_id, envelope.incarnation, body
        )
        self._local.append((send, envelope))

    def _reply(self, cause: Cause, slot: Slot, sequence: int, result: bytes) -> None:
        token, _, partition = cause.envelope.reply_to.rpartition(":")
        if not token:
            return
        incarnation = "" if slot.state is None else slot.aggregate.incarnation(slot.state)
        body = Reply(
            token,
            accepted=True,
            position=f"{self._partition}:{self.number}",
            sequence=sequence,
            incarnation=incarnation,
            lag=self._lag,
            result=result,
        )
        self.out.reply(cause.envelope, body, int(partition), self.now, cause.context)

    def _reject(self, cause: Cause, refusal: Rejected, slot: Slot | None) -> None:
        token, partition = self._door.reply_address(cause.envelope)
        sequence, incarnation = 0, ""
        if slot is not None and slot.state is not None:
            sequence = slot.aggregate.sequence(slot.state)
            incarnation = slot.aggregate.incarnation(slot.state)
        body = Reply(
            token,
            accepted=False,
            code=refusal.code,
            message=refusal.message,
            position=f"{self._partition}:{self.number}",
            sequence=sequence,
            incarnation=incarnation,
            lag=self._lag,
        )
        self.out.reply(cause.envelope, body, partition, self.now, cause.context)

    def _tell(self, slot: Slot, body: msgspec.Struct, refusal: Rejected, cause: Cause) -> None:
        """Tell those who must know it that what one aggregate asked another for is refused."""
        for number, effect in enumerate(told(body, cause.envelope, refusal)):
            if effect.aggregate_type not in self._env.aggregates:
                continue  # Refused for that very reason: there is nobody to tell.
            envelope = internal_envelope(cause.envelope.id, number, effect, self.now, cause.context)
            self._send(slot, effect, envelope)

    def _poisoned(
        self, aggregate: Aggregate, slot: Slot, body: msgspec.Struct, cause: Cause, error: Exception
    ) -> None:
        """Keep a command that cannot be decided, and go on with the others."""
        reason = f"engine_error: {type(error).__name__}: {error}"
        if cause.source == COMMANDS:
            self._reject(cause, Rejected("engine_error", reason), slot)
            self._dead(cause.item, reason)
            return
        if slot.state is None or not aggregate.has_incidents:
            self._dead(cause.item, reason, encode(cause.envelope, body))
            self._tell(slot, body, Rejected("engine_error", reason), cause)
            if cause.source == TIMER:  # It would fire again at once, for ever.
                slot.book = Book(slot.book.recent, slot.book.beats, stalled=True)
                self.stalled += 1
                self._overlay.touch(slot)
            return
        self._stall(aggregate, slot, encode(cause.envelope, body), reason, cause)

    def _stall(
        self, aggregate: Aggregate, slot: Slot, command: bytes, reason: str, cause: Cause
    ) -> None:
        sequence = aggregate.sequence(slot.state)
        incarnation = aggregate.incarnation(slot.state)
        event = ErrorOccurred("engine_error", reason, command=command)
        actor = cause.envelope.context.actor
        place = EventPlace(slot.id, slot.tenant, incarnation, sequence + 1, self.now, actor)
        slot.state = aggregate.evolve(slot.state, event, place)
        slot.book = Book(slot.book.recent, slot.book.beats, stalled=True)
        self.stalled += 1
        self._facts(aggregate, slot, [event], sequence, cause.context)
        self._overlay.touch(slot)

    def _dead(self, item: Item | None, reason: str, value: bytes = b"") -> None:
        if item is None:
            self.out.dead_letter(b"", value, reason, [("source", b"internal")])
            return
        record = item.record
        origin = [
            ("source", item.source.encode()),
            ("partition", str(self._partition).encode()),
            ("offset", str(record.offset).encode()),
            ("timestamp", str(record.timestamp).encode()),
        ]
        self.out.dead_letter(record.key, record.value, reason, origin)

    def device_states(self) -> None:
        """Write the last state of every device that this batch heard of."""
        write_states(self.devices.values(), self.out, self.now)
