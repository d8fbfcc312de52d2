"""How far a projection is, kept beside its rows and moved in their transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from projections.errors import BadTokenError, TakenOverError
from projections.tables import positions, projections


class Place(NamedTuple):
    """Where a projection is in one partition."""

    next_offset: int
    """Kafka offset to read next."""
    number: int
    """Number of the last event applied, 0 before the first."""


START = Place(0, 0)


class Source(NamedTuple):
    """Which log the positions mean, and by which rules the rows were made."""

    cluster_id: str
    topic: str
    topic_id: str
    form: int


def source_of(connection: Connection, name: str) -> Source | None:
    """Return what a projection was built from; None before its first start."""
    t = projections.c
    query = select(t.cluster_id, t.topic, t.topic_id, t.form).where(t.name == name)
    row = connection.execute(query).first()
    return None if row is None else Source(*row)


def places_of(connection: Connection, name: str) -> dict[int, Place]:
    """Return a projection's places by partition."""
    t = positions.c
    query = (
        select(t.partition, t.next_offset, t.number)
        .where(t.projection == name)
        .order_by(t.partition)
    )
    return {row.partition: Place(row.next_offset, row.number) for row in connection.execute(query)}


def begin(connection: Connection, name: str, source: Source, partitions: int) -> None:
    """Start a projection of this log at its beginning; what was known before is forgotten."""
    connection.execute(delete(positions).where(positions.c.projection == name))
    connection.execute(delete(projections).where(projections.c.name == name))
    connection.execute(insert(projections), [{"name": name, **source._asdict()}])
    rows = [{"projection": name, "partition": p, **START._asdict()} for p in range(partitions)]
    connection.execute(insert(positions), rows)


def advance(
    connection: Connection,
    name: str,
    before: Mapping[int, Place],
    after: Mapping[int, Place],
) -> None:
    """Move positions that are still where this projector left them; `TakenOverError` otherwise.

    First statement of a chunk's transaction: it takes the lock that keeps a second projector
    out, and nothing is read for the fold before it.
    """
    t = positions.c
    for partition, place in sorted(after.items()):
        known = before[partition]
        query = (
            update(positions)
            .where(
                t.projection == name,
                t.partition == partition,
                t.next_offset == known.next_offset,
                t.number == known.number,
            )
            .values(place._asdict())
        )
        if connection.execute(query).rowcount != 1:
            raise TakenOverError(
                f"another projector writes to this database: partition {partition} is not at "
                f"offset {known.next_offset} any more. One is enough, and this one stops"
            )


def token(places: Mapping[int, Place]) -> str:
    """Return the position token of several partitions: `partition:number,…`."""
    return ",".join(f"{partition}:{place.number}" for partition, place in sorted(places.items()))


def parse_token(text: str) -> dict[int, int]:
    """Return number by partition; `BadTokenError` where the text is no position token."""
    wanted: dict[int, int] = {}
    for part in text.split(","):
        partition, colon, number = part.strip().partition(":")
        if not (colon and partition.isdecimal() and number.isdecimal()):
            raise BadTokenError(
                f"{text!r} is no position: a reply's looks like 3:1207, and several are "
                "separated by commas"
            )
        wanted[int(partition)] = max(int(number), wanted.get(int(partition), 0))
    return wanted
