"""The projector: reads events from where the views are, and keeps them up to date."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException
from sqlalchemy import Engine
from sqlalchemy.exc import InterfaceError, OperationalError

from projections.errors import PoisonEventError
from projections.events import Event, event_of
from projections.log import Log, check, check_whole, look, reader
from projections.migrate import upgrade
from projections.positions import Place
from projections.projection import Projection
from projections.settings import ProjectionSettings
from projections.store import open_engine
from topics.reading import Consumed, Reported, read

log = structlog.get_logger(__name__)

_POLL_SECONDS: Final = 0.2
_GATHER_RECORDS: Final = 256
"""A read that brings this many is followed by another before SQL is written."""
_CHUNK_BYTES: Final = 32 << 20
"""A chunk that has so much is written; the consumer's queue adds as much again at most."""
_ENDS_SECONDS: Final = 0.05
"""Between two transactions that move positions past transaction markers alone."""
_BACKOFF_SECONDS: Final = (0.5, 10.0)
_PASSING: Final = frozenset(
    {KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT}
)
"""Reports while a broker is away: the client connects again by itself."""

Progress = Callable[[int, int], None]
"""Called with the offset reached and the offset wanted, summed over partitions."""


class Projector:
    """Keeps the views of one database until it is told to stop."""

    def __init__(self, settings: ProjectionSettings, stop: threading.Event) -> None:
        """Take settings and the event that ends `run` and `rebuild`."""
        self._settings = settings
        self._stop = stop
        self._engine: Engine = open_engine(settings)
        self._projection = Projection(self._engine)
        self._ends: dict[int, int] = {}
        self._written = 0.0
        self._failures = 0

    def run(self) -> None:
        """Project until stopped; wait while Kafka or the database is away.

        Raises:
            ProjectionError: the views cannot go on; nothing was passed over.
        """
        self._persist(self._follow)

    def rebuild(self, progress: Progress) -> None:
        """Empty the views and fill them up to the log's present end.

        They are emptied, with their positions, in one transaction: a crash at any moment leaves
        rows that match the positions, from which any projector goes on.
        """
        upgrade(self._engine)
        found = look(self._settings)
        check_whole(found)
        self._projection.restart(found.source, len(found.bounds))
        wanted = sum(bounds.end for bounds in found.bounds.values())
        targets = {partition: bounds.end for partition, bounds in found.bounds.items()}

        def done() -> bool:
            places = self._projection.places
            progress(sum(place.next_offset for place in places.values()), wanted)
            return all(places[p].next_offset >= end for p, end in targets.items())

        self._persist(lambda: self._follow(done))

    @property
    def places(self) -> Mapping[int, Place]:
        """Return how far the views are, by partition."""
        return self._projection.places

    def close(self) -> None:
        """Close the database."""
        self._engine.dispose()

    def _persist(self, session: Callable[[], None]) -> None:
        """Run sessions until one ends well: each begins at what is committed."""
        while not self._stop.is_set():
            try:
                session()
                return
            except (KafkaException, OperationalError, InterfaceError) as error:
                self._engine.dispose()
                self._failures += 1
                first, most = _BACKOFF_SECONDS
                pause = min(most, first * 2 ** min(self._failures - 1, 10))
                log.warning("waiting to go on", seconds=pause, reason=_reason(error))
                self._stop.wait(pause)

    def _follow(self, done: Callable[[], bool] = lambda: False) -> None:
        """Read and apply until stopped or done."""
        upgrade(self._engine)
        found = look(self._settings)
        self._projection.resume(found.source, len(found.bounds))
        check(found, self._projection.places)
        consumer = reader(self._settings, found.source.topic, self._projection.places)
        self._ends.clear()
        log.info("projecting", topic=found.source.topic, **_summary(found, self._projection))
        try:
            while not (self._stop.is_set() or done()):
                self._step(consumer)
        finally:
            consumer.close()

    def _step(self, consumer: Consumer) -> None:
        records, reported = self._gather(consumer)
        for one in reported:
            self._report(one)
        events, fault = _decoded(records)
        paced = time.monotonic() - self._written >= _ENDS_SECONDS
        if events or (self._ends and paced):
            ends = {} if fault else self._ends
            self._projection.apply(events, ends)
            self._ends.clear()
            self._written = time.monotonic()
            self._failures = 0
        if fault is not None:
            raise fault

    def _gather(self, consumer: Consumer) -> tuple[list[Consumed], list[Reported]]:
        """Read one chunk: at once what is there, and more of it where there is much."""
        limit = self._settings.chunk_events
        wait = _ENDS_SECONDS if self._ends else _POLL_SECONDS
        records, reported = read(consumer, limit, wait)
        found, size = len(records), _size(records)
        while found >= _GATHER_RECORDS and len(records) < limit and size < _CHUNK_BYTES:
            more, also = read(consumer, limit - len(records), 0.005)
            records += more
            reported += also
            found, size = len(more), size + _size(more)
        return records, reported

    def _report(self, one: Reported) -> None:
        code = one.error.code()
        if code == KafkaError._PARTITION_EOF:
            self._ends[one.partition] = one.offset
        elif code not in _PASSING:
            # The next session asks which log this is, and says what is wrong with it.
            raise KafkaException(one.error)


def _size(records: list[Consumed]) -> int:
    return sum(len(record.value or b"") for record in records)


def _decoded(records: list[Consumed]) -> tuple[list[Event], PoisonEventError | None]:
    """Decode up to the first record that cannot be read."""
    events: list[Event] = []
    for record in records:
        try:
            events.append(event_of(record))
        except PoisonEventError as error:
            return events, error
    return events, None


def _summary(found: Log, projection: Projection) -> dict[str, int]:
    ends = sum(bounds.end for bounds in found.bounds.values())
    reached = sum(place.next_offset for place in projection.places.values())
    return {"partitions": len(found.bounds), "offsets_behind": ends - reached}


def _reason(error: Exception) -> str:
    if isinstance(error, KafkaException):
        if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return "the topics are missing: run `tidemill topics apply`"
        return f"Kafka: {error.args[0].str()}"
    return f"database: {getattr(error, 'orig', error)}".strip()
