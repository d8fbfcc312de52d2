"""Faust's consumer, fetching in chunks and seeking to the shards' own positions.

Stock Faust spends four asyncio tasks on every record (2,200 records/s on two cores);
handing a whole fetched chunk through it as one message keeps membership, assignment and
flow control and costs next to nothing per record. `faust.md` names the source lines; a
contract test holds the methods overridden here against the installed version.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from typing import Any

from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from streams.agents.fetch_sessions import FetchSessions
from streams.runtime.engine import Chunk, Place

CHUNK_RECORDS = 2_000
_FETCH_WAIT_MS = 100
_PARTITION_FETCH_BYTES = 4 * 1024 * 1024


class CountingThread(driver.AIOKafkaConsumerThread):
    """The thread of aiokafka's consumer; counts seeks on its own loop.

    Fetched records leave the fetcher and seeks take effect on the same loop, so that the
    count tells for each record whether it was fetched before or after a seek.
    """

    def __post_init__(self) -> None:
        """Start with no seek."""
        super().__post_init__()
        self.seek_counts: dict[TP, int] = defaultdict(int)

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"
        consumer._fetch_max_wait_ms = _FETCH_WAIT_MS
        consumer._max_partition_fetch_bytes = _PARTITION_FETCH_BYTES
        return consumer

    async def on_start(self) -> None:
        """Start the consumer, and let it fetch in sessions."""
        await super().on_start()
        FetchSessions(self._ensure_consumer()._fetcher)

    async def _fetch_records(self, *arguments: Any, **options: Any) -> Any:
        records = await super()._fetch_records(*arguments, **options)
        return {tp: (self.seek_counts[tp], part) for tp, part in records.items()}

    async def seek_counted(self, offsets: Mapping[TP, int]) -> None:
        """Seek and count, in one step of the consumer's loop."""
        await self.call_thread(self._seek_counted, offsets)

    async def _seek_counted(self, offsets: Mapping[TP, int]) -> None:
        consumer = self._ensure_consumer()
        for tp, offset in offsets.items():
            consumer.seek(tp, offset)
            self.seek_counts[tp] += 1

    async def tell(self, offsets: Mapping[TP, int]) -> None:
        """Tell the group's coordinator the positions of what is owned, and that we live."""
        await self.call_thread(self._tell, offsets)

    async def _tell(self, offsets: Mapping[TP, int]) -> None:
        consumer = self._ensure_consumer()
        # The dot is for readers: librdkafka's admin client gives metadata without its end.
        mine, now = consumer.assignment(), f"{time.time_ns() // 1_000_000}."
        places = {TopicPartition(*tp): OffsetAndMetadata(o, now) for tp, o in offsets.items()}
        found = {place: offset for place, offset in places.items() if place in mine}
        if found:
            await consumer.commit(found)

    async def leave(self) -> None:
        """Leave the group for good, which aiokafka never does for a static member."""
        await self.call_thread(self._leave)

    async def _leave(self) -> None:
        coordinator = self._ensure_consumer()._coordinator
        coordinator._group_instance_id = None
        await coordinator.close()


class ChunkConsumer(driver.Consumer):
    """Yields one message per fetched chunk and is the engine's `Feed`."""

    app: Any
    _thread: Any

    def _new_consumer_thread(self) -> CountingThread:
        return CountingThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(
        self,
        timeout: float,  # noqa: ASYNC109 - Faust's signature
    ) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """Yield what was fetched, a chunk of one partition at a time."""
        records, _ = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if not records or self.should_stop or not self.flow_active:
            return
        for tp, (seeks, fetched) in records.items():
            for start in range(0, len(fetched), CHUNK_RECORDS):
                if not self.flow_active or self.app.consumer_generation_id != generation:
                    return
                part = fetched[start : start + CHUNK_RECORDS]
                yield tp, self._chunk_message(tp, seeks, part, generation)

    def _chunk_message(self, tp: TP, seeks: int, part: Any, generation: int) -> ConsumerMessage:
        last = part[-1]
        chunk: Any = Chunk(self._place(tp), seeks, part)
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000.0,
            last.timestamp_type,
            [],
            None,
            chunk,
            None,
            0,
            0,
            TP(*tp),
            generation_id=generation,
        )

    async def perform_seek(self) -> None:
        """Seek to the shards' positions instead of the group's committed offsets."""
        await self.app.engine.seek_all()

    async def leave(self) -> None:
        """Leave the group, so that others take the partitions at once; `stop` must follow."""
        await self._thread.leave()

    async def tell(self, positions: Mapping[Place, int]) -> None:
        """Tell Kafka the positions for the sake of lag tools, with the time as a heartbeat.

        Raises:
            KafkaError: it cannot be told now; nothing depends on it.
        """
        await self._thread.tell({self._tp(place): n for place, n in positions.items()})

    # The engine's Feed.

    def _place(self, tp: TP) -> Place:
        return tp.topic[len(self.app.topic_prefix) :], tp.partition

    def _tp(self, place: Place) -> TP:
        return TP(f"{self.app.topic_prefix}{place[0]}", place[1])

    def seeks(self, place: Place) -> int:
        """Return how many seeks of this place have taken effect."""
        return int(self._thread.seek_counts[self._tp(place)])

    async def seek(self, offsets: dict[Place, int]) -> None:  # type: ignore[override]
        """Move to these offsets."""
        places = {self._tp(place): offset for place, offset in offsets.items()}
        for tp in places:
            self._read_offset[tp] = None
        await self._thread.seek_counted(places)

    def hold(self, place: Place) -> None:
        """Fetch no more from this place for now."""
        self.on_buffer_full(self._tp(place))

    def release(self, place: Place) -> None:
        """Fetch from this place again."""
        self.on_buffer_drop(self._tp(place))


class ChunkTransport(driver.Transport):
    """Faust's aiokafka transport with the chunk consumer."""

    Consumer = ChunkConsumer
