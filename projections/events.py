"""An event as the views see it."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from projections.errors import PoisonEventError
from schemas.codec import DecodeError, decode
from schemas.envelope import Envelope
from topics.reading import Consumed


class Event(NamedTuple):
    """A committed event and where it stands in the log."""

    partition: int
    offset: int
    envelope: Envelope
    body: msgspec.Struct


def event_of(record: Consumed) -> Event:
    """Decode a record; `PoisonEventError` where it is no event that this release can read."""
    try:
        envelope, body = decode(record.value or b"")
    except DecodeError as error:
        raise PoisonEventError(record.partition, record.offset, str(error)) from error
    return Event(record.partition, record.offset, envelope, body)


def refused(event: Event, reason: str) -> PoisonEventError:
    """Return the error for an event that does not follow from what the view has."""
    name = f"{event.envelope.id} ({event.envelope.type}, number {event.envelope.position})"
    return PoisonEventError(event.partition, event.offset, f"{name}: {reason}")
