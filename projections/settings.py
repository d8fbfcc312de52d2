"""Settings of the read side; environment variables `TIDEMILL_…`."""

from __future__ import annotations

from pydantic import Field, field_validator
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from topics.settings import KafkaSettings

_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
_SUPPORTED = frozenset({"sqlite", "postgresql+psycopg"})
_EXAMPLES = "use sqlite:///FILE or postgresql://USER@HOST/DATABASE"


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

    @field_validator("database_url")
    @classmethod
    def _usable(cls, value: str) -> str:
        """Refuse what no driver takes, and choose the driver."""
        if not value:
            return value
        try:
            url = make_url(value)
        except ArgumentError:
            raise ValueError(f"{value!r} is no database URL: {_EXAMPLES}") from None
        url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
        if url.drivername not in _SUPPORTED:
            raise ValueError(f"{url.drivername!r} is not supported: {_EXAMPLES}")
        if url.drivername == "sqlite" and url.database in {None, "", ":memory:"}:
            raise ValueError("the views need a file that other processes can open: sqlite:///FILE")
        return url.render_as_string(hide_password=False)

    def url(self) -> URL:
        """Return the database's URL."""
        if self.database_url:
            return make_url(self.database_url)
        return URL.create("sqlite", database=str(self.data_dir / "tidemill.db"))
