"""The oracle: reads committed events only, and proves what the engine promises.

Sequences and position numbers have no gap, each command has at most one effect, the
fold of the events is the stored state, and every started instance ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from schemas.codec import decode
from schemas.envelope import Envelope
from schemas.events import WorkflowCreated, WorkflowStarted
from schemas.ids import store_key
from streams.domain.instance.state import FINISHED
from streams.domain.protocol import Aggregate, EventPlace
from streams.runtime.parts import divided, encode_part, is_part, key_of, owner_of
from streams.runtime.records import decode_state
from streams.testing.shelves import MemoryShelf, Shelf

_FAULTS_MAX = 10_000
_DIFFERS = "the stored state is not fold(events)"
_UNFOUNDED = "stored, but has no events"


class Oracle:
    """Folds one partition's events, record by record; `faults` says what is wrong."""

    def __init__(
        self, partition: int, aggregates: Mapping[str, Aggregate], shelf: Shelf | None = None
    ) -> None:
        """Start before the first event; `shelf` keeps what is folded, memory by default."""
        self.partition = partition
        self.faults: list[str] = []
        self.events = 0
        self.number = 0
        """Position number of the last event."""
        self._aggregates = aggregates
        self._shelf: Shelf = MemoryShelf() if shelf is None else shelf

    def see(self, value: bytes) -> None:
        """Take the next committed event record."""
        envelope, body = decode(value)
        self.events += 1
        self.number += 1
        if envelope.position != self.number:
            self._fault(envelope, f"position {envelope.position}, expected {self.number}")
            self.number = envelope.position
        aggregate = self._aggregates[envelope.aggregate_type]
        key = store_key(aggregate.type, envelope.context.tenant, envelope.aggregate_id)
        state = None if envelope.sequence == 1 else self._shelf.get(key)
        before = 0 if state is None else aggregate.sequence(state)
        if envelope.sequence != before + 1:
            self._fault(envelope, f"sequence {envelope.sequence} after {before}")
        self._check_start(envelope, body)
        place = EventPlace(
            envelope.aggregate_id,
            envelope.context.tenant,
            envelope.incarnation,
            envelope.sequence,
            envelope.time,
            envelope.context.actor,
        )
        try:
            after = aggregate.evolve(state, body, place)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            self._fault(envelope, f"it cannot be applied: {type(error).__name__}: {error}")
        else:
            self._shelf.put(key, after)

    def _check_start(self, envelope: Envelope, body: msgspec.Struct) -> None:
        """A command that begins an instance begins one."""
        if envelope.sequence != 1 or not isinstance(body, WorkflowStarted | WorkflowCreated):
            return
        cause = envelope.context.causation_id
        before = self._shelf.begin(cause, envelope.aggregate_id)
        if before:
            self._fault(envelope, f"command {cause} began {before} already")

    def _fault(self, envelope: Envelope, what: str) -> None:
        if len(self.faults) < _FAULTS_MAX:
            self.faults.append(f"partition {self.partition}: {envelope.id} {envelope.type}: {what}")

    def compare(self, records: Iterable[tuple[bytes, bytes]]) -> None:
        """Hold the stored states against the fold; forgotten remnants may be missing."""
        self.faults.extend(
            f"{key.decode()}: {what}" for key, what in self.differences(sorted(records))
        )

    def differences(self, records: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, str]]:
        """Yield every key whose stored record, of records sorted by key, is not as folded."""
        stored = ((key, value) for key, value in records if self._concerns(key, value))
        key, value = next(stored, (b"", b""))
        for folded, state in self._shelf.items():
            for name, expected in self._expected(folded, state):
                while key and key < name:
                    yield key, _UNFOUNDED
                    key, value = next(stored, (b"", b""))
                found = None
                if key == name:
                    found = value
                    key, value = next(stored, (b"", b""))
                if not self._agrees(name, state, expected, found):
                    yield name, _DIFFERS
        while key:
            yield key, _UNFOUNDED
            key, value = next(stored, (b"", b""))

    def difference(self, key: bytes, record: bytes | None) -> str:
        """Return what is wrong with one stored record, or nothing."""
        owner = owner_of(key)
        state = self._shelf.get(owner)
        found = record if record is not None and self._concerns(key, record) else None
        expected = None if state is None else dict(self._expected(owner, state)).get(key)
        if expected is None:
            return "" if found is None else _UNFOUNDED
        return "" if self._agrees(key, state, expected, found) else _DIFFERS

    def _concerns(self, key: bytes, record: bytes) -> bool:
        """Tell whether a stored record is of an aggregate that has events."""
        kind = key.split(b"/", 1)[0].decode()
        if kind not in self._aggregates or kind == "device":
            return False
        return is_part(key) or bool(decode_state(record).domain)

    def _expected(self, key: bytes, state: Any) -> Iterator[tuple[bytes, bytes]]:
        """Yield what a folded state is stored as: its record's domain, then its parts, by key."""
        aggregate = self._aggregates[key.split(b"/", 1)[0].decode()]
        if aggregate.is_finished(state):
            state = aggregate.remnant(state)
        header, parts = divided(aggregate, state)
        yield key, aggregate.encode(header)
        yield from sorted((key_of(key, name), encode_part(one)) for name, one in parts.items())

    def _agrees(self, key: bytes, state: Any, expected: bytes, record: bytes | None) -> bool:
        aggregate = self._aggregates[key.split(b"/", 1)[0].decode()]
        if record is None:
            return aggregate.is_finished(state)
        return (record if is_part(key) else decode_state(record).domain) == expected

    def unfinished(self) -> list[str]:
        """Return the instances that have not ended."""
        return list(self._unfinished())

    def under_way(self) -> int:
        """Return how many instances have not ended."""
        return sum(1 for _ in self._unfinished())

    def _unfinished(self) -> Iterator[str]:
        for key, state in self._shelf.items():
            if key.startswith(b"instance/") and state.status not in FINISHED:
                yield key.decode()

    def states(self) -> dict[bytes, Any]:
        """Return the folded states by store key."""
        return dict(self._shelf.items())
