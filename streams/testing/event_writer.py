"""Well-formed events on a real topic, without an engine: for views and other readers of them.

It writes as the engine does: in transactions, numbered without a gap in each partition, keyed
by the instance. One writer at a time, on a topic that nobody else writes to.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

import msgspec
from confluent_kafka import Producer

from schemas import events as e
from schemas.codec import encode
from schemas.envelope import Context, Envelope
from schemas.ids import base32, routing_key
from schemas.json_text import canonical
from schemas.partition import partition_of
from schemas.registry import public_type
from topics.names import Names

_TIMEOUT = 30.0


def life(name: str, activities: int) -> Iterator[msgspec.Struct]:
    """Yield the events of an instance: started, each activity in turn, completed."""
    variables = {"who": canonical(name)}
    moves = e.Moves([], [], ["start", "start->work", "work"], {})
    yield e.WorkflowStarted("hello", "1.0.0", variables, moves=moves)
    for number in range(activities):
        sequence, token = 2 + 2 * number, number + 1
        yield e.ActivityScheduled(sequence, "work", "greet", "default", token)
        output = canonical({"done": number})
        moves = e.Moves([token], [], ["work->work", "work"], {"last": output})
        yield e.ActivityCompleted(sequence, "work", "greet", 1, output, "worker", moves=moves)
    yield e.WorkflowCompleted(canonical({"who": name}))


class _Open:
    """An instance under way."""

    def __init__(self, name: str, activities: int, now: int) -> None:
        self.bodies = list(life(name, activities))
        self.incarnation = base32(now)
        self.sequence = 0


class EventWriter:
    """Writes instances' events; what is aborted is written again by the next call."""

    def __init__(self, bootstrap: str, names: Names, partitions: int) -> None:
        """Take over the transactional id of this topic's writer."""
        self.numbers: dict[int, int] = defaultdict(int)
        """Number of the last committed event by partition."""
        self._topic, self._partitions = names.events, partitions
        self._open: dict[str, _Open] = {}
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "transactional.id": f"{names.events}.writer",
                "linger.ms": 0,
                "queue.buffering.max.messages": 500_000,
                "compression.type": "lz4",
            }
        )
        self._producer.init_transactions(_TIMEOUT)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for what is on its way."""
        self._producer.flush(_TIMEOUT)

    def begin(self, name: str, activities: int = 1) -> None:
        """Prepare an instance; `write` writes its events."""
        self._open[name] = _Open(name, activities, int(time.time() * 1000))

    def open(self) -> list[str]:
        """Return the names of instances that have events left."""
        return list(self._open)

    def write(self, names: Iterable[str], *, abort: bool = False) -> dict[int, int]:
        """Write the next event of each of these instances in one transaction.

        A name may stand several times. Returns the last number by partition touched.
        """
        steps, numbers = dict.fromkeys(names, 0), dict(self.numbers)
        self._producer.begin_transaction()
        for name in names:
            self._produce(name, steps, numbers)
        self._producer.flush(_TIMEOUT)
        if abort:
            self._producer.abort_transaction(_TIMEOUT)
            return {}
        self._producer.commit_transaction(_TIMEOUT)
        changed = {p: n for p, n in numbers.items() if n != self.numbers[p]}
        self.numbers.update(numbers)
        for name, count in steps.items():
            one = self._open[name]
            one.sequence += count
            if one.sequence == len(one.bodies):
                del self._open[name]
        return changed

    def _produce(self, name: str, steps: dict[str, int], numbers: dict[int, int]) -> None:
        one = self._open[name]
        place = one.sequence + steps[name]
        if place >= len(one.bodies):
            return
        steps[name] += 1
        key = routing_key("default", name).encode()
        partition = partition_of(key, self._partitions)
        numbers[partition] = numbers.get(partition, 0) + 1
        body = one.bodies[place]
        envelope = Envelope(
            f"{name}@{one.incarnation}:{place + 1}",
            public_type(body),
            int(time.time() * 1000),
            "instance",
            name,
            one.incarnation,
            place + 1,
            numbers[partition],
            context=Context(causation_id=f"c-{name}@{one.incarnation}", actor="writer"),
        )
        self._producer.produce(self._topic, encode(envelope, body), key, partition=partition)
