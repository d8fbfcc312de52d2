"""How far the views are behind the log, in events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from projections.errors import PoisonEventError
from projections.events import event_of
from projections.log import look, reader
from projections.positions import Place, Source
from projections.settings import ProjectionSettings
from topics.reading import Consumed, read_to_end

_FIRST_WINDOW: Final = 256


class Lag(NamedTuple):
    """One partition of a projection, and of the log."""

    partition: int
    position: int
    """Number of the last event that the views have."""
    offset: int
    """Next in Kafka."""
    log_end: int
    log_position: int
    """Number of the last committed event."""
    behind: int
    """Events that the views do not have yet."""


def lag(settings: ProjectionSettings, source: Source, places: Mapping[int, Place]) -> list[Lag]:
    """Compare a projection's places with the log as it is now."""
    found = []
    bounds = look(settings).bounds
    for partition, place in places.items():
        end = bounds[partition].end if partition in bounds else place.next_offset
        last = _last_number(settings, source.topic, partition, place, end)
        behind = max(0, last - place.number)
        found.append(Lag(partition, place.number, place.next_offset, end, last, behind))
    return found


def _last_number(
    settings: ProjectionSettings, topic: str, partition: int, place: Place, end: int
) -> int:
    """Return the number of the last committed event; what was aborted or is a marker has none."""
    window = _FIRST_WINDOW
    while place.next_offset < end:
        start = max(place.next_offset, end - window)
        records = _to_end(settings, topic, partition, start)
        for unread, record in enumerate(reversed(records)):
            try:
                return event_of(record).envelope.position + unread
            except PoisonEventError:
                continue  # Counted, as it is an event: the projector stops there, and says why.
        if start == place.next_offset:
            return place.number + len(records)
        window *= 8
    return place.number


def _to_end(settings: ProjectionSettings, topic: str, partition: int, start: int) -> list[Consumed]:
    consumer = reader(settings, topic, {partition: Place(start, 0)})
    try:
        return read_to_end(consumer)
    finally:
        consumer.close()
