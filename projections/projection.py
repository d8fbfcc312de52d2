"""The workflow projection: its views, kept together, a chunk in one SQL transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, Engine, delete

from projections.approvals import Approvals
from projections.channels import Channels
from projections.definitions import Definitions
from projections.errors import PoisonEventError, ProjectionError
from projections.events import Event, refused
from projections.history import History
from projections.instances import Instances
from projections.locks import Locks
from projections.positions import Place, Source, advance, begin, places_of, source_of
from projections.stalls import Stalls
from projections.store import writing
from projections.view import View

NAME: Final = "workflow"
FORM: Final = 2
"""Raised when the same events give other rows: what an older release wrote is then rebuilt."""
VIEWS: Final[tuple[type[View], ...]] = (
    Instances,
    History,
    Definitions,
    Locks,
    Approvals,
    Channels,
    Stalls,
)


class Projection:
    """Applies events to the views of one database; knows SQL, and nothing of Kafka."""

    def __init__(self, engine: Engine) -> None:
        """Take the database; `resume` or `restart` come first."""
        self.places: dict[int, Place] = {}
        self._engine = engine
        self._views: list[View] = [view() for view in VIEWS]
        self._handled = frozenset().union(*(view.handles for view in VIEWS))

    def resume(self, source: Source, partitions: int) -> None:
        """Go on from the stored positions, or begin; refuse those of another log or form."""
        self._forget()
        with writing(self._engine) as connection:
            known = source_of(connection, NAME)
            if known is None:
                begin(connection, NAME, source, partitions)
            elif known != source:
                raise ProjectionError(_difference(known, source))
            self.places = places_of(connection, NAME)
        if len(self.places) != partitions:
            raise ProjectionError(
                f"the views know {len(self.places)} partitions and the topic has {partitions}: "
                "run `tidemill projection rebuild`"
            )

    def restart(self, source: Source, partitions: int) -> None:
        """Empty every view and begin at offset 0, in one transaction."""
        self._forget()
        with writing(self._engine) as connection:
            self.empty(connection, source, partitions)
            self.places = places_of(connection, NAME)

    @staticmethod
    def empty(connection: Connection, source: Source, partitions: int) -> None:
        """Empty every view, and set its positions to the beginning of this log."""
        for view in VIEWS:
            connection.execute(delete(view.table))
        begin(connection, NAME, source, partitions)

    def apply(self, events: Sequence[Event], ends: Mapping[int, int]) -> None:
        """Apply a chunk: rows and positions commit together, or not at all.

        Args:
            events: in the order of each partition's log.
            ends: offset by partition up to which the log holds nothing else now.

        Raises:
            PoisonEventError: an event cannot be applied; those before it in the chunk are.
            TakenOverError: another projector moved the positions.
        """
        try:
            self._apply(events, ends)
        except PoisonEventError as error:
            if error.index:
                self._apply(events[: error.index], {})
            raise

    def _apply(self, events: Sequence[Event], ends: Mapping[int, int]) -> None:
        after = self._after(events, ends)
        if not after:
            return
        try:
            with writing(self._engine) as connection:
                advance(connection, NAME, self.places, after)
                self._write(connection, events)
        except BaseException:
            self._forget()
            raise
        self.places.update(after)

    def _write(self, connection: Connection, events: Sequence[Event]) -> None:
        for view in self._views:
            view.load(connection, events)
        for index, event in enumerate(events):
            try:
                for view in self._views:
                    view.on(event)
            except PoisonEventError as error:
                error.index = index
                raise
        for view in self._views:
            view.save(connection)

    def _after(self, events: Sequence[Event], ends: Mapping[int, int]) -> dict[int, Place]:
        """Return the places after a chunk; the events' own numbers must have no gap."""
        after: dict[int, Place] = {}
        for index, event in enumerate(events):
            place = after.get(event.partition) or self.places[event.partition]
            try:
                self._follows(event, place)
            except PoisonEventError as error:
                error.index = index
                raise
            after[event.partition] = Place(event.offset + 1, event.envelope.position)
        for partition, offset in ends.items():
            place = after.get(partition) or self.places[partition]
            if offset > place.next_offset:
                after[partition] = Place(offset, place.number)
        return after

    def _follows(self, event: Event, place: Place) -> None:
        if event.offset < place.next_offset:
            raise refused(event, f"its offset is below {place.next_offset}, which is applied")
        if event.envelope.position != place.number + 1:
            raise refused(event, f"the view has the partition at number {place.number}")
        if type(event.body) not in self._handled:
            raise refused(event, "no view knows events of this type")

    def _forget(self) -> None:
        for view in self._views:
            view.forget()


def _difference(known: Source, found: Source) -> str:
    if known.form != found.form:
        return (
            f"the views were built by another release (form {known.form}, this one is "
            f"{found.form}): run `tidemill projection rebuild`"
        )
    return (
        f"the views were built from topic {known.topic} ({known.topic_id}) of cluster "
        f"{known.cluster_id}, and this is {found.topic} ({found.topic_id}) of {found.cluster_id}: "
        "take the database that belongs to it (TIDEMILL_DATABASE_URL), or run "
        "`tidemill projection rebuild`"
    )
