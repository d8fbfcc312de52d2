"""What a workflow costs the engine: CPU time of a shard, without a broker.

    python benchmarks/shard.py [--workflows 1000] [--batch 300] [--rounds 7] [--profile ten]

The real shard with its store on disk; of Kafka there is only what takes the batches of a
transaction, encoded as the broker gets them. The time is this process's own, of each batch the
least of some rounds, since others disturb it: so two states of the code can be told apart on a
busy machine. The reference reads and writes one such command by fastavro alone, in the same call.
A workflow that does not complete ends it.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import io
import json
import pstats
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import fastavro

from connectors.bench import workflows
from schemas.avro_schema import schema_of
from schemas.codec import HEADER_BYTES, HEADERS, decode, encode
from schemas.commands import RunInstance
from schemas.definitions import DefinitionRecord
from schemas.envelope import Context, Envelope
from schemas.ids import routing_key
from schemas.registry import BODIES
from schemas.results import CompleteActivity
from streams.collector import spare_the_collector
from streams.domain.aggregates import AGGREGATES
from streams.domain.protocol import Limits
from streams.forms import read_definition, read_for_decision
from streams.runtime.batches import Batch, Place, Stamp, by_place, encode_batches
from streams.runtime.definition_tail import DefinitionBook, wanted
from streams.runtime.environment import Environment
from streams.runtime.inbox import COMMANDS, RESULTS, Inbox
from streams.runtime.outbox import Outbox
from streams.runtime.ports import ChangelogSpan, Out, Record
from streams.runtime.processor import Processor
from streams.runtime.shard import Shard, ShardOptions
from streams.runtime.slots import Overlay
from streams.runtime.store import Memory, Store
from topics.names import Names

WORKFLOWS = {"none": workflows.NONE, "one": workflows.ONE, "ten": workflows.sequence(10)}
PARTITIONS = 4
_COMPLETED = HEADERS[BODIES["workflow.completed"]]


class MemoryLog:
    """Encodes what a transaction holds, as for a broker, and counts it."""

    def __init__(self, names: Names) -> None:
        """Start with nothing written."""
        self._sizes = {names.events: PARTITIONS, names.state: PARTITIONS, names.queue("default"): 8}
        self._sequences: dict[Place, int] = {}
        self.taken: list[Out] = []
        self.records: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        self.offset = 0

    async def init(self) -> None:
        """Nothing is to be fenced."""

    async def transact(self, records: list[Out]) -> int:
        """Encode the batches, and keep the records for whoever reads them."""
        for batch in self.encode(records):
            self.bytes[batch.place[0]] += len(batch.data)
            self.records[batch.place[0]] += batch.records
        self.taken += records
        self.offset += len(records)
        return self.offset

    def encode(self, records: list[Out]) -> list[Batch]:
        """Return what a broker would be sent."""
        groups = by_place(records, self._sizes)
        return list(encode_batches(groups, Stamp(1, 0), self._sequences))

    async def changelog_span(self) -> ChangelogSpan:
        """Return an empty changelog's."""
        return ChangelogSpan(0, 0)

    async def log_start(self, topic: str) -> int:
        """Nothing was deleted."""
        del topic
        return 0

    async def changelog(self, start: int) -> AsyncIterator[list[Record]]:
        """Nothing is to be caught up with."""
        del start
        for nothing in ():
            yield nothing

    def identity(self) -> tuple[str, str]:
        """Return some cluster's."""
        return "bench", "bench"

    async def close(self) -> None:
        """Nothing is open."""


