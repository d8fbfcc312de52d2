"""A whole Tidemill in memory: shards, clients, workers, time, and faults, from one seed.

The shards are the real ones; only log and store are simulated. A run is decided by its
seed alone, so that a failure is repeated by its number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Coroutine, Sequence
from functools import lru_cache
from random import Random
from typing import Any, TypeVar

import msgspec

from schemas.codec import decode, encode
from schemas.commands import (
    AcquireLock,
    CancelInstance,
    ExtendLock,
    ForceReleaseLock,
    PublishDefinition,
    ReleaseLock,
    ResumeInstance,
    RetryIncident,
    RunInstance,
    SuspendInstance,
    TerminateInstance,
)
from schemas.envelope import Context, Envelope
from schemas.ids import routing_key
from schemas.registry import public_type
from schemas.replies import Reply
from schemas.results import CompleteActivity, FailActivity, RecordVerdict
from schemas.tasks import ActivityTask
from streams.domain.aggregates import AGGREGATES
from streams.domain.net.soundness import STATES_MAX
from streams.domain.protocol import Aggregate, Limits
from streams.forms import read_definition, read_for_decision
from streams.runtime.definition_tail import DefinitionBook
from streams.runtime.environment import Environment
from streams.runtime.inbox import INPUTS, Item
from streams.runtime.ports import FencedError, Out, Record
from streams.runtime.shard import Shard, ShardOptions
from streams.testing.memory_store import MemoryStore
from streams.testing.simulated_log import CrashError, Fault, SimulatedKafka, SimulatedLog, Step
from streams.verifier.court import Court
from streams.verifier.pending import verdict_envelope
from streams.verifier.request import Request, answer
from topics.names import Names

T = TypeVar("T")
QUEUE_PARTITIONS = 2
GROUP_SECONDS = 15.0


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never really waits."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    raise RuntimeError("the coroutine waits for something real")


class World:
    """Everything that one seed decides."""

    def __init__(
        self,
        seed: int,
        sources: list[str],
        *,
        partitions: int = 2,
        fault_rate: float = 0.05,
        aggregates: Sequence[Aggregate] = tuple(AGGREGATES.values()),
        limits: Limits | None = None,
    ) -> None:
        """Publish the definitions and open the shards; `aggregates` are what they serve."""
        self.aggregates = {one.type: one for one in aggregates}
        self.limits = limits or Limits()
        self.random = Random(seed)  # noqa: S311 - a simulation, not a secret
        self.now = 1_700_000_000_000
        self.partitions = partitions
        self.names = Names("", lambda _queue: QUEUE_PARTITIONS)
        self.kafka = SimulatedKafka(self.names, partitions, lambda: self.now)
        self.book = DefinitionBook(_read, lambda _queue: True)
        self.stores = [MemoryStore() for _ in range(partitions)]
        self.crashes = 0
        self._faults_on = False
        self._fault_rate = fault_rate
        self._commands = 0
        self.sent: Counter[str] = Counter()
        """How often each command id was written to the topic."""
        self._tail: dict[int, int] = {}
        self._judged: dict[int, int] = {}
        self._court = Court(_prove, STATES_MAX, GROUP_SECONDS, _read_source)
        self.has_verifier = True
        """Whether what is submitted is judged as the world settles."""
        self._taken: dict[tuple[str, int], int] = {}
        self._tasks_seen: dict[int, int] = {}
        self.tasks: list[tuple[Envelope, ActivityTask]] = []
        self.shards: list[Shard] = []
        for source in sources:
            self._publish(source)
        self.shards = [self._open(p) for p in range(partitions)]
        self.settle()
        self._faults_on = True

    # What strikes.

    def _strike(self, step: Step) -> Fault | None:
        if not self._faults_on or self.random.random() > self._fault_rate:
            return None
        choices = [Fault.CRASH, Fault.CRASH, Fault.FENCE]
        if step in {Step.BEGIN, Step.PRODUCE, Step.FLUSHED}:
            choices.append(Fault.ABORT)
        return self.random.choice(choices)

    def calm(self) -> None:
        """No faults from now on: what was begun must come to its end."""
        self._faults_on = False

    # The shards.

    def _open(self, partition: int) -> Shard:
        environment = Environment(
            partition,
            self.partitions,
            self.names,
            self.aggregates,
            self.book,
            self.limits,
            read_for_decision,
        )
        log = SimulatedLog(self.kafka, partition, self._strike)
        store: Any = self.stores[partition]
        options = ShardOptions(batch_records_max=self.random.choice([1, 3, 50]), timers_max=5)
        shard = Shard(environment, log, store, options, lambda: self.now, self)
        run(shard.open())
        for source in INPUTS:
            self._taken[source, partition] = shard.position.inputs[source]
        return shard

    async def prepare(self, items: list[Item]) -> None:
        """Read what the definitions topic has: the simulated tail is never behind."""
        del items
        for partition in range(self.partitions):
            start = self._tail.get(partition, 0)
            for entry in self.kafka.committed(self.names.definitions, partition, start):
                self.book.add(partition, entry.value)
                self._tail[partition] = entry.offset + 1

    def restart(self, partition: int) -> None:
        """Take a partition by a new owner; the store is kept, lost, or another's."""
        self.crashes += 1
        if self.random.random() < 0.1:
            self.stores[partition] = MemoryStore()
        self.shards[partition] = self._open(partition)

    def go_on(self, pauses: Sequence[int], *, share: float = 1.0, restarts: float = 0.08) -> None:
        """Let shards take a batch each, time pass, and now and then an owner change.

        `share` is how likely each shard has its turn, `restarts` how likely one is taken over.
        """
        for partition in range(self.partitions):
            if share == 1.0 or self.random.random() < share:
                self.feed(partition)
                self.step(partition)
        self.sleep(self.random.choice(pauses))
        if self.random.random() < restarts:
            self.restart(self.random.randrange(self.partitions))

    def feed(self, partition: int) -> None:
        """Bring some committed records of each input to a shard, some of them twice."""
        shard = self.shards[partition]
        for source in INPUTS:
            start = self._taken[source, partition]
            if start and self.random.random() < 0.1:
                start = max(0, start - self.random.randint(1, 5))
            entries = self.kafka.committed(source, partition, start)[: self.random.randint(1, 40)]
            if entries:
                records = [Record(e.offset, e.timestamp, e.key, e.value) for e in entries]
                shard.submit(source, records)
                self._taken[source, partition] = entries[-1].offset + 1

    def step(self, partition: int) -> int:
        """Let a shard apply one batch, through whatever strikes it."""
        try:
            return run(self.shards[partition].step())
        except (CrashError, FencedError):
            self.restart(partition)
            return 1

    def settle(self) -> None:
        """Work until nothing is left to do at this moment."""
        worked = 1
        while worked or self._behind():
            worked = self.verify() if self.has_verifier else 0
            for partition in range(self.partitions):
                self.feed(partition)
                worked += self.step(partition)

    def verify(self) -> int:
        """Send the verdict on every submission that waits for one; return how many."""
        for partition in range(self.partitions):
            start = self._judged.get(partition, 0)
            for entry in self.kafka.committed(self.names.definitions, partition, start):
                self._court.add(partition, entry.value)
                self._judged[partition] = entry.offset + 1
        count = 0
        while task := self._court.next(self.now / 1_000):
            verdict = self._court.judge(task, self.now / 1_000)
            if verdict is None:
                continue
            self._court.answered(task, verdict)
            envelope = verdict_envelope(task, self.now)
            value = encode(envelope, verdict)
            key = routing_key(envelope.context.tenant, envelope.aggregate_id).encode()
            self.kafka.append(Out(self.names.results, -1, key, value))
            count += 1
        return count

    def _behind(self) -> bool:
        """Tell whether a record is queued, or a committed one has not been applied yet."""
        return any(shard.inbox.queued for shard in self.shards) or any(
            self.kafka.committed(source, partition, shard.position.inputs[source])
            for partition, shard in enumerate(self.shards)
            for source in INPUTS
        )

    # The clients.

    def command(self, aggregate_id: str, body: msgspec.Struct, *, kind: str = "instance") -> str:
        """Send a command; return its id."""
        self._commands += 1
        name = f"c{self._commands}"
        self.resend(name, aggregate_id, body, kind=kind)
        return name

    def resend(
        self, name: str, aggregate_id: str, body: msgspec.Struct, *, kind: str = "instance"
    ) -> None:
        """Send a command under an id, perhaps again."""
        envelope = Envelope(
            name, public_type(body), self.now, kind, aggregate_id, reply_to="client:0"
        )
        key = routing_key("default", aggregate_id).encode()
        self.sent[name] += 1
        self.kafka.append(Out(self.names.commands, -1, key, encode(envelope, body)))

    def _publish(self, source: str) -> None:
        definition = read_definition(source)
        assert not isinstance(definition, list), definition
        self.command(definition.id, PublishDefinition(source), kind="definition")

    def run_instance(self, aggregate_id: str, definition_id: str, variables: bytes) -> str:
        """Start an instance."""
        return self.command(aggregate_id, RunInstance(definition_id, "", variables))

    def disturb(self, aggregate_id: str) -> None:
        """Let an operator do something to an instance."""
        body = self.random.choice(
            [
                SuspendInstance("why"),
                ResumeInstance(),
                RetryIncident(0),
                CancelInstance("enough"),
                TerminateInstance("now"),
                ResumeInstance(),
                SuspendInstance(),
            ]
        )
        self.command(aggregate_id, body)

    def contend(self, lock: str, owner: str, token: int = 0) -> tuple[str, msgspec.Struct]:
        """Let an owner do something about a lock; return the command's id and the command."""
        chance = self.random
        ttl, wait = chance.choice([1, 500, 60_000]), chance.choice([0, 1, 3_000, 90_000])
        body = chance.choice(
            [
                AcquireLock(owner, ttl, wait),
                AcquireLock(owner, ttl, wait),
                ReleaseLock(owner, token),
                ReleaseLock(owner),
                ExtendLock(owner, token, ttl),
                ForceReleaseLock("why"),
            ]
        )
        return self.command(lock, body, kind="lock"), body

    def replies(self) -> Counter[str]:
        """Return how many committed replies each command id has."""
        found: Counter[str] = Counter()
        for partition in range(self.partitions):
            for entry in self.kafka.committed(self.names.replies, partition):
                assert entry.value is not None
                envelope, body = decode(entry.value)
                assert isinstance(body, Reply)
                if body.token:
                    found[envelope.context.causation_id] += 1
        return found

    # The workers.

    def poll_tasks(self) -> None:
        """Read new tasks from the queue."""
        for partition in range(QUEUE_PARTITIONS):
            start = self._tasks_seen.get(partition, 0)
            for entry in self.kafka.committed(self.names.queue("default"), partition, start):
                assert entry.value is not None
                envelope, body = decode(entry.value)
                assert isinstance(body, ActivityTask)
                self.tasks.append((envelope, body))
                self._tasks_seen[partition] = entry.offset + 1

    def work(self, *, failures: float = 0.2, twice: float = 0.2) -> None:
        """Finish some tasks: well or badly, once or more often."""
        self.poll_tasks()
        self.random.shuffle(self.tasks)
        count = self.random.randint(0, len(self.tasks))
        for envelope, task in self.tasks[:count]:
            again = self.random.random() < twice
            for _ in range(2 if again else 1):
                self._report(envelope, task, failed=self.random.random() < failures)
        del self.tasks[:count]

    def _report(self, task: Envelope, body: ActivityTask, *, failed: bool) -> None:
        result: msgspec.Struct = CompleteActivity(body.activity, body.attempt, b'{"ok":true}', "w")
        if failed:
            result = FailActivity(body.activity, body.attempt, "Boom", "it broke")
        envelope = Envelope(
            f"{task.id}:{body.attempt}",
            public_type(result),
            self.now,
            "instance",
            task.aggregate_id,
            task.incarnation,
            context=Context(tenant=task.context.tenant),
        )
        key = routing_key(task.context.tenant, task.aggregate_id).encode()
        self.kafka.append(Out(self.names.results, -1, key, encode(envelope, result)))

    def sleep(self, milliseconds: int) -> None:
        """Let time pass."""
        self.now += milliseconds


_encoder = msgspec.msgpack.Encoder()
_read_source = lru_cache(1_000)(read_definition)


@lru_cache(1_000)
def _proved(request: bytes) -> RecordVerdict:
    return answer(msgspec.msgpack.decode(request, type=Request))


def _prove(request: Request) -> RecordVerdict:
    """Judge; many worlds publish the same definitions."""
    return _proved(_encoder.encode(request))


def _read(source: str) -> Any:
    result = read_definition(source)
    return [str(p) for p in result] if isinstance(result, list) else result
