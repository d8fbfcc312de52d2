"""The database: how it is opened, and its two kinds of transaction."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError

from projections.errors import ViewsNotReadyError
from projections.settings import ProjectionSettings

_WRITES = "tidemill_writes"
_LOCKED_SECONDS = 0.02


def open_engine(settings: ProjectionSettings) -> Engine:
    """Return an engine for the settings' database; nothing is connected yet."""
    url = settings.url()
    if url.get_backend_name() == "sqlite":
        return _sqlite(url, settings.database_timeout)
    return _postgres(url, settings.database_timeout)


def _sqlite(url: URL, timeout: float) -> Engine:
    if url.database:
        Path(url.database).expanduser().parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": timeout})

    def connected(connection: Any, _record: object) -> None:
        # We say BEGIN ourselves: the driver would open no transaction for a read or for DDL.
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout={int(timeout * 1000)}")
        _write_ahead(connection, timeout)
        # Not synced at each commit: after a power cut the last commits may be gone, rows and
        # positions together, and are read from Kafka again. The log is the truth.
        connection.execute("PRAGMA synchronous=NORMAL")
        # A checkpoint syncs, and whoever commits waits for it: at 64 MiB instead of 4, seldom.
        connection.execute("PRAGMA wal_autocheckpoint=16000")
        connection.execute("PRAGMA foreign_keys=OFF")

    def begin(connection: Connection) -> None:
        # A writer takes the lock at once: upgraded later, it could find its snapshot outdated.
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begin)
    return engine


def _write_ahead(connection: Any, timeout: float) -> None:
    """Switch the file to WAL; where two processes do it at once, SQLite does not wait by itself."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(_LOCKED_SECONDS)


def _postgres(url: URL, timeout: float) -> Engine:
    arguments = {
        "connect_timeout": max(2, int(timeout)),
        "application_name": "tidemill",
        # As with SQLite: a crash of the server may lose the last commits, never half of one.
        "options": f"-c synchronous_commit=off -c lock_timeout={int(timeout * 1000)}",
    }
    return create_engine(url, connect_args=arguments, pool_pre_ping=True)


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that writes; committed at the end, rolled back on an error."""
    with engine.connect().execution_options(**{_WRITES: True}) as connection, connection.begin():
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Open a transaction whose statements all see the same state of the database.

    Raises:
        ViewsNotReadyError: the database cannot be reached.
    """
    try:
        with _snapshot(engine) as connection:
            yield connection
    except OperationalError as error:
        raise ViewsNotReadyError(
            f"the database cannot be read ({str(error.orig).strip()}): is it up, and is "
            "TIDEMILL_DATABASE_URL right?"
        ) from error


@contextmanager
def _snapshot(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        with connection.begin():
            yield connection
