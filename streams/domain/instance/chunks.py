"""A list in chunks: to add to it or to set one place copies one chunk, not the whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

SIZE: Final = 64
"""Values in a chunk; part of the state's form."""
Chunks = list[list[bytes]]
"""All chunks but the last are full. Never changed in place."""


def extended(chunks: Chunks, values: list[bytes]) -> Chunks:
    """Return the list with values at its end."""
    begun = chunks[-1] if chunks and len(chunks[-1]) < SIZE else []
    full = chunks[:-1] if begun else chunks
    tail = [*begun, *values]
    return [*full, *(tail[at : at + SIZE] for at in range(0, len(tail), SIZE))]


def put(chunks: Chunks, index: int, value: bytes) -> Chunks:
    """Return the list with a value at a place; places before it that had none are empty."""
    number, place = divmod(index, SIZE)
    found = [*chunks, *([b""] * SIZE for _ in range(number + 1 - len(chunks)))]
    chunk = list(found[number])
    chunk[place] = value
    found[number] = chunk
    return found


def value_at(chunks: Chunks, index: int) -> bytes | None:
    """Return the value at a place; None where the list is shorter."""
    number, place = divmod(index, SIZE)
    if number >= len(chunks) or place >= len(chunks[number]):
        return None
    return chunks[number][place]


def values_of(chunks: Chunks, total: int) -> Iterator[bytes]:
    """Iterate over the first `total` values; empty ones where the list is shorter."""
    for index in range(total):
        yield value_at(chunks, index) or b""
