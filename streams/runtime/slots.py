"""Aggregates in memory: the committed ones in a bounded cache, a batch's in an overlay.

The overlay is dropped when the transaction aborts, so that nothing uncommitted is ever
seen by the next batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from schemas.ids import store_key
from streams.domain.protocol import Accepted, Aggregate
from streams.runtime.parts import MARK, divided, encode_part, joined, key_of
from streams.runtime.records import (
    EMPTY_BOOK,
    RECENT_OF_FINISHED_MAX,
    Book,
    StateRecord,
    UnknownFormError,
    decode_state,
    encode_record,
)
from streams.runtime.store import Change, Store

_NO_PARTS: Final[dict[str, Any]] = {}


class Slot(msgspec.Struct, gc=False):
    """One aggregate in memory; replaced, never changed, by what the overlay holds."""

    aggregate: Any
    key: bytes
    tenant: str
    id: str
    state: Any
    book: Book
    due: int = 0
    """As in the store's due index."""
    expires: int = 0
    """As in the store's expiry index."""
    renewed: bool = False
    """True where this batch has events of it."""
    parts: dict[str, Any] = {}
    """What the store holds beside the record, by name: as the state held it then."""


class Cache:
    """The committed aggregates used last, least recent first."""

    def __init__(self, size: int) -> None:
        """Keep at most `size` aggregates."""
        self._size = size
        self._slots: dict[bytes, Slot] = {}

    def get(self, key: bytes) -> Slot | None:
        """Return a slot and make it the most recent."""
        slot = self._slots.pop(key, None)
        if slot is not None:
            self._slots[key] = slot
        return slot

    def put(self, slot: Slot) -> None:
        """Keep a committed slot."""
        slots = self._slots
        slots.pop(slot.key, None)
        slots[slot.key] = slot
        if len(slots) > self._size:
            del slots[next(iter(slots))]

    def drop(self, key: bytes) -> None:
        """Forget a slot."""
        self._slots.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        self._slots.clear()


class Overlay:
    """The aggregates that one batch reads and changes."""

    def __init__(self, store: Store, cache: Cache, window_ms: int) -> None:
        """Read through cache and store; `window_ms` is how long the finished are kept."""
        self._store = store
        self._cache = cache
        self._window_ms = window_ms
        self._read: dict[bytes, Slot] = {}
        self.touched: dict[bytes, Slot] = {}

    def get(self, aggregate: Aggregate, tenant: str, aggregate_id: str) -> Slot:
        """Return the aggregate as this batch has left it so far; state None if there is none."""
        key = store_key(aggregate.type, tenant, aggregate_id)
        slot = self._read.get(key)
        if slot is None:
            slot = self._load(aggregate, key, tenant, aggregate_id)
            self._read[key] = slot
        return slot

    def _load(self, aggregate: Aggregate, key: bytes, tenant: str, aggregate_id: str) -> Slot:
        cached = self._cache.get(key)
        if cached is not None:
            return Slot(
                aggregate,
                key,
                tenant,
                aggregate_id,
                cached.state,
                cached.book,
                cached.due,
                cached.expires,
                parts=cached.parts,
            )
        data = self._store.get(key)
        if data is None:
            return Slot(aggregate, key, tenant, aggregate_id, None, EMPTY_BOOK)
        record = decode_state(data)
        state, parts = decode_domain(aggregate, record), _NO_PARTS
        if record.parts:
            state = joined(aggregate, record, state, self._store.states(key + MARK))
            parts = divided(aggregate, state)[1]
        return Slot(
            aggregate,
            key,
            tenant,
            aggregate_id,
            state,
            record.book,
            record.next_due,
            record.expires,
            parts=parts,
        )

    def touch(self, slot: Slot) -> None:
        """Mark a slot, whose state or book was set, as changed by this batch."""
        self.touched[slot.key] = slot

    def changes(self, now: int) -> list[Change]:
        """Return the records of all touched aggregates; finished ones shrink to a remnant."""
        found: list[Change] = []
        for slot in self.touched.values():
            before = slot.parts
            found.append(self._change(slot, now))
            if before or slot.parts:
                found.extend(_part_changes(slot, before))
        return found

    def _change(self, slot: Slot, now: int) -> Change:
        aggregate: Aggregate = slot.aggregate
        old_due, old_expires = slot.due, slot.expires
        state, book, due, expires = slot.state, slot.book, 0, 0
        if state is not None and aggregate.is_finished(state):
            state = slot.state = aggregate.remnant(state)
            book = slot.book = Book(book.recent[-RECENT_OF_FINISHED_MAX:])
            # What goes on after an end, as channels and locks do, is kept for a window after it.
            expires = 0 if slot.renewed else old_expires
            expires = expires or now + self._window_ms
        elif state is not None and not book.stalled:
            due = aggregate.next_due(state, book.beats)
        slot.due, slot.expires = due, expires
        header, slot.parts = divided(aggregate, state) if state is not None else (None, _NO_PARTS)
        domain = b"" if header is None else aggregate.encode(header)
        count = len(slot.parts)
        record = StateRecord(2 if count else 1, aggregate.form, domain, book, due, expires, count)
        return Change(slot.key, encode_record(record), due, expires, old_due, old_expires)

    def commit(self) -> None:
        """The transaction stands: the touched slots become the committed ones."""
        cache = self._cache
        for slot in self.touched.values():
            if slot.expires:
                cache.drop(slot.key)  # Finished: hardly asked for again, and the store has it.
            else:
                cache.put(slot)


def _part_changes(slot: Slot, before: dict[str, Any]) -> Iterator[Change]:
    """Yield the parts that are new, that changed, and that are gone."""
    for name, part in slot.parts.items():
        if before.get(name) is not part:
            yield Change(key_of(slot.key, name), encode_part(part), 0, 0, 0, 0)
    for name in before.keys() - slot.parts.keys():
        yield Change(key_of(slot.key, name), None, 0, 0, 0, 0)


def decode_domain(aggregate: Aggregate, record: StateRecord) -> Any:
    """Read the aggregate's state out of its record; `UnknownFormError` for a newer form."""
    if record.domain_form > aggregate.form:
        raise UnknownFormError(
            f"a {aggregate.type} has state form {record.domain_form}, this release knows up to "
            f"{aggregate.form}: it was written by a newer release; upgrade this engine"
        )
    return aggregate.decode(record.domain) if record.domain else None


def raise_stuck(aggregate: Aggregate, slot: Slot, outcome: Accepted, now: int) -> None:
    """Raise where a timer fired without effect and would fire again at once, for ever."""
    if 0 < aggregate.next_due(outcome.state, slot.book.beats) <= now:
        raise RuntimeError(f"a due timer of {aggregate.type} {slot.id} has no effect")
