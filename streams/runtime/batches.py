"""What one transaction writes, as the broker stores it: a record batch for each partition."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from aiokafka.record.default_records import DefaultRecordBatchBuilder

from schemas.partition import partition_of
from streams.runtime.ports import Out

_BATCH_BYTES: Final = 2_000_000
_REQUEST_BYTES: Final = 16_000_000
RECORD_BYTES_MAX: Final = 4 * 1024 * 1024
_COMPRESS_FROM: Final = 4_096
"""Bytes of a batch below which compressing costs the broker more than it saves."""
_FEW: Final = 100
"""Records of a small batch, for which it pays to reckon what they take."""
_BATCH_OVERHEAD: Final = 61
_RECORD_OVERHEAD: Final = 30
_HEADER_OVERHEAD: Final = 6
_SNAPPY: Final = 2
"""A tenth of the time of aiokafka's lz4, which uses its strongest level, and nearly as small."""
_SEQUENCES: Final = 0x7FFFFFFF
Place = tuple[str, int]
"""Full topic name and partition."""


class RecordTooLargeError(Exception):
    """A record that no broker takes."""


class Batch(NamedTuple):
    """Records of one partition, encoded."""

    place: Place
    records: int
    data: bytes


class Stamp(NamedTuple):
    """Who writes, in which epoch."""

    producer_id: int
    epoch: int


def sizes_needed(records: Iterable[Out]) -> dict[str, int]:
    """Return how many partitions each topic must have for these records."""
    found: dict[str, int] = {}
    for topic, partition, _key, _value, _headers in records:
        if partition >= found.get(topic, 0):
            found[topic] = partition + 1
        elif topic not in found:
            found[topic] = 1
    return found


def by_place(records: Iterable[Out], sizes: Mapping[str, int]) -> dict[Place, list[Out]]:
    """Group records by where they go; `sizes` tells how many partitions a topic has.

    Raises:
        RecordTooLargeError: one is larger than any topic allows.
    """
    found: dict[Place, list[Out]] = {}
    for out in records:
        topic, partition, key, value, _headers = out
        if partition < 0:
            partition = partition_of(key, sizes[topic])
        if value is not None and len(value) > RECORD_BYTES_MAX:
            raise RecordTooLargeError(
                f"a record of {len(value)} bytes for {topic} is larger than "
                f"{RECORD_BYTES_MAX} bytes"
            )
        place = (topic, partition)
        group = found.get(place)
        if group is None:
            found[place] = [out]
        else:
            group.append(out)
    return found


def encode_batches(
    groups: dict[Place, list[Out]], stamp: Stamp, sequences: dict[Place, int]
) -> Iterator[Batch]:
    """Encode every group; `sequences`, the next number by partition, moves on."""
    now = time.time_ns() // 1_000_000
    for place, records in groups.items():
        room = _BATCH_BYTES if len(records) > _FEW else min(_BATCH_BYTES, _size(records))
        builder, count = None, 0
        for _topic, _partition, key, value, headers in records:
            if builder is not None:
                if builder.append(count, now, key, value, headers or []) is not None:
                    count += 1
                    continue
                yield Batch(place, count, bytes(builder.build()))
            sequence = sequences.get(place, 0) + count & _SEQUENCES
            sequences[place] = sequence
            builder = _builder(stamp, sequence, room)
            builder.append(0, now, key, value, headers or [])
            count = 1
        if builder is not None:
            sequences[place] = sequences[place] + count & _SEQUENCES
            yield Batch(place, count, bytes(builder.build()))


def _size(records: list[Out]) -> int:
    """Return what the records take at most: a builder sets aside all that it may use."""
    total = _BATCH_OVERHEAD + _RECORD_OVERHEAD * len(records)
    for _topic, _partition, key, value, headers in records:
        total += len(key) + len(value or b"")
        if headers:
            total += sum([len(name) + len(text) + _HEADER_OVERHEAD for name, text in headers])
    return total


def _builder(stamp: Stamp, sequence: int, room: int) -> DefaultRecordBatchBuilder:
    return DefaultRecordBatchBuilder(
        magic=2,
        compression_type=_SNAPPY if room >= _COMPRESS_FROM else 0,
        is_transactional=1,
        producer_id=stamp.producer_id,
        producer_epoch=stamp.epoch,
        base_sequence=sequence,
        batch_size=room,
    )


def in_rounds(batches: Iterable[Batch]) -> list[list[Batch]]:
    """Spread batches over requests: one batch of each partition in each, and not too much.

    Batches of a partition stay in order; Kafka takes one of each partition in a request.
    """
    rounds: list[list[Batch]] = []
    nexts: dict[Place, int] = {}
    sizes: list[int] = []
    for batch in batches:
        number = nexts.get(batch.place, 0)
        while number < len(rounds) and sizes[number] + len(batch.data) > _REQUEST_BYTES:
            number += 1
        if number == len(rounds):
            rounds.append([])
            sizes.append(0)
        rounds[number].append(batch)
        sizes[number] += len(batch.data)
        nexts[batch.place] = number + 1
    return rounds
