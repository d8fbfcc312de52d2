"""Which offsets of one partition are finished: what a commit carries.

Tasks end in any order. A commit holds the low watermark, the first offset that is not
finished, and in its metadata a bitmap of those finished above it, so that a worker that
takes over does not run them again.
"""

from __future__ import annotations

import base64
import zlib
from typing import Final

SPAN_MAX: Final = 20_000
"""Offsets above the watermark that a commit can carry: 2.5 kB before base64, of Kafka's 4 kB."""
_PLAIN: Final = "1"
_PACKED: Final = "z"


class Marks:
    """The finished offsets of one partition."""

    def __init__(self, watermark: int, metadata: str = "") -> None:
        """Start where a commit left off; unreadable metadata counts as none."""
        self.watermark = watermark
        self.lost = False
        """True once the partition has gone to another worker."""
        self._seen = watermark
        self._open: dict[int, None] = {}
        self._done: set[int] = _read(metadata, watermark)

    def begin(self, offset: int) -> bool:
        """Note a task that was read; False where it is finished already or being run."""
        self._seen = max(self._seen, offset + 1)
        if offset < self.watermark or offset in self._done or offset in self._open:
            return False
        self._open[offset] = None
        return True

    def finish(self, offset: int) -> None:
        """Note that a task needs no other run."""
        if self._open.pop(offset, self) is self:
            return
        self._done.add(offset)

    @property
    def span(self) -> int:
        """How far what was read reaches above the watermark."""
        return self._seen - self._low()

    @property
    def open(self) -> int:
        """How many tasks are not finished."""
        return len(self._open)

    def _low(self) -> int:
        # Tasks are begun in the order of their offsets, and a dict keeps that order.
        return next(iter(self._open), self._seen)

    def commit(self) -> tuple[int, str]:
        """Return what to commit: offset and metadata."""
        low = max(self.watermark, self._low())
        self.watermark = low
        self._done = {offset for offset in self._done if offset >= low}
        return low, _write(self._done, low)


def _write(done: set[int], low: int) -> str:
    if not done:
        return ""
    data = bytearray(SPAN_MAX // 8)
    for place in (offset - low for offset in done):
        if place < SPAN_MAX:
            data[place >> 3] |= 1 << (place & 7)
    body = bytes(data).rstrip(b"\0")
    packed = zlib.compress(body, 6)
    kind, body = (_PACKED, packed) if len(packed) < len(body) else (_PLAIN, body)
    return kind + base64.b85encode(body).decode()


def _read(text: str, low: int) -> set[int]:
    try:
        body = base64.b85decode(text[1:])
        data = zlib.decompress(body) if text[:1] == _PACKED else body
    except (ValueError, zlib.error):
        return set()
    return {
        low + (index << 3) + bit
        for index, byte in enumerate(data)
        for bit in range(8)
        if byte >> bit & 1
    }
