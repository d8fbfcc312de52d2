"""The shard: the one sequential actor that owns a partition.

The order of a batch is the whole of the guarantee: decode, decide into the overlay,
produce everything in one transaction, commit, write the store, then only let the
overlay become the state. A crash between any two steps loses and doubles nothing, since
the position is in the transaction and the store never leads (I1 to I4).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import structlog

from streams.runtime.definition_tail import DefinitionTail
from streams.runtime.environment import Environment
from streams.runtime.inbox import Inbox, Item
from streams.runtime.meter import Meter
from streams.runtime.parts import MARK
from streams.runtime.ports import AbortedError, Log, Out
from streams.runtime.processor import TIMER, Processor
from streams.runtime.records import (
    POSITION_FORM,
    POSITION_KEY,
    PositionRecord,
    UnknownFormError,
    encode_record,
)
from streams.runtime.recovery import Recovered, recover
from streams.runtime.slots import Cache, Overlay
from streams.runtime.store import Change, Meta, Store

log = structlog.get_logger(__name__)
ABORTS_MAX = 3
_FORGET_MS = 1_000
"""The finished are kept for a day: that their time is over need not be seen at once."""
_out = tuple.__new__
"""Makes an `Out` in a third of the time that its own constructor takes."""
Due = tuple[int, bytes]
"""Moment and store key of a timer."""


class Batch(NamedTuple):
    """What one transaction will hold, and what becomes of the store."""

    records: list[Out]
    changes: list[Change]
    forgotten: list[Change]
    position: PositionRecord
    done: int
    """Records and timers."""
    stalled: int
    """Aggregates that a defect has stopped."""


class ShardOptions(msgspec.Struct, frozen=True):
    """The numbers a shard works with."""

    batch_records_max: int = 1_500
    timers_max: int = 500
    window_ms: int = 86_400_000
    tombstone_ms: int = 7 * 86_400_000
    cache_aggregates: int = 10_000
    accept_loss: bool = False


class Shard:
    """One partition's aggregates, from taking ownership until letting go."""

    def __init__(
        self,
        environment: Environment,
        transactions: Log,
        store: Store,
        options: ShardOptions,
        wall: Callable[[], int],
        tail: DefinitionTail,
    ) -> None:
        """Compose a shard; `wall` returns the wall clock in ms since 1970."""
        self.partition = environment.partition
        self.inbox = Inbox()
        self._env = environment
        self._log = transactions
        self._store = store
        self._options = options
        self._wall = wall
        self._tail = tail
        self._cache = Cache(options.cache_aggregates)
        self.position = PositionRecord(POSITION_FORM, 0, 0, 0, {})
        self.meter = Meter()
        self.next_due = 0
        self._forget_at = 0
        """When to look again for what may be forgotten."""

    async def open(self) -> Recovered:
        """Become the owner: fence, catch up, take the position (faust.md's steps 1 to 4)."""
        await self._log.init()
        self._cache.clear()
        options = self._options
        recovered = await recover(
            self._store,
            self._log,
            self.partition,
            tombstone_ms=options.tombstone_ms,
            accept_loss=options.accept_loss,
            wall=self._wall(),
        )
        self.position = recovered.position
        self.inbox.reset(self.position.inputs)
        self.next_due = self._store.next_due()
        self._forget_at = 0
        self.meter.recoveries += 1
        self.meter.replayed += recovered.replayed
        return recovered

    async def close(self) -> None:
        """Let go of log and store."""
        await self._log.close()
        self._store.close()

    def submit(self, source: str, records: Sequence[Any]) -> None:
        """Queue records of an input, in offset order."""
        self.inbox.put(source, records)

    def committed(self, key: bytes) -> bytes | None:
        """Return an aggregate's record as of the last committed batch."""
        return self._store.get(key)

    def parts_of(self, key: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Iterate over the parts of an aggregate's state, as of the last committed batch."""
        return self._store.states(key + MARK)

    def all_committed(self) -> Iterator[tuple[bytes, bytes]]:
        """Iterate over all records, parts too, as of the last committed batch."""
        return self._store.states()

    def has_work(self) -> bool:
        """Tell whether records are queued or a timer is due."""
        return self.inbox.queued > 0 or 0 < self.next_due <= self._wall()

    async def step(self) -> int:
        """Apply one batch and commit it; return how many records and timers it held.

        Raises:
            FencedError: ownership is lost; the shard must be opened again or dropped.
            UnknownFormError: a newer release has written to the partition.
        """
        items = self.inbox.take(self._options.batch_records_max)
        if items:
            await self._tail.prepare(items)
        aborts = 0
        while True:
            try:
                return await self._attempt(items)
            except AbortedError as abort:
                aborts += 0 if abort.transport else 1
                self.meter.aborts += 1
                log.warning(
                    "batch aborted", partition=self.partition, reason=str(abort), again=True
                )
                if aborts >= ABORTS_MAX:
                    return await self._one_by_one(items)

    async def _one_by_one(self, items: list[Item]) -> int:
        """A batch that cannot be committed: find the guilty record or timer and quarantine it."""
        done = 0
        for due in self._due(self._wall()):
            done += await self._alone([], [due], TIMER)
        for item in items:
            done += await self._alone([item], [], item)
        return done

    async def _alone(self, items: list[Item], timers: list[Due], suspect: Item | str) -> int:
        aborts = 0
        while True:
            try:
                return await self._attempt(items, timers, suspect if aborts >= ABORTS_MAX else None)
            except AbortedError as abort:
                aborts += 0 if abort.transport else 1
                self.meter.aborts += 1
                if aborts > 2 * ABORTS_MAX:
                    raise

    async def _attempt(
        self, items: list[Item], due: list[Due] | None = None, guilty: Item | str | None = None
    ) -> int:
        """Apply these records, and these timers or, with None, all that are due."""
        overlay = Overlay(self._store, self._cache, self._options.window_ms)
        try:
            batch = self._decide(overlay, items, due, guilty)
        except UnknownFormError:
            raise
        except Exception as error:
            # One record's defect must not stop the partition: the guilty one is looked for.
            log.exception("a batch cannot be applied", partition=self.partition)
            raise AbortedError(f"{type(error).__name__}: {error}", transport=False) from error
        if batch is None:
            return 0
        before = self.position.number
        await self._commit(batch, overlay)
        meter = self.meter
        meter.records += len(items)
        meter.timers += batch.done - len(items)
        meter.events += self.position.number - before
        meter.stalled += batch.stalled
        meter.sizes.add(batch.done)
        return batch.done

    def _decide(
        self,
        overlay: Overlay,
        items: list[Item],
        due: list[Due] | None,
        guilty: Item | str | None,
    ) -> Batch | None:
        wall = self._wall()
        processor = Processor(self._env, overlay, self.position, self.inbox.queued)
        if guilty is not None:
            processor.quarantine(guilty)
        timers = self._fire(processor, overlay, self._due(wall) if due is None else due, wall)
        processor.run(items)
        forgotten = self._forget(processor.now, overlay)
        if not items and not timers and not forgotten:
            return None
        inputs = dict(self.position.inputs)
        for item in items:
            inputs[item.source] = item.record.offset + 1
        position = PositionRecord(
            POSITION_FORM, self.position.batch + 1, processor.number, processor.now, inputs
        )
        changes = overlay.changes(position.now)
        processor.device_states()
        records = processor.out.records()
        done = len(items) + timers
        return Batch(records, changes, forgotten, position, done, processor.stalled)

    def _due(self, wall: int) -> list[Due]:
        if not 0 < self.next_due <= wall:
            return []
        return self._store.due(wall, self._options.timers_max)

    def _fire(self, processor: Processor, overlay: Overlay, due: list[Due], wall: int) -> int:
        fired = 0
        for moment, key in due:
            aggregate_type, tenant, aggregate_id = key.decode().split("/", 2)
            aggregate = self._env.aggregates[aggregate_type]
            slot = overlay.get(aggregate, tenant, aggregate_id)
            if slot.state is not None and slot.due == moment:
                processor.fire(slot, moment, wall)
                fired += 1
            else:
                self._store.drop_due(moment, key)
        if fired < len(due):
            self.next_due = self._store.next_due()
        return fired

    def _forget(self, now: int, overlay: Overlay) -> list[Change]:
        """Return tombstones for the finished aggregates whose time is over."""
        if now < self._forget_at:
            return []
        expired = self._store.expired(now, self._options.timers_max)
        if not expired:
            self._forget_at = now + _FORGET_MS
        return [
            Change(key, None, 0, 0, 0, moment)
            for moment, key in expired
            if key not in overlay.touched
        ]

    async def _commit(self, batch: Batch, overlay: Overlay) -> None:
        records, position, partition = batch.records, batch.position, self.partition
        state_topic = self._env.names.state
        changes = [*batch.changes, *batch.forgotten]
        for change in changes:
            records.append(_out(Out, (state_topic, partition, change.key, change.value, None)))
        records.append(Out(state_topic, partition, POSITION_KEY, encode_record(position)))
        begun = time.monotonic()
        offset = await self._log.transact(records)
        self.meter.seconds.add(time.monotonic() - begun)
        cluster, topic_id = self._log.identity()
        self._store.write(changes, Meta(cluster, topic_id, offset, position.batch, position.now))
        overlay.commit()
        for change in batch.forgotten:
            self._cache.drop(change.key)
        self.position = position
        self.next_due = self._store.next_due()
