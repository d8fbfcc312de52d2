"""Taking ownership of a partition: what the log says, checked against the local store.

The store is wiped and rebuilt from the changelog where it is another cluster's or
topic's, where its offset lies outside the log, where the record before that offset is
not the position record of the batch that it claims, and where it is older than half of
the tombstones' retention (a deletion could have been compacted away unseen).
"""

from __future__ import annotations

from typing import NamedTuple

import structlog

from streams.runtime.inbox import INPUTS
from streams.runtime.parts import decode_part, is_part
from streams.runtime.ports import Log, Record
from streams.runtime.records import (
    POSITION_FORM,
    POSITION_KEY,
    PositionRecord,
    decode_position,
    decode_state,
)
from streams.runtime.store import Meta, Store

log = structlog.get_logger(__name__)


class LossError(Exception):
    """Input that was never applied is gone from the log; the shard must not serve."""


class Recovered(NamedTuple):
    """Where a shard goes on."""

    position: PositionRecord
    offset: int
    """Changelog offset just past the last position record."""
    replayed: int
    """Changelog records read."""


async def recover(
    store: Store, changelog: Log, partition: int, *, tombstone_ms: int, accept_loss: bool, wall: int
) -> Recovered:
    """Bring the store to the end of the changelog and return the position it holds.

    Raises:
        UnknownFormError: a newer release has written to the partition.
        LossError: records past the position no longer exist.
    """
    reason = await _distrust(store, changelog, wall - tombstone_ms // 2)
    if reason:
        log.warning("rebuilding the store from the changelog", partition=partition, reason=reason)
        store.wipe()
    recovered = await _catch_up(store, changelog)
    await _check_inputs(recovered.position, changelog, partition, accept_loss=accept_loss)
    return recovered


async def _distrust(store: Store, changelog: Log, oldest: int) -> str:
    """Return why the store cannot be used, or nothing."""
    meta = store.meta()
    if meta is None:
        return "" if next(store.states(), None) is None else "the store has no readable meta record"
    cluster, topic_id = changelog.identity()
    if meta.cluster != cluster:
        return f"it belongs to cluster {meta.cluster}, this is {cluster}"
    if meta.topic_id != topic_id:
        return f"its changelog was topic {meta.topic_id}, this is {topic_id}"
    span = await changelog.changelog_span()
    if not span.low < meta.offset <= span.high:
        return f"its offset {meta.offset} lies outside the log ({span.low} to {span.high})"
    if meta.time < oldest:
        return "it is older than half of the tombstones' retention"
    if not await _position_stands(changelog, meta):
        return f"the record before offset {meta.offset} is not the position of batch {meta.batch}"
    return ""


async def _position_stands(changelog: Log, meta: Meta) -> bool:
    async for records in changelog.changelog(meta.offset - 1):
        first: Record = records[0]
        if first.offset != meta.offset - 1 or first.key != POSITION_KEY or first.value is None:
            return False
        return decode_position(first.value).batch == meta.batch
    return False


async def _catch_up(store: Store, changelog: Log) -> Recovered:
    cluster, topic_id = changelog.identity()
    meta = store.meta()
    offset = meta.offset - 1 if meta else 0
    position = PositionRecord(POSITION_FORM, 0, 0, 0, {})
    end, replayed = 0, 0
    async for records in changelog.changelog(offset):
        changes: list[tuple[bytes, bytes | None]] = []
        for record in records:
            if record.key == POSITION_KEY:
                assert record.value is not None
                position = decode_position(record.value)
                end = record.offset + 1
            else:
                assert record.key is not None
                if record.value is not None:
                    (decode_part if is_part(record.key) else decode_state)(record.value)
                changes.append((record.key, record.value))
        replayed += len(changes)
        reflected = Meta(cluster, topic_id, end, position.batch, position.now)
        store.load(changes, reflected)
    return Recovered(position, end, replayed)


async def _check_inputs(
    position: PositionRecord, changelog: Log, partition: int, *, accept_loss: bool
) -> None:
    """Refuse to serve where the log starts past what was applied: nothing, of a new input."""
    for source in INPUTS:
        start = await changelog.log_start(source)
        wanted = position.inputs.setdefault(source, 0)
        if wanted >= start:
            continue
        lost = f"{source} partition {partition}: offsets {wanted} to {start - 1}"
        if not accept_loss:
            raise LossError(
                f"records that were never applied are gone: {lost}. Restore the topic, or go on "
                f"without them: --accept-loss {partition}"
            )
        log.error("going on without lost input", lost=lost)
        position.inputs[source] = start
