"""The engine: the shards of the partitions that this process owns.

Faust says which partitions those are and brings the records; everything durable is the
shards' own. Records are accepted only if they were fetched after the last seek of their
partition, so that none is taken out of order when ownership moves (I4).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import structlog

from streams.runtime.inbox import INPUTS
from streams.runtime.runner import Runner

log = structlog.get_logger(__name__)
Place = tuple[str, int]
"""Input (topic name without the prefix) and partition."""


class Feed(Protocol):
    """The consumer that feeds the engine."""

    def seeks(self, place: Place) -> int:
        """Return how many seeks of this place have taken effect."""
        ...

    async def seek(self, offsets: dict[Place, int]) -> None:
        """Move to these offsets; each place counts one seek more."""
        ...

    def hold(self, place: Place) -> None:
        """Fetch no more from this place for now."""
        ...

    def release(self, place: Place) -> None:
        """Fetch from this place again."""
        ...


class Chunk(NamedTuple):
    """Records of one partition that were fetched together."""

    place: Place
    seeks: int
    """Seeks of the place that had taken effect when it was fetched."""
    records: Sequence[Any]


class Engine:
    """Owns runners by partition."""

    def __init__(self, make_runner: Callable[[int], Runner], queue_max: int) -> None:
        """Take the factory of runners, and how many records one may queue."""
        self._make_runner = make_runner
        self._queue_max = queue_max
        self.runners: dict[int, Runner] = {}
        self.feed: Feed | None = None
        self._floors: dict[Place, int] = {}
        self._held: set[Place] = set()
        self._lock = asyncio.Lock()
        self._ready = asyncio.Event()

    @property
    def ready(self) -> bool:
        """True once an assignment has been taken."""
        return self._ready.is_set()

    async def quiesce(self) -> None:
        """Ownership may move: finish what is under way, begin nothing."""
        await asyncio.gather(*(runner.quiesce() for runner in list(self.runners.values())))

    async def own(self, partitions: Iterable[int]) -> None:
        """Serve exactly these partitions: let go of others, take new ones in parallel."""
        wanted = set(partitions)
        async with self._lock:
            gone = [self.runners.pop(p) for p in list(self.runners) if p not in wanted]
            await asyncio.gather(*(runner.close() for runner in gone))
            fresh = [self._make_runner(p) for p in sorted(wanted - self.runners.keys())]
            await asyncio.gather(*(runner.quiesce() for runner in self.runners.values()))
            await asyncio.gather(*(runner.take() for runner in fresh))
            self.runners.update((runner.partition, runner) for runner in fresh)

    async def seek_all(self) -> None:
        """Move the consumer to every owned shard's position, and let the shards go on."""
        async with self._lock:
            serving = [runner for runner in self.runners.values() if not runner.refusal]
            await self._seek([runner for runner in serving if runner.opened])
            for runner in serving:
                runner.start()
        self._ready.set()

    async def reseek(self, partition: int) -> None:
        """Move the consumer to one shard's position."""
        async with self._lock:
            runner = self.runners.get(partition)
            if runner is not None:
                await self._seek([runner])

    async def _seek(self, runners: list[Runner]) -> None:
        feed = self.feed
        assert feed is not None
        offsets: dict[Place, int] = {}
        for runner in runners:
            inputs = runner.shard.position.inputs
            for source in INPUTS:
                place = (source, runner.partition)
                self._floors[place] = feed.seeks(place) + 1
                offsets[place] = inputs[source]
                self._release(place)
            runner.shard.inbox.reset(inputs)
        if offsets:
            await feed.seek(offsets)

    def submit(self, chunk: Chunk) -> None:
        """Take fetched records; drop what was fetched before the last seek."""
        place = chunk.place
        source, partition = place
        runner = self.runners.get(partition)
        if runner is None or runner.refusal or chunk.seeks < self._floors.get(place, 1):
            return
        runner.submit(source, chunk.records)
        if runner.shard.inbox.queued > self._queue_max and self.feed is not None:
            self._held.add(place)
            self.feed.hold(place)

    def relieve(self) -> None:
        """Fetch again where a full queue has drained; called often."""
        for place in list(self._held):
            runner = self.runners.get(place[1])
            if runner is None or runner.shard.inbox.queued < self._queue_max // 2:
                self._release(place)

    def _release(self, place: Place) -> None:
        if place in self._held and self.feed is not None:
            self._held.discard(place)
            self.feed.release(place)

    def positions(self) -> dict[Place, int]:
        """Return the committed position of every input; what lag tools are told."""
        return {
            (source, runner.partition): offset
            for runner in self.runners.values()
            for source, offset in runner.shard.position.inputs.items()
        }

    async def close(self) -> None:
        """Finish what is under way and let go of everything."""
        await self.own(())
