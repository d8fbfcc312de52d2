"""The committed states as a mapping: the read-only table of the partitions that are here.

What an open batch has changed is not in it, and nothing can be put into it: only a shard
writes, after its commit. Use it on the loop's thread, like the shards themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from schemas.ids import routing_key, store_key
from schemas.partition import partition_of
from streams.domain.protocol import Aggregate
from streams.runtime.engine import Engine
from streams.runtime.parts import is_part, joined
from streams.runtime.records import decode_state
from streams.runtime.shard import Shard
from streams.runtime.slots import decode_domain


class Key(NamedTuple):
    """Which aggregate."""

    type: str
    tenant: str
    id: str


class NotHereError(KeyError):
    """The aggregate lives on a partition that another process owns, or nobody serves."""


class CommittedStates(Mapping[Key, Any]):
    """Each aggregate's state as of the last committed batch; what is finished is a remnant."""

    def __init__(
        self, engine: Engine, aggregates: Mapping[str, Aggregate], partitions: int
    ) -> None:
        """Take the engine whose partitions to show."""
        self._engine = engine
        self._aggregates = aggregates
        self._partitions = partitions

    def _shard(self, key: Key) -> Shard:
        partition = partition_of(routing_key(key.tenant, key.id).encode(), self._partitions)
        runner = self._engine.runners.get(partition)
        if runner is None or not runner.opened:
            raise NotHereError(f"partition {partition} of {key.id!r} is not served here")
        return runner.shard

    def __getitem__(self, key: Key) -> Any:
        """Return a state; `KeyError` for none, `NotHereError` where that cannot be told here."""
        shard, name = self._shard(key), store_key(*key)
        data = shard.committed(name)
        state = None if data is None else self._decoded(key.type, data, shard.parts_of(name))
        if state is None:
            raise KeyError(key)
        return state

    def _decoded(self, kind: str, data: bytes, parts: Iterator[tuple[bytes, bytes]]) -> Any:
        aggregate, record = self._aggregates[kind], decode_state(data)
        header = decode_domain(aggregate, record)
        return joined(aggregate, record, header, parts) if record.parts else header

    def __iter__(self) -> Iterator[Key]:
        """Iterate over what is here; it reads the whole store."""
        for runner in list(self._engine.runners.values()):
            if runner.opened:
                for key, data in runner.shard.all_committed():
                    # A state of which there is none is an empty record, and has no parts.
                    if not is_part(key) and decode_state(data).domain:
                        yield Key(*key.decode().split("/", 2))

    def __len__(self) -> int:
        """Count what is here; it reads the whole store."""
        return sum(1 for _ in self)
