"""The records that wait for a shard, by input, and the choice of the next batch."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from schemas.codec import DecodeError, Message, decode

INTERNAL: Final = "workflow.internal"
RESULTS: Final = "workflow.results"
COMMANDS: Final = "workflow.commands"
TELEMETRY: Final = "iot.telemetry"
INPUTS: Final = (INTERNAL, RESULTS, COMMANDS, TELEMETRY)
"""In the order in which a batch takes them."""

_LATER_SHARE = 8


class Item(msgspec.Struct, frozen=True, gc=False):
    """One record of a batch, decoded once."""

    source: str
    record: Any
    """`ports.Record`, or the consumer's own record with the same fields."""
    message: Message | None
    error: DecodeError | None


class Inbox:
    """What is queued for one partition."""

    def __init__(self) -> None:
        """Start empty, at no position."""
        self._queues: dict[str, deque[Sequence[Any]]] = {name: deque() for name in INPUTS}
        self.next: dict[str, int] = {}
        """Next offset to take, by input: what lies below has taken effect already."""
        self.queued = 0

    def reset(self, positions: dict[str, int]) -> None:
        """Forget what is queued and go on at these offsets."""
        for queue in self._queues.values():
            queue.clear()
        self.next = dict(positions)
        self.queued = 0

    def put(self, source: str, records: Sequence[Any]) -> None:
        """Queue records of one input, in offset order."""
        self._queues[source].append(records)
        self.queued += len(records)

    def take(self, limit: int) -> list[Item]:
        """Take the next batch: internal and results first, a share kept for the others."""
        items: list[Item] = []
        for place, source in enumerate(INPUTS):
            waiting = any(self._queues[later] for later in INPUTS[place + 1 :])
            room = limit - len(items)
            share = room - room // _LATER_SHARE if waiting else room
            self._take(source, max(share, 1), items)
        return items

    def _take(self, source: str, limit: int, items: list[Item]) -> None:
        queue = self._queues[source]
        floor = self.next.get(source, 0)
        while queue and limit > 0:
            records = queue.popleft()
            if len(records) > limit:
                queue.appendleft(records[limit:])
                records = records[:limit]
            self.queued -= len(records)
            limit -= len(records)
            for record in records:
                if record.offset >= floor:
                    floor = record.offset + 1
                    items.append(_decoded(source, record))
        if floor:
            self.next[source] = floor


def _decoded(source: str, record: Any) -> Item:
    try:
        return Item(source, record, decode(record.value or b""), None)
    except DecodeError as error:
        return Item(source, record, None, error)


def body_of(item: Item) -> msgspec.Struct | None:
    """Return the decoded body, None where the record was unreadable."""
    return None if item.message is None else item.message.body
