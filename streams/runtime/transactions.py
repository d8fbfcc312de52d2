"""A transactional producer: one transaction after another, each in as few requests as can be.

librdkafka sends a request for each partition, and the broker asks the coordinator for
leave before it stores each of them, one after the other: 11 ms for three partitions on an
idle machine. Here one request carries all partitions of a leader: 4 to 5 ms, however many
there are (ADR 0006). The protocol is KIP-98's and KIP-890's; what may be sent again, and
what a failure leaves behind, is said at each step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any, Final

from streams.runtime.batches import (
    Batch,
    Place,
    RecordTooLargeError,
    Stamp,
    by_place,
    encode_batches,
    in_rounds,
    sizes_needed,
)
from streams.runtime.kafka_errors import (
    BUSY,
    FENCED,
    MISSING,
    MOVED,
    RETRIABLE,
    describe,
)
from streams.runtime.kafka_nodes import Nodes, Unreachable
from streams.runtime.kafka_requests import (
    Classic,
    Dialect,
    Implicit,
    Ready,
    Topics,
    add_partitions,
    init_producer,
)
from streams.runtime.ports import AbortedError, FencedError, LogError, Out

_BUSY_SECONDS: Final = 0.002
"""Between two tries while the markers of the transaction before are written."""
_RETRY_SECONDS: Final = 0.05
_MISSING_SECONDS: Final = 3.0
"""How long a topic may be unknown: a new one is not at once known to every broker."""
_COMMIT_SECONDS: Final = 30.0
_ABORT_SECONDS: Final = 5.0


class RefusedError(LogError):
    """A broker will not have a request, and will say so again."""


class Transactions:
    """Writes transactions under one transactional id; one at a time."""

    def __init__(
        self, nodes: Nodes, name: str, timeout_seconds: float, dialect: Dialect | None = None
    ) -> None:
        """Take the connections; the dialect is the cluster's where none is given."""
        self._nodes = nodes
        self._name = name
        self._timeout = timeout_seconds
        self._dialect: Dialect | None = dialect
        self._stamp: Stamp | None = None
        self._sequences: dict[Place, int] = {}
        self.open = False
        """True while a transaction may be open at the coordinator."""

    async def init(self) -> None:
        """Fence every older producer of this name, and settle what it left open.

        Raises:
            LogError: the cluster does not answer, or refuses.
        """
        self._stamp = None
        try:
            await self._nodes.open()
            if self._dialect is None:
                version = await self._nodes.transaction_version()
                self._dialect = Implicit if version >= 2 else Classic
        except Unreachable as error:
            raise LogError(f"Kafka does not answer: {error!r}") from error
        request = init_producer(self._name, int(self._timeout * 1000))
        response = await self._coordinate(request, self._timeout)
        self._begin(Stamp(response.producer_id, response.producer_epoch))

    def _begin(self, stamp: Stamp) -> None:
        self._stamp = stamp
        self._sequences = {}
        self.open = False

    async def write(self, records: list[Out]) -> dict[Place, int]:
        """Write all records in one transaction.

        Returns:
            The offset after the last record, by partition.

        Raises:
            AbortedError: a broker has refused; nothing was written.
            FencedError: another producer has this name, or the outcome is unknown.
        """
        if self._stamp is None:
            raise FencedError("the producer is closed")
        deadline = asyncio.get_running_loop().time() + self._timeout
        try:
            offsets = await self._store(self._stamp, records, deadline)
        except RefusedError as refusal:
            await self.abort()
            raise AbortedError(str(refusal), transport=False) from refusal
        await self._end(commit=True)
        return offsets

    async def _store(self, stamp: Stamp, records: list[Out], deadline: float) -> dict[Place, int]:
        sizes = await self._learn(sizes_needed(records), deadline)
        try:
            groups = by_place(records, sizes)
        except RecordTooLargeError as error:
            raise RefusedError(str(error)) from error
        rounds = in_rounds(encode_batches(groups, stamp, self._sequences))
        self.open = True
        assert self._dialect is not None
        if not self._dialect.implicit:
            await self._add(stamp, groups, deadline)
        offsets: dict[Place, int] = {}
        for batches in rounds:
            await self._produce(self._dialect, batches, offsets, deadline)
        return offsets

    async def _learn(self, needed: dict[str, int], deadline: float) -> dict[str, int]:
        """Return how many partitions each topic has, so many at least."""
        nodes = self._nodes
        missing_until = min(deadline, asyncio.get_running_loop().time() + _MISSING_SECONDS)
        await nodes.learn(needed)
        while True:
            sizes = {topic: nodes.partitions(topic) for topic in needed}
            missing = [topic for topic, size in needed.items() if sizes[topic] < size]
            if not missing:
                return sizes
            if not await _pause(_RETRY_SECONDS, missing_until):
                topic, size = missing[0], needed[missing[0]]
                what = f"partition {size - 1} of topic" if size > 1 else "topic"
                raise RefusedError(f"there is no {what} {topic}")
            await nodes.refresh()

    async def _add(self, stamp: Stamp, groups: dict[Place, Any], deadline: float) -> None:
        topics: dict[str, list[int]] = {}
        for topic, partition in groups:
            topics.setdefault(topic, []).append(partition)
        seconds = deadline - asyncio.get_running_loop().time()
        await self._coordinate(add_partitions(self._name, stamp, topics), seconds)

    async def _produce(
        self, dialect: Dialect, batches: list[Batch], offsets: dict[Place, int], deadline: float
    ) -> None:
        """Store one batch of each partition; what is sent again keeps its sequence number."""
        pending = {batch.place: batch for batch in batches}
        missing_until = asyncio.get_running_loop().time() + _MISSING_SECONDS
        while True:
            codes = await self._send(dialect, pending, offsets)
            if not pending:
                return
            reason = _worst(codes.values())
            if reason in MISSING and asyncio.get_running_loop().time() > missing_until:
                raise RefusedError(describe(reason, codes))
            busy = all(code in BUSY for code in codes.values())
            if not await _pause(_BUSY_SECONDS if busy else _RETRY_SECONDS, deadline):
                # Whether the broker has stored them is not known: only a new epoch is safe.
                raise FencedError(f"batches could not be stored: {describe(reason, codes)}")
            if not busy:
                await self._nodes.refresh()

    async def _send(
        self, dialect: Dialect, pending: dict[Place, Batch], offsets: dict[Place, int]
    ) -> dict[Place, int]:
        """Send all pending batches to their leaders; return the codes of those that stay."""
        by_node: dict[int, list[Batch]] = {}
        codes: dict[Place, int] = {}
        for place, batch in pending.items():
            node = self._nodes.leader(place)
            if node is None:
                codes[place] = MOVED
            else:
                by_node.setdefault(node, []).append(batch)
        if len(by_node) == 1:
            ((node, batches),) = by_node.items()
            answers = [await self._ask(dialect, node, batches)]
        else:
            asked = [self._ask(dialect, node, batches) for node, batches in by_node.items()]
            answers = await asyncio.gather(*asked)
        for place, code, offset in [one for answer in answers for one in answer]:
            if code == 0:
                offsets[place] = offset + pending.pop(place).records
            elif code in FENCED:
                raise FencedError(describe(code, {place: code}))
            elif code not in RETRIABLE:
                raise RefusedError(describe(code, {place: code}))
            else:
                codes[place] = code
        return codes

    async def _ask(
        self, dialect: Dialect, node: int, batches: list[Batch]
    ) -> list[tuple[Place, int, int]]:
        """Return place, code and base offset of each batch."""
        topics: Topics = {}
        for (topic, partition), _records, data in batches:
            topics.setdefault(topic, []).append((partition, data))
        request = dialect.produce(self._name, int(self._timeout * 1000), topics)
        try:
            response = await self._nodes.send(node, request)
        except Unreachable:
            return [(batch.place, MOVED, -1) for batch in batches]
        return [
            ((topic, answer[0]), answer[1], answer[2])
            for topic, answers, *_ in response.topics
            for answer in answers
        ]

    async def _end(self, *, commit: bool) -> None:
        """End the transaction; the coordinator takes the same wish twice.

        Raises:
            FencedError: the outcome is not known, or not ours to decide.
        """
        stamp = self._stamp
        assert stamp is not None
        assert self._dialect is not None
        request = self._dialect.end(self._name, stamp, commit=commit)
        try:
            response = await self._coordinate(
                request, _COMMIT_SECONDS if commit else _ABORT_SECONDS
            )
        except RefusedError as refusal:
            raise FencedError(f"a transaction could not be ended: {refusal}") from refusal
        except FencedError as error:
            what = "the commit's outcome is not known" if commit else "cannot abort"
            raise FencedError(f"{what}: {error}") from error
        self.open = False
        if self._dialect.implicit:
            self._begin(Stamp(response.producer_id, response.producer_epoch))

    async def abort(self) -> None:
        """Abort; raises `FencedError` where that is not possible."""
        if self.open:
            await self._end(commit=False)
        if self._dialect is Classic:
            # Which sequence numbers the brokers have seen is not known.
            try:
                await self.init()
            except LogError as error:
                raise FencedError(f"cannot go on after an abort: {error}") from error

    async def close(self) -> None:
        """Write no more; raises `FencedError` where an open transaction cannot be aborted."""
        try:
            if self.open and self._stamp is not None:
                await self._end(commit=False)
        finally:
            self._stamp = None

    async def _coordinate(self, request: Ready, seconds: float) -> Any:
        """Ask the coordinator until it has an answer.

        Raises:
            FencedError: another producer has this name; or no answer came in time.
            RefusedError: it will not do so.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            try:
                response = await self._nodes.coordinate(request)
            except Unreachable as error:
                code, reason = MOVED, repr(error)
            else:
                code = _code(response)
                if code == 0:
                    return response
                reason = describe(code, {})
                if code in FENCED:
                    raise FencedError(f"ownership is lost: {reason}")
                if code not in RETRIABLE:
                    raise RefusedError(reason)
            if code not in BUSY:
                self._nodes.forget_coordinator()
            if not await _pause(_BUSY_SECONDS if code in BUSY else _RETRY_SECONDS, deadline):
                raise FencedError(f"the coordinator of {self._name} has no answer: {reason}")


def _code(response: Any) -> int:
    """Return the error code of a coordinator's response; of several the worst."""
    if hasattr(response, "error_code"):
        return int(response.error_code)
    found = [code for _topic, codes in response.errors for _partition, code in codes if code]
    return _worst(found) if found else 0


def _worst(codes: Collection[int]) -> int:
    """Return the code that decides: one that waiting does not help comes first."""
    return max(codes, key=lambda code: (code not in RETRIABLE, code in MISSING))


async def _pause(seconds: float, deadline: float) -> bool:
    """Wait a little; False where the deadline has passed instead."""
    if asyncio.get_running_loop().time() + seconds > deadline:
        return False
    await asyncio.sleep(seconds)
    return True
