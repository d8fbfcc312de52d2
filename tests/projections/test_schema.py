"""The migrated schema is the one that the code reads, on every database."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from projections.errors import ProjectionError, ViewsNotReadyError
from projections.migrate import head, revision, upgrade
from projections.migrations.env import VERSION_TABLE
from projections.reader import Reader
from projections.store import open_engine, reading, writing
from projections.tables import METADATA


def test_the_migrated_schema_is_the_declared_one(sql):
    upgrade(sql)
    with reading(sql) as connection:
        options = {"version_table": VERSION_TABLE, "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, METADATA) == []
        assert revision(connection) == head()


def test_every_declared_table_and_index_is_created(sql):
    upgrade(sql)
    found = inspect(sql)
    for table in METADATA.tables.values():
        names = {one["name"] for one in found.get_indexes(table.name)}
        assert {index.name for index in table.indexes} == names
        assert found.get_pk_constraint(table.name)["constrained_columns"] == [
            column.name for column in table.primary_key
        ]


def test_an_upgrade_that_fails_leaves_nothing(sql):
    with writing(sql) as connection:
        connection.execute(text("CREATE TABLE history (x integer)"))
    with pytest.raises(Exception, match="history"):
        upgrade(sql)
    assert inspect(sql).get_table_names() == ["history"]


def test_starters_at_the_same_time_upgrade_once(sql, database):
    engines = [open_engine(database) for _ in range(4)]
    with ThreadPoolExecutor(len(engines)) as pool:
        list(pool.map(upgrade, engines))
    for engine in engines:
        engine.dispose()
    with reading(sql) as connection:
        assert revision(connection) == head()


def test_a_newer_releases_schema_is_refused_with_its_name(sql, database):
    upgrade(sql)
    with writing(sql) as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(ProjectionError, match="9999, which a newer release made"):
        upgrade(sql)
    with pytest.raises(ViewsNotReadyError, match="9999"):
        Reader(database)


def test_a_database_without_views_says_who_makes_them(sql, database):
    with writing(sql) as connection:
        connection.execute(text("CREATE TABLE other (x integer)"))
    with pytest.raises(ViewsNotReadyError, match="tidemill project"):
        Reader(database)