class Partition:
    """A shard, and those around it: a client, and a worker."""

    def __init__(self, source: str, folder: Path) -> None:
        """Open the shard on partition 0."""
        self.now = 1_767_225_600_000
        self.names = Names("")
        self.log = MemoryLog(self.names)
        self._book = book = DefinitionBook(_read, lambda _queue: True)
        self._definition = _read(source)
        book.add(0, _published(self._definition.id, source))
        environment = Environment(0, 1, self.names, AGGREGATES, book, Limits(), read_for_decision)
        store = Store(folder, Memory())
        options = ShardOptions(batch_records_max=10_000)
        self.shard = Shard(environment, self.log, store, options, lambda: self.now, self)
        asyncio.run(self.shard.open())
        self._offsets = Counter[str]()
        self._number = 0
        self.spent: dict[str, float] = {}
        """Seconds that the stages of the last batch took, where they are measured."""
        self.steps: list[dict[str, float]] = []
        """The same of each batch of the round, with the whole under the empty name."""
        self.profiler: cProfile.Profile | None = None

    async def prepare(self, items: list[Any]) -> None:
        """Look, as the real tail does, whether all definitions are known: they are."""
        wanted(items, self._book)

    def starts(self, count: int) -> list[Record]:
        """Return commands as a client writes them."""
        found = []
        body = RunInstance(self._definition.id, "", b'{"n":1}')
        for _ in range(count):
            self._number += 1
            name = f"1f3a5c7e-{self._number}"
            found.append(
                self._record(
                    COMMANDS,
                    name,
                    encode(Envelope(f"c-{name}", "RunInstance", self.now, "instance", name), body),
                )
            )
        return found

    def results(self, tasks: list[Out]) -> list[Record]:
        """Return the results of tasks as a worker writes them."""
        found = []
        for out in tasks:
            envelope, task = decode(out.value or b"")
            body: Any = task
            context = Context(envelope.id, envelope.context.correlation_id)
            answer = Envelope(
                f"{envelope.id}#CompleteActivity",
                "CompleteActivity",
                self.now,
                "instance",
                envelope.aggregate_id,
                envelope.incarnation,
                context=context,
            )
            done = CompleteActivity(
                body.activity, body.attempt, body.input, "worker@host-1", self.now
            )
            found.append(self._record(RESULTS, envelope.aggregate_id, encode(answer, done)))
        return found

    def _record(self, source: str, name: str, value: bytes) -> Record:
        offset = self._offsets[source]
        self._offsets[source] += 1
        return Record(offset, self.now, routing_key("default", name).encode(), value)

    def apply(self, source: str, records: list[Record], batch: int) -> list[Out]:
        """Let the shard apply the records; return the tasks that it hands out."""
        self.log.taken = []
        for start in range(0, len(records), batch):
            self.now += 7
            begun = time.process_time()
            if self.profiler is not None:
                self.profiler.enable()
            self.shard.submit(source, records[start : start + batch])
            _run(self.shard.step())
            if self.profiler is not None:
                self.profiler.disable()
            self.steps.append({**self.spent, "": time.process_time() - begun})
            self.spent.clear()
        queue = self.names.queue("default")
        return [out for out in self.log.taken if out.topic == queue]

    def completed(self) -> int:
        """Return how many workflows the last records completed."""
        taken = self.log.taken
        return sum((out.value or b"")[:HEADER_BYTES] == _COMPLETED for out in taken)


def _read(source: str) -> Any:
    return read_definition(source)


def _published(name: str, source: str) -> bytes:
    place = Envelope(f"{name}@1.0.0", "DefinitionRecord", 1, "definition", name)
    return encode(place, DefinitionRecord(name, "1.0.0", "published", source))


