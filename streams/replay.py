"""What a dead-lettered command would lead to now, decided against a copy of the state.

Nothing is changed: the state is copied from the local store where no engine uses it, else
read from the changelog, and what the decision would write is shown instead of written.
"""

from __future__ import annotations

import asyncio
import shutil
import traceback
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from structlog.testing import capture_logs

from schemas.codec import DecodeError, decode
from schemas.partition import partition_of
from schemas.replies import Reply
from streams.app import Parts, lock_stores, store_path, wall
from streams.errors import EngineLockedError
from streams.runtime.inbox import INPUTS, INTERNAL, Item
from streams.runtime.ports import Out, Record
from streams.runtime.processor import Processor
from streams.runtime.records import PositionRecord, UnknownFormError
from streams.runtime.recovery import recover
from streams.runtime.slots import Cache, Overlay
from streams.runtime.store import Memory, Store
from streams.settings import EngineSettings

ACCEPTED, REJECTED, FAILED, UNREADABLE = "accepted", "rejected", "failed", "unreadable"
_READ_SECONDS = 30.0


class Letter(NamedTuple):
    """One record of `workflow.dead-letters`."""

    partition: int
    offset: int
    timestamp: int
    key: bytes
    value: bytes
    headers: dict[str, str]


class Replayed(NamedTuple):
    """What a dead-lettered record would lead to now."""

    offset: int
    """Of the dead letter."""
    reason: str
    """Why it was kept."""
    command: str
    """Its type; empty where it cannot be read."""
    aggregate: str
    outcome: str
    message: str
    """Why it is rejected or unreadable; the traceback where deciding fails."""
    events: list[dict[str, Any]]
    effects: list[dict[str, Any]]
    """What else would be written: tasks, commands to other aggregates, definitions, replies."""


class NoLetterError(Exception):
    """There is no such dead letter."""


def letters(settings: EngineSettings, topic: str, partition: int) -> Iterator[Letter]:
    """Yield the dead letters of a partition, from the oldest to the newest of now."""
    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka_bootstrap_servers,
            "group.id": f"{settings.topic_prefix}replay",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 20,
            "enable.auto.commit": False,
        }
    )
    with closing(consumer):
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
        while True:
            message = consumer.poll(_READ_SECONDS)
            if message is None:
                raise TimeoutError(f"cannot read {topic}: is Kafka up?")
            error = message.error()
            if error is not None:
                if error.code() == KafkaError._PARTITION_EOF:
                    return
                if not error.retriable():
                    raise KafkaException(error)
                continue
            yield _letter(message)


def _letter(message: Any) -> Letter:
    headers = {
        name: (value or b"").decode(errors="replace") for name, value in message.headers() or []
    }
    stamp = message.timestamp()[1]
    return Letter(
        message.partition(),
        message.offset(),
        stamp,
        message.key() or b"",
        message.value() or b"",
        headers,
    )


def replay(settings: EngineSettings, partition: int, offset: int | None) -> list[Replayed]:
    """Decide the dead letters of a partition, or the one at an offset, again.

    Raises:
        ClusterError: the topics cannot be used.
        NoLetterError: there is none at that offset.
    """
    with capture_logs():  # A decision that fails is told as such, not logged.
        return asyncio.run(_replay(settings, partition, offset))


async def _replay(settings: EngineSettings, partition: int, offset: int | None) -> list[Replayed]:
    parts = Parts(settings)
    if not 0 <= partition < parts.identity.partitions:
        raise NoLetterError(f"there is no partition {partition}")
    found = [
        letter
        for letter in letters(settings, parts.names.dead_letters, partition)
        if offset is None or letter.offset == offset
    ]
    if offset is not None and not found:
        raise NoLetterError(f"{parts.names.dead_letters} {partition} has no record at {offset}")
    await parts.tail.start()
    try:
        with TemporaryDirectory(prefix="tidemill-replay-") as folder:
            copies = _Copies(parts, Path(folder))
            try:
                return [await _decided(parts, copies, letter) for letter in found]
            finally:
                copies.close()
    finally:
        parts.tail.stop()
        parts.executor.shutdown()


