"""A shard on a simulated log, with the store that a test asks for, and what feeds it."""

from typing import Any

import pytest

from schemas.codec import decode, encode
from schemas.envelope import Envelope
from schemas.ids import store_key
from schemas.partition import partition_of
from schemas.registry import public_type
from streams.domain.channel.aggregate import CHANNEL
from streams.runtime.engine import Chunk
from streams.runtime.inbox import INPUTS
from streams.runtime.ports import Out, Record
from streams.runtime.records import decode_state
from streams.runtime.runner import Pacing, Runner
from streams.runtime.store import Memory, Store
from streams.testing.world import World

HELLO = """
id: hello
version: 1.0.0
nodes:
  start: {type: start, next: greet}
  greet: {type: activity, activity_type: greet, next: end}
  end: {type: end}
"""
PAUSE = """
id: pause
version: 1.0.0
nodes:
  start: {type: start, next: wait}
  wait: {type: timer, duration: PT1M, next: end}
  end: {type: end}
"""


class Lab(World):
    """A world without faults, and what a test asks of it."""

    def __init__(self, partitions: int = 1) -> None:
        super().__init__(1, [HELLO, PAUSE], partitions=partitions, fault_rate=0.0)

    def reopen(self, partition: int = 0) -> None:
        """A new owner with the same store."""
        self.shards[partition] = self._open(partition)

    def events(self, partition: int = 0) -> list[Any]:
        """Everything in `workflow.events`, decoded."""
        found = self.kafka.committed(self.names.events, partition)
        return [decode(entry.value) for entry in found]

    def kinds(self, target: str, partition: int = 0) -> list[str]:
        """The types of an aggregate's events."""
        events = [envelope for envelope, _ in self.events(partition)]
        return [one.type for one in events if one.aggregate_id == target]

    def answers(self, name: str) -> list[Any]:
        """The replies to a command id."""
        found = []
        for partition in range(self.partitions):
            for entry in self.kafka.committed(self.names.replies, partition):
                envelope, body = decode(entry.value)
                if envelope.context.causation_id == name:
                    found.append(body)
        return found

    def internal(self, partition: int = 0) -> list[Any]:
        """Everything in `workflow.internal`, decoded."""
        found = self.kafka.committed(self.names.internal, partition)
        return [decode(entry.value) for entry in found]

    def state(self, channel: str, partition: int = 0) -> Any:
        """The state of a channel, as it is stored."""
        record = decode_state(self.stores[partition].get(store_key("channel", "default", channel)))
        return CHANNEL.decode(record.domain)

    def dead(self) -> list[tuple[str, bytes]]:
        """Reason and bytes of every dead letter."""
        return [
            (dict(entry.headers)["reason"].decode(), entry.value)
            for partition in range(self.partitions)
            for entry in self.kafka.committed(self.names.dead_letters, partition)
        ]

    def put(self, topic: str, target: str, body: Any, *, incarnation: str = "") -> None:
        """Append a message of another aggregate or of a worker."""
        envelope = Envelope(
            f"{topic}-{target}", public_type(body), self.now, "instance", target, incarnation
        )
        self.kafka.append(Out(topic, -1, target.encode(), encode(envelope, body)))

    def at(self, partition: int) -> str:
        """An instance id that lives there."""
        names = (f"p{number}" for number in range(99))
        return next(n for n in names if partition_of(n.encode(), self.partitions) == partition)


@pytest.fixture
def lab():
    """One partition in memory."""
    return Lab()


@pytest.fixture
def lab_of():
    """Make one with so many partitions."""
    return Lab


@pytest.fixture
def disk(tmp_path):
    """Make stores on disk; all are closed at the end."""
    memory, made = Memory(8 << 20, 8 << 20), {}

    def at(name="0"):
        if name in made:
            made[name].close()
        made[name] = Store(tmp_path / name, memory)
        return made[name]

    yield at
    for store in made.values():
        store.close()


@pytest.fixture
def disk_lab(disk):
    """One partition whose store is a RocksDB."""
    made = Lab()
    made.stores[0] = disk()
    made.reopen()
    return made


class Feed:
    """A consumer of the simulated log: fetches, seeks, and holds places."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.held: set[tuple[str, int]] = set()
        self.positions: dict[tuple[str, int], int] = {}
        self._seeks: dict[tuple[str, int], int] = {}

    def seeks(self, place):
        return self._seeks.get(place, 0)

    async def seek(self, offsets):
        for place, offset in offsets.items():
            self.positions[place] = offset
            self._seeks[place] = self.seeks(place) + 1

    def hold(self, place):
        self.held.add(place)

    def release(self, place):
        self.held.discard(place)

    def fetch(self, source, partition, limit=100):
        """Return the next chunk; None where there is none, or the place is held."""
        place = source, partition
        if place in self.held:
            return None
        found = self.lab.kafka.committed(source, partition, self.positions.get(place, 0))[:limit]
        if not found:
            return None
        self.positions[place] = found[-1].offset + 1
        records = [Record(e.offset, e.timestamp, e.key, e.value) for e in found]
        return Chunk(place, self.seeks(place), records)

    def fetch_all(self, engine):
        """Bring everything that may be fetched."""
        for partition in range(self.lab.partitions):
            for source in INPUTS:
                while chunk := self.fetch(source, partition):
                    engine.submit(chunk)


@pytest.fixture
def feed_of():
    """Make a consumer of a lab."""
    return Feed


@pytest.fixture
def runner_of():
    """Make the runner of a shard that is not open yet."""

    def make(lab, partition, reseek=None):
        async def nowhere(_partition):
            return None

        shard = lab.shards[partition]
        return Runner(shard, Pacing(0, 1), reseek or nowhere)

    return make