def _run(coroutine: Any) -> None:
    """Run what never waits, without what an event loop adds."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    sys.exit("the shard waits for something")


def one_round(partition: Partition, count: int, batch: int) -> list[dict[str, float]]:
    """Run workflows from start to end; return what each batch took."""
    partition.steps = []
    partition.spent.clear()
    tasks = partition.apply(COMMANDS, partition.starts(count), batch)
    while tasks:
        tasks = partition.apply(RESULTS, partition.results(tasks), batch)
    if partition.completed() != count:
        sys.exit(f"{count} workflows were started, {partition.completed()} completed at the end")
    return partition.steps


def measure_stages(spent: dict[str, float]) -> None:
    """Note how long the stages of a batch take: a few clock readings a batch."""
    for stage, owner, name in (
        ("read", Inbox, "take"),
        ("decide", Processor, "_together"),
        ("state records", Overlay, "changes"),
        ("events and tasks", Outbox, "encode"),
        ("record batches", MemoryLog, "encode"),
        ("store", Store, "write"),
    ):
        setattr(owner, name, _timed(stage, getattr(owner, name), spent))


def _timed(stage: str, original: Any, spent: dict[str, float]) -> Any:
    def timed(*arguments: Any) -> Any:
        begun = time.process_time()
        try:
            return original(*arguments)
        finally:
            spent[stage] = spent.get(stage, 0.0) + time.process_time() - begun

    return timed


def reference(count: int) -> float:
    """Return microseconds in which fastavro reads a command and writes it again."""
    schema = fastavro.parse_schema(schema_of(RunInstance))
    envelope = Envelope("c-1f3a5c7e-1", "RunInstance", 1_767_225_600_000, "instance", "1f3a5c7e-1")
    data = encode(envelope, RunInstance("bench-one", "", b'{"n":1}'))[HEADER_BYTES:]
    begun = time.process_time()
    for _ in range(count):
        record = fastavro.schemaless_reader(io.BytesIO(data), schema, None)
        fastavro.schemaless_writer(io.BytesIO(), schema, record)
    return (time.process_time() - begun) / count * 1e6


def measure(
    name: str, count: int, batch: int, rounds: int, spent: dict[str, float]
) -> dict[str, Any]:
    """Return the least of some rounds, and what its stages took."""
    with tempfile.TemporaryDirectory(prefix="tidemill-bench-") as folder:
        partition = Partition(WORKFLOWS[name], Path(folder))
        partition.spent = spent
        spare_the_collector()
        one_round(partition, count, batch)
        partition.log.records.clear()
        partition.log.bytes.clear()
        took = [one_round(partition, count, batch) for _ in range(rounds)]
        each: Counter[str] = Counter()
        for same in zip(*took, strict=True):
            for stage in same[0]:
                each[stage] += min(one[stage] for one in same)  # type: ignore[assignment] - floats
        best = each.pop("")
        log = partition.log
        return {
            "us_per_workflow": round(best / count * 1e6, 1),
            "stages_us": {stage: round(one / count * 1e6, 1) for stage, one in each.items()},
            "records": {one: round(log.records[one] / count / rounds, 2) for one in log.records},
            "bytes": {one: round(log.bytes[one] / count / rounds) for one in log.bytes},
        }


def profile(name: str, count: int, batch: int) -> None:
    """Print where a profiler sees the time, and how many calls a workflow takes."""
    with tempfile.TemporaryDirectory(prefix="tidemill-bench-") as folder:
        partition = Partition(WORKFLOWS[name], Path(folder))
        one_round(partition, count, batch)
        spare_the_collector()
        partition.profiler = cProfile.Profile()
        one_round(partition, count, batch)
        stats = pstats.Stats(partition.profiler).sort_stats("tottime")
        print(f"{stats.total_calls / count:.1f} calls a workflow")  # type: ignore[attr-defined]
        stats.print_stats(45)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workflows", type=int, default=1_000)
    parser.add_argument("--batch", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", choices=list(WORKFLOWS), action="append")
    parser.add_argument("--profile", choices=list(WORKFLOWS))
    given = parser.parse_args()
    if given.profile:
        profile(given.profile, given.workflows, given.batch)
        return
    fast = min(reference(2_000) for _ in range(given.rounds))
    found: dict[str, Any] = {"reference_us": round(fast, 1)}
    spent: dict[str, float] = {}
    measure_stages(spent)
    for name in given.only or WORKFLOWS:
        found[name] = measure(name, given.workflows, given.batch, given.rounds, spent)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
