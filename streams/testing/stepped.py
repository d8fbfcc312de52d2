"""A world that does nothing by itself: a test says which record is applied next, and where.

Between partitions a record may be held back for as long as a test likes, while the others go
on; within one the order is that of the log, as in Kafka. So each crossing of two commands can
be played on purpose, not only met by chance.
"""

from __future__ import annotations

from schemas.codec import Message, decode, encode
from schemas.envelope import Envelope
from schemas.ids import routing_key
from schemas.json_text import canonical
from schemas.partition import partition_of
from schemas.telemetry import Reading
from streams.domain.protocol import Limits
from streams.runtime.inbox import COMMANDS, INPUTS, INTERNAL, RESULTS, TELEMETRY
from streams.runtime.ports import FencedError, Out, Record
from streams.testing.memory_store import MemoryStore
from streams.testing.simulated_log import Fault, Step
from streams.testing.world import World, run


class Stepped(World):
    """Shards that stand still until they are told to take their next record."""

    def __init__(
        self, sources: list[str], *, partitions: int = 3, limits: Limits | None = None
    ) -> None:
        """Publish the definitions; from then on nothing happens that is not asked for."""
        self.fault: tuple[Step, Fault] | None = None
        """What strikes the next batch that comes to this step, once."""
        self.struck = 0
        self._readings = 0
        super().__init__(1, sources, partitions=partitions, fault_rate=0.0, limits=limits)

    def _strike(self, step: Step) -> Fault | None:
        if self.fault is None or self.fault[0] is not step:
            return None
        (_, fault), self.fault = self.fault, None
        self.struck += 1
        return fault

    def home(self, target: str) -> int:
        """Return the partition of an aggregate."""
        return partition_of(routing_key("default", target).encode(), self.partitions)

    def named(self, partition: int, stem: str, number: int = 0) -> str:
        """Return a name with this stem that lives on that partition."""
        names = (f"{stem}{n}" for n in range(number, number + 999))
        return next(name for name in names if self.home(name) == partition)

    # What is done.

    def apply(self, source: str, partition: int) -> Message:
        """Let a shard take the next record of an input, struck or not, until it has."""
        entry = self.kafka.committed(source, partition, self._position(source, partition))[0]
        while self._position(source, partition) <= entry.offset:
            record = Record(entry.offset, entry.timestamp, entry.key, entry.value)
            self.shards[partition].submit(source, [record])
            self.step(partition)
        return decode(entry.value or b"")

    def _position(self, source: str, partition: int) -> int:
        return self.shards[partition].position.inputs.get(source, 0)

    def waits(self, target: str, source: str = INTERNAL) -> list[str]:
        """Return the types of what waits for an aggregate's partition, the next first."""
        place = self.home(target)
        found = self.kafka.committed(source, place, self._position(source, place))
        return [type(decode(entry.value or b"").body).__name__ for entry in found]

    def hop(self, kind: type, target: str) -> None:
        """Let the next record between aggregates arrive, which must be this one."""
        waiting = self.waits(target)
        assert waiting, f"nothing is under way to {target}"
        assert waiting[0] == kind.__name__, f"to {target} come {waiting}"
        envelope, _ = self.apply(INTERNAL, self.home(target))
        assert envelope.aggregate_id == target, f"it is for {envelope.aggregate_id}"

    def say(self, target: str, body: object, kind: str = "instance") -> str:
        """Send a client's command and let it be applied; return its id."""
        name = self.command(target, body, kind=kind)  # type: ignore[arg-type]
        self.apply(COMMANDS, self.home(target))
        return name

    def result(self, target: str, *, failed: bool = False) -> None:
        """Let a worker report its task of an instance, and the report arrive."""
        self.poll_tasks()
        task = next(one for one in self.tasks if one[0].aggregate_id == target)
        self.tasks.remove(task)
        self._report(*task, failed=failed)
        self.apply(RESULTS, self.home(target))

    def read(self, device: str, value: float, metric: str = "t") -> None:
        """Let a device say something, and its shard hear it."""
        self._readings += 1
        said = canonical({metric: value})
        reading = Reading(f"{device}:{self._readings}", said, 0, self.now)
        envelope = Envelope(reading.reading_id, "Reading", self.now, "device", device)
        key = routing_key("default", device).encode()
        self.kafka.append(Out(self.names.telemetry, -1, key, encode(envelope, reading)))
        self.apply(TELEMETRY, self.home(device))

    def tick(self, target: str, milliseconds: int = 0) -> None:
        """Let time pass, and the timers fire that are due on an aggregate's partition."""
        self.sleep(milliseconds)
        while self.step(self.home(target)):
            pass

    def write_twice(self, target: str) -> None:
        """Write the last record between aggregates that arrived at a partition once more.

        No transaction of an engine does that: it is what would follow from a lesser guarantee.
        """
        partition = self.home(target)
        end = self._position(INTERNAL, partition)
        last = [e for e in self.kafka.committed(INTERNAL, partition) if e.offset < end][-1]
        self.kafka.append(Out(INTERNAL, partition, last.key or b"", last.value))
        while self.waits(target):
            self.apply(INTERNAL, partition)

    # What goes wrong.

    def redeliver(self) -> int:
        """Bring every shard all records again that it has applied; return how many."""
        count = 0
        for partition, shard in enumerate(self.shards):
            for source in INPUTS:
                end = self._position(source, partition)
                found = [e for e in self.kafka.committed(source, partition) if e.offset < end]
                if found:
                    again = [Record(e.offset, e.timestamp, e.key, e.value) for e in found]
                    shard.submit(source, again)
                    count += len(again)
            while shard.inbox.queued:
                self.step(partition)
        return count

    def rebalance(self, target: str, *, lost: bool = False) -> None:
        """Give an aggregate's partition to a new owner; the old one finds that it is fenced."""
        partition = self.home(target)
        old = self.shards[partition]
        if lost:
            self.stores[partition] = MemoryStore()
        self.shards[partition] = self._open(partition)
        old.submit(INTERNAL, [self._fetched(partition)])
        try:
            run(old.step())
        except FencedError:
            return
        raise AssertionError("two owners serve one partition")

    def _fetched(self, partition: int) -> Record:
        """Return what an old owner had fetched and not applied, else something."""
        start = self._position(INTERNAL, partition)
        found = self.kafka.committed(INTERNAL, partition, start)[:1]
        if not found:
            return Record(start, self.now, b"late", b"something")
        return Record(found[0].offset, found[0].timestamp, found[0].key, found[0].value)

    # What came of it.

    def events(self, target: str) -> list[Message]:
        """Return the committed events of an aggregate."""
        found = self.kafka.committed(self.names.events, self.home(target))
        all_ = [decode(entry.value or b"") for entry in found]
        return [one for one in all_ if one.envelope.aggregate_id == target]

    def kinds(self, target: str) -> list[str]:
        """Return the types of an aggregate's events."""
        return [envelope.type for envelope, _ in self.events(target)]
