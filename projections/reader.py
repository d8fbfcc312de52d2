"""Questions to the views: every answer names the position that it reflects."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Final, Generic, NamedTuple, Self, TypeVar

from sqlalchemy import Connection

from projections.approvals import Approval, Wanted, find_approval, list_approvals
from projections.channel import Channel
from projections.channels import find_channel, list_channels
from projections.definitions import Version, versions
from projections.errors import BadTokenError, NotReachedError, ViewsNotReadyError
from projections.history import Entry, entries
from projections.instance import Instance
from projections.instances import Filter, Page, find, page
from projections.locks import Lock, find_lock, list_locks
from projections.migrate import check
from projections.positions import Place, Source, parse_token, places_of, source_of, token
from projections.projection import NAME
from projections.settings import ProjectionSettings
from projections.stalls import Stall, list_stalls
from projections.store import open_engine, reading
from schemas.ids import DEFAULT_TENANT, routing_key
from schemas.partition import partition_of

T = TypeVar("T")
_FIRST_PAUSE: Final = 0.005
_LONGEST_PAUSE: Final = 0.05


class Answer(NamedTuple, Generic[T]):
    """What was asked for, and how far the view was when it answered."""

    value: T
    position: str
    """Token of the partitions that the question touches."""


class Status(NamedTuple):
    """A projection as its database has it."""

    source: Source
    places: dict[int, Place]


class Reader:
    """Asks the views of one database; use it in a `with` block."""

    def __init__(self, settings: ProjectionSettings) -> None:
        """Open the database; `ViewsNotReadyError` where it has no views, or another release's."""
        url = settings.url()
        if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
            raise ViewsNotReadyError(
                f"there are no views at {url.database}: run `tidemill project` or `tidemill up`"
            )
        self._engine = open_engine(settings)
        try:
            with self._reading() as connection:
                check(connection)
        except BaseException:
            self._engine.dispose()
            raise

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the database."""
        self._engine.dispose()

    def _reading(self) -> AbstractContextManager[Connection]:
        return reading(self._engine)

    def status(self) -> Status:
        """Return what the views were built from, and how far they are."""
        with self._reading() as connection:
            source = source_of(connection, NAME)
            if source is None:
                raise ViewsNotReadyError("no projector has read anything: run `tidemill project`")
            return Status(source, places_of(connection, NAME))

    def wait(self, after: str, seconds: float) -> None:
        """Wait until the views have passed a position token, one poll at least.

        Raises:
            NotReachedError: the time is over.
            BadTokenError: the token is none, or names a partition that does not exist.
        """
        wanted = parse_token(after)
        deadline, pause = time.monotonic() + seconds, _FIRST_PAUSE
        while True:
            with self._reading() as connection:
                places = places_of(connection, NAME)
            unknown = [p for p in wanted if places and p not in places]
            if unknown:
                raise BadTokenError(f"{after!r} names partition {unknown[0]}, which does not exist")
            if places and all(places[p].number >= number for p, number in wanted.items()):
                return
            if time.monotonic() >= deadline:
                reached = {p: places[p] for p in wanted if p in places}
                raise NotReachedError(after, token(reached) or "nothing yet", seconds)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def instance(self, instance_id: str, tenant: str = DEFAULT_TENANT) -> Answer[Instance | None]:
        """Return an instance's row; None where the view has none."""
        with self._reading() as connection:
            found = find(connection, instance_id, tenant)
            return Answer(found, self._own(connection, tenant, instance_id))

    def instances(self, wanted: Filter, limit: int = 50, cursor: str = "") -> Answer[Page]:
        """List instances, newest first."""
        with self._reading() as connection:
            found = page(connection, wanted, limit, cursor)
            return Answer(found, token(places_of(connection, NAME)))

    def history(
        self,
        instance_id: str,
        tenant: str = DEFAULT_TENANT,
        *,
        after: int = 0,
        limit: int = 1_000,
    ) -> Answer[list[Entry]]:
        """Return what happened to an instance, past a position, oldest first."""
        with self._reading() as connection:
            found = entries(connection, instance_id, tenant, after=after, limit=limit)
            return Answer(found, self._own(connection, tenant, instance_id))

    def definitions(
        self, definition_id: str = "", tenant: str = DEFAULT_TENANT
    ) -> Answer[list[Version]]:
        """Return the versions of one definition, or of all."""
        with self._reading() as connection:
            found = versions(connection, tenant=tenant, definition_id=definition_id)
            if definition_id:
                return Answer(found, self._own(connection, tenant, definition_id))
            return Answer(found, token(places_of(connection, NAME)))

    def lock(self, name: str, tenant: str = DEFAULT_TENANT) -> Answer[Lock | None]:
        """Return a lock's row; None where the view has none."""
        with self._reading() as connection:
            found = find_lock(connection, name, tenant)
            return Answer(found, self._own(connection, tenant, name))

    def locks(
        self, tenant: str = DEFAULT_TENANT, *, free: bool = False, after: str = "", limit: int = 50
    ) -> Answer[list[Lock]]:
        """List the locks that are held, with `free` all, in order of name past `after`."""
        with self._reading() as connection:
            found = list_locks(connection, tenant=tenant, free=free, after=after, limit=limit)
            return Answer(found, token(places_of(connection, NAME)))

    def approval(
        self, instance_id: str, number: int, tenant: str = DEFAULT_TENANT
    ) -> Answer[Approval | None]:
        """Return an approval's row; None where the view has none."""
        with self._reading() as connection:
            found = find_approval(connection, instance_id, number, tenant)
            return Answer(found, self._own(connection, tenant, instance_id))

    def approvals(self, wanted: Wanted, limit: int = 50) -> Answer[list[Approval]]:
        """List approvals, the most urgent first."""
        with self._reading() as connection:
            found = list_approvals(connection, wanted, limit)
            return Answer(found, token(places_of(connection, NAME)))

    def channel(self, channel: str, tenant: str = DEFAULT_TENANT) -> Answer[Channel | None]:
        """Return a channel's row, by its id; None where the view has none."""
        with self._reading() as connection:
            found = find_channel(connection, channel, tenant)
            return Answer(found, self._own(connection, tenant, channel))

    def channels(
        self,
        tenant: str = DEFAULT_TENANT,
        *,
        at_rest: bool = False,
        after: str = "",
        limit: int = 50,
    ) -> Answer[list[Channel]]:
        """List the channels where something waits, with `at_rest` all, by id past `after`."""
        with self._reading() as connection:
            found = list_channels(
                connection, tenant=tenant, at_rest=at_rest, after=after, limit=limit
            )
            return Answer(found, token(places_of(connection, NAME)))

    def stalls(
        self, tenant: str = DEFAULT_TENANT, *, aggregate_type: str = "", limit: int = 50
    ) -> Answer[list[Stall]]:
        """List what a defect has stopped, the oldest first."""
        with self._reading() as connection:
            found = list_stalls(
                connection, tenant=tenant, aggregate_type=aggregate_type, limit=limit
            )
            return Answer(found, token(places_of(connection, NAME)))

    @staticmethod
    def _own(connection: Connection, tenant: str, aggregate_id: str) -> str:
        """Return the position of the one partition that an aggregate lives on."""
        places: Mapping[int, Place] = places_of(connection, NAME)
        if not places:
            return ""
        partition = partition_of(routing_key(tenant, aggregate_id).encode(), len(places))
        return token({partition: places[partition]})
