"""What the shards of a world have committed, and whether what they store is what it folds to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from schemas.codec import Message, decode
from streams.runtime.records import decode_state
from streams.testing.oracle import Oracle
from streams.testing.world import World


def oracles_of(world: World) -> list[Oracle]:
    """Return an oracle for each partition, which has seen all its events and stored states."""
    return [_oracle(world, partition) for partition in range(world.partitions)]


def _oracle(world: World, partition: int) -> Oracle:
    oracle = Oracle(partition, world.aggregates)
    for entry in world.kafka.committed(world.names.events, partition):
        oracle.see(entry.value or b"")
    oracle.compare(world.stores[partition].states())
    return oracle


def faults_of(world: World) -> list[str]:
    """Return what does not hold of the committed events and the stored states."""
    return [fault for oracle in oracles_of(world) for fault in oracle.faults]


def events_of(world: World) -> list[Message]:
    """Return every committed event, partition by partition, in their order."""
    return [
        decode(entry.value or b"")
        for partition in range(world.partitions)
        for entry in world.kafka.committed(world.names.events, partition)
    ]


def proved_events(world: World) -> list[Message]:
    """Return every committed event; an `AssertionError` where something does not hold of them."""
    assert (faults := faults_of(world)) == [], faults
    return events_of(world)


def proved_states(world: World) -> dict[bytes, Any]:
    """Return the state of each aggregate by its key; an `AssertionError` as above."""
    oracles = oracles_of(world)
    assert (faults := [fault for one in oracles for fault in one.faults]) == [], faults
    return {key: state for one in oracles for key, state in one.states().items()}


def stored_of(world: World, kind: str) -> Iterator[Any]:
    """Yield the stored state of each aggregate of a kind."""
    for shard in world.shards:
        for key, record in shard.all_committed():
            if key.startswith(f"{kind}/".encode()):
                yield world.aggregates[kind].decode(decode_state(record).domain)
