"""Settings of the read side; environment variables `TIDEMILL_…`."""

from __future__ import annotations

from pydantic import Field
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from topics.settings import KafkaSettings

_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
_SUPPORTED = frozenset({"sqlite", "postgresql+psycopg"})


class ProjectionSettings(KafkaSettings):
    """Where the views are and how the projector reads."""

    database_url: str = Field(
        default="",
        description="SQL database of the views; empty: SQLite file tidemill.db in the data folder.",
    )
    chunk_events: int = Field(
        default=4_000, ge=1, description="Events of one SQL transaction, at most."
    )
    database_timeout: float = Field(
        default=10.0, gt=0, description="Seconds to wait for a database that is busy or away."
    )

    def url(self) -> URL:
        """Return the database's URL; `ValueError` where it is none that can be used."""
        if not self.database_url:
            return URL.create("sqlite", database=str(self.data_dir / "tidemill.db"))
        try:
            url = make_url(self.database_url)
        except ArgumentError as error:
            raise ValueError(f"TIDEMILL_DATABASE_URL: {error}") from None
        url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
        if url.drivername not in _SUPPORTED:
            raise ValueError(
                f"TIDEMILL_DATABASE_URL names {url.drivername!r}: use sqlite:///FILE or "
                "postgresql://USER@HOST/DATABASE"
            )
        return url
