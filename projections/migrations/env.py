"""What Alembic runs: upgrades through the connection that `projections.migrate` hands over."""

from __future__ import annotations

from alembic import context

from projections.tables import METADATA

VERSION_TABLE = "tidemill_version"


def run() -> None:
    """Upgrade inside the caller's transaction: all revisions, or none."""
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=METADATA,
        version_table=VERSION_TABLE,
        transactional_ddl=True,
    )
    context.run_migrations()


if __name__ == "env_py":  # Alembic's name for this file; a plain import does nothing.
    run()