class _Copies:
    """Copies of partitions' states, each made when it is first asked for."""

    def __init__(self, parts: Parts, folder: Path) -> None:
        self._parts = parts
        self._folder = folder
        self._memory = Memory()
        self._made: dict[int, tuple[Store, PositionRecord]] = {}

    async def of(self, partition: int) -> tuple[Store, PositionRecord]:
        """Return a copy of a partition's state, up to the changelog's end, and its position."""
        if partition not in self._made:
            path = self._folder / str(partition)
            self._copy(partition, path)
            store = Store(path, self._memory)
            tombstone_ms = int(self._parts.settings.tombstone_retention * 1000)
            recovered = await recover(
                store,
                self._parts.log(partition),
                partition,
                tombstone_ms=tombstone_ms,
                accept_loss=True,
                wall=wall(),
            )
            self._made[partition] = store, recovered.position
        return self._made[partition]

    def _copy(self, partition: int, path: Path) -> None:
        """Take the local store for a beginning, if there is one that no engine writes to."""
        kept = store_path(self._parts.settings) / str(partition)
        if not kept.is_dir():
            return
        try:
            with lock_stores(self._parts.settings):
                shutil.copytree(kept, path)
        except EngineLockedError:
            return  # The changelog says the same.

    def close(self) -> None:
        for store, _ in self._made.values():
            store.close()


class _Watched(Processor):
    """A processor that keeps the exceptions of decisions."""

    failures: list[Exception]

    def _poisoned(self, *arguments: Any) -> None:
        self.failures.append(arguments[-1])
        super()._poisoned(*arguments)


async def _decided(parts: Parts, copies: _Copies, letter: Letter) -> Replayed:
    source = letter.headers.get("source", "")
    source = INTERNAL if source == "internal" else source
    reason = letter.headers.get("reason", "")
    if source not in INPUTS:
        message = f"it is of {source or 'an unknown source'}, not a command of the engine's"
        return Replayed(letter.offset, reason, "", "", UNREADABLE, message, [], [])
    try:
        envelope, _ = message_of = decode(letter.value)
    except DecodeError as error:
        return Replayed(letter.offset, reason, "", "", UNREADABLE, str(error), [], [])
    partition = partition_of(letter.key, parts.identity.partitions) if letter.key else -1
    if partition < 0:
        partition = letter.partition
    store, position = await copies.of(partition)
    record = Record(letter.offset, letter.timestamp, letter.key, letter.value)
    item = Item(source, record, message_of, None)
    await parts.tail.prepare([item])
    processor = _Watched(
        parts.environment(partition), Overlay(store, Cache(1_000), 1), position, lag=0
    )
    processor.failures = []
    failure = ""
    try:
        processor.run([item])
        written = processor.out.records()
    except UnknownFormError:
        raise
    except Exception as error:  # noqa: BLE001 - what fails is what is asked for
        failure, written = "".join(traceback.format_exception(error)), []
    if processor.failures:
        failure = "".join(traceback.format_exception(processor.failures[0]))
    place = f"{envelope.aggregate_type}/{envelope.context.tenant}/{envelope.aggregate_id}"
    start = Replayed(letter.offset, reason, envelope.type, place, ACCEPTED, "", [], [])
    return _told(start, written, parts.names.events, failure)


def _told(start: Replayed, written: list[Out], events: str, failure: str) -> Replayed:
    """Say what would be written."""
    outcome, message = (FAILED, failure) if failure else (ACCEPTED, "")
    for out in written:
        told = {"topic": out.topic, "value": _shown(out.value or b"")}
        (start.events if out.topic == events else start.effects).append(told)
        if outcome == ACCEPTED and (refusal := _refusal(out)):
            outcome, message = REJECTED, refusal
    return start._replace(outcome=outcome, message=message)


def _refusal(out: Out) -> str:
    try:
        body = decode(out.value or b"").body
    except DecodeError:
        return ""
    if isinstance(body, Reply) and not body.accepted:
        return f"{body.code}: {body.message}"
    return ""


def _shown(value: bytes) -> dict[str, Any]:
    try:
        envelope, body = decode(value)
    except DecodeError as error:
        return {"unreadable": str(error)}
    shown: dict[str, Any] = {
        "type": envelope.type,
        "aggregate": envelope.aggregate_id,
        "sequence": envelope.sequence,
        "body": msgspec.to_builtins(body, enc_hook=str, builtin_types=(bytes,)),
    }
    return shown
