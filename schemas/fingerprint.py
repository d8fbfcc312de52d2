"""CRC-64-AVRO: the fingerprint by which a record names its schema.

fastavro makes its table anew for each schema, which takes longer than the sum itself, and every
process sums all schemas when it starts.
"""

from __future__ import annotations

from typing import Final

_EMPTY: Final = 0xC15D213AA4D7A795


def _row(number: int) -> int:
    for _ in range(8):
        number = number >> 1 ^ (_EMPTY if number & 1 else 0)
    return number


_TABLE: Final = tuple(_row(number) for number in range(256))


def fingerprint(data: bytes) -> bytes:
    """Return the fingerprint of a schema's canonical form, little endian."""
    table, found = _TABLE, _EMPTY
    for byte in data:
        found = found >> 8 ^ table[(found ^ byte) & 0xFF]
    return found.to_bytes(8, "little")
