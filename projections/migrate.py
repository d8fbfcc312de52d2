"""The database's schema: brought to this release, or found to be of another."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from projections.errors import ProjectionError, ViewsNotReadyError
from projections.migrations.env import VERSION_TABLE
from projections.store import writing

_LOCK = 0x7469_6465  # Any number, the same in every release: two starters wait for each other.


def upgrade(engine: Engine) -> None:
    """Bring the schema to this release; safe when several processes start at once."""
    with writing(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK})
        present = revision(connection)
        if present == head():
            return
        if present is not None and present not in _known():
            raise ProjectionError(
                f"the database has schema {present}, which a newer release made: run that release, "
                "or take another database (TIDEMILL_DATABASE_URL)"
            )
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def check(connection: Connection) -> None:
    """Refuse to read from a database that has no views, or another release's."""
    present = revision(connection)
    if present is None:
        raise ViewsNotReadyError("there are no views yet: run `tidemill project` or `tidemill up`")
    if present != head():
        raise ViewsNotReadyError(
            f"the database has schema {present}, this release reads {head()}: run "
            "`tidemill project` of this release"
        )


def revision(connection: Connection) -> str | None:
    """Return the database's revision; None for an empty one."""
    options = {"version_table": VERSION_TABLE}
    return MigrationContext.configure(connection, opts=options).get_current_revision()


def head() -> str:
    """Return the newest revision of this release."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def _known() -> set[str]:
    return {one.revision for one in ScriptDirectory.from_config(_config()).walk_revisions()}


def _config() -> Config:
    config = Config()
    folder = str(Path(__file__).with_name("migrations"))
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
