"""What was received and is not acknowledged yet, in the order of arrival.

MQTT wants the PUBACKs of a connection in the order of its messages (MQTT-4.6.0-2), while
Kafka's partitions answer in any order: a message is acknowledged when Kafka has it and
everything before it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class Entry:
    """One message under way; called by its producer when a record of it is stored."""

    __slots__ = ("mid", "remaining", "size")

    def __init__(self, mid: int, size: int, records: int) -> None:
        """Take message id, bytes held and the number of records that make up the message."""
        self.mid = mid
        self.size = size
        self.remaining = records


class AckWindow:
    """First in, first acknowledged."""

    def __init__(self, acknowledge: Callable[[int], None]) -> None:
        """Take what sends the PUBACK of a message id."""
        self._acknowledge = acknowledge
        self._entries: deque[Entry] = deque()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, mid: int, size: int, records: int = 1) -> Entry:
        """Enter a message; id 0 (QoS 0) is only counted."""
        entry = Entry(mid, size, records)
        self._entries.append(entry)
        self.bytes += size
        return entry

    def stored(self, entry: Entry) -> None:
        """Take notice that Kafka has one record of it; acknowledge what is due."""
        entry.remaining -= 1
        entries = self._entries
        while entries and entries[0].remaining <= 0:
            first = entries.popleft()
            self.bytes -= first.size
            if first.mid:
                self._acknowledge(first.mid)

    def abandon(self) -> None:
        """The connection is gone: nothing of it may be acknowledged any more."""
        self._acknowledge = _ignore


def _ignore(_mid: int) -> None:
    return
