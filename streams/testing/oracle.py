"""The oracle: reads committed events only, and proves what the engine promises.

Sequences and position numbers have no gap, each command has at most one effect, the
fold of the events is the stored state, and every started instance ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from schemas.codec import decode
from schemas.envelope import Envelope
from schemas.events import WorkflowCreated, WorkflowStarted
from schemas.ids import store_key
from streams.domain.protocol import Aggregate, EventPlace
from streams.runtime.records import decode_state


class Oracle:
    """Folds one partition's events, record by record; `faults` says what is wrong."""

    def __init__(self, partition: int, aggregates: Mapping[str, Aggregate]) -> None:
        """Start before the first event."""
        self.partition = partition
        self.faults: list[str] = []
        self.events = 0
        self._aggregates = aggregates
        self._states: dict[bytes, Any] = {}
        self._starts: dict[str, str] = {}
        self._number = 0

    def see(self, value: bytes) -> None:
        """Take the next committed event record."""
        envelope, body = decode(value)
        self.events += 1
        self._number += 1
        if envelope.position != self._number:
            self._fault(envelope, f"position {envelope.position}, expected {self._number}")
            self._number = envelope.position
        aggregate = self._aggregates[envelope.aggregate_type]
        key = store_key(aggregate.type, envelope.context.tenant, envelope.aggregate_id)
        state = self._states.get(key)
        if envelope.sequence == 1:
            state = None
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
        self._states[key] = aggregate.evolve(state, body, place)

    def _check_start(self, envelope: Envelope, body: msgspec.Struct) -> None:
        """A command that begins an instance begins one."""
        if envelope.sequence != 1 or not isinstance(body, WorkflowStarted | WorkflowCreated):
            return
        cause = envelope.context.causation_id
        if cause in self._starts:
            self._fault(envelope, f"command {cause} began {self._starts[cause]} already")
        self._starts[cause] = envelope.aggregate_id

    def _fault(self, envelope: Envelope, what: str) -> None:
        self.faults.append(f"partition {self.partition}: {envelope.id} {envelope.type}: {what}")

    def compare(self, records: Iterable[tuple[bytes, bytes]]) -> None:
        """Hold the stored states against the fold; forgotten remnants may be missing."""
        stored = {}
        for key, value in records:
            record = decode_state(value)
            kind = key.split(b"/", 1)[0].decode()
            if kind in self._aggregates and kind != "device" and record.domain:
                stored[key] = record.domain
        for key, state in self._states.items():
            aggregate = self._aggregates[key.split(b"/", 1)[0].decode()]
            finished = aggregate.is_finished(state)
            expected = aggregate.encode(aggregate.remnant(state) if finished else state)
            found = stored.pop(key, None)
            if found != expected and not (finished and found is None):
                self.faults.append(f"{key.decode()}: the stored state is not fold(events)")
        self.faults.extend(f"{key.decode()}: stored, but has no events" for key in stored)

    def unfinished(self) -> list[str]:
        """Return the instances that have not ended."""
        return [
            key.decode()
            for key, state in self._states.items()
            if key.startswith(b"instance/") and not self._aggregates["instance"].is_finished(state)
        ]

    def states(self) -> dict[bytes, Any]:
        """Return the folded states by store key."""
        return dict(self._states)
