"""Kafka's default partitioner: murmur2 over the key, as the Java client computes it."""

from __future__ import annotations

import struct

_MASK = 0xFFFFFFFF
_M = 0x5BD1E995
_WORDS = tuple(struct.Struct(f"<{words}I").unpack_from for words in range(65))
"""What reads so many words: of keys, which have at most 256 bytes, and mostly far fewer."""


def murmur2(data: bytes) -> int:
    """Return the unsigned 32-bit murmur2 hash with Kafka's seed."""
    length = len(data)
    words = length >> 2
    m, mask = _M, _MASK  # Local names: this is called for every instance that begins.
    h = 0x9747B28C ^ length
    for word in _WORDS[words](data) if words <= 64 else struct.unpack_from(f"<{words}I", data):
        k = word * m & mask
        h = (h * m ^ (k ^ k >> 24) * m) & mask
    if length & 3:
        h = (h ^ int.from_bytes(data[words << 2 :], "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ (h >> 15)


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition that a keyed record belongs to."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
