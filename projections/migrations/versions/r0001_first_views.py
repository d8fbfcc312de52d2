"""Positions and the first views: instances, history, definitions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _numbers(*names: str, nullable: bool = False) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=nullable) for name in names]


def _integer(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), autoincrement=False, nullable=False)


def _key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=f"pk_{table}")


def _index(table: str, *columns: str) -> None:
    op.create_index(f"ix_{table}_{'_'.join(columns)}", table, list(columns))


def upgrade() -> None:
    """Create every table."""
    _positions()
    _instances()
    _history()
    _definitions()


def _positions() -> None:
    op.create_table(
        "projections",
        *_texts("name"),
        _integer("form"),
        *_texts("cluster_id", "topic", "topic_id"),
        _key("projections", "name"),
    )
    op.create_table(
        "projection_positions",
        *_texts("projection"),
        _integer("partition"),
        *_numbers("next_offset", "number"),
        _key("projection_positions", "projection", "partition"),
    )


def _instances() -> None:
    op.create_table(
        "instances",
        *_texts("tenant", "id", "incarnation", "state"),
        *_numbers("sequence"),
        *_texts("definition_id", "definition_version"),
        *_numbers("created_at"),
        *_texts("created_by"),
        *_numbers("updated_at"),
        *_numbers("ended_at", nullable=True),
        *_texts("reason", "parent_id", "parent_incarnation"),
        *_numbers("parent_call"),
        *_texts("tokens", "incidents"),
        _integer("open_incidents"),
        *_texts("execution_path", "error_stack", "variables", "result", "metadata"),
        *_texts("context_metadata", "correlation_id"),
        *_numbers("activities_executed", "activities_failed", "retries"),
        _integer("partition"),
        *_numbers("position"),
        _key("instances", "tenant", "id"),
    )
    _index("instances", "created_at", "tenant", "id")
    _index("instances", "state", "created_at")
    _index("instances", "definition_id", "created_at")
    _index("instances", "parent_id")


def _history() -> None:
    op.create_table(
        "history",
        _integer("partition"),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        *_numbers("log_offset"),
        *_texts("tenant", "aggregate_type", "aggregate_id", "incarnation"),
        *_numbers("sequence"),
        *_texts("type", "node"),
        *_numbers("time"),
        *_texts("actor", "causation_id", "correlation_id", "data"),
        _key("history", "partition", "position"),
        sqlite_with_rowid=False,
    )
    _index("history", "aggregate_id", "position")


def _definitions() -> None:
    op.create_table(
        "definitions",
        *_texts("tenant", "id", "version", "state"),
        *_numbers("sequence"),
        *_texts("source", "code", "message"),
        *_numbers("submitted_at"),
        *_texts("submitted_by"),
        *_numbers("decided_at", nullable=True),
        _integer("partition"),
        *_numbers("position"),
        _key("definitions", "tenant", "id", "version"),
    )


def downgrade() -> None:
    """Drop every table: what they held is in the log."""
    for table in ("definitions", "history", "instances", "projection_positions", "projections"):
        op.drop_table(table)
