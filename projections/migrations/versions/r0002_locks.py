"""The view of locks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _numbers(*names: str, nullable: bool = False) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=nullable) for name in names]


def upgrade() -> None:
    """Create the table; no event of former releases belongs in it."""
    op.create_table(
        "locks",
        *_texts("tenant", "id", "incarnation", "state"),
        *_numbers("sequence"),
        *_texts("owner", "aggregate_type", "aggregate_id", "aggregate_incarnation"),
        *_numbers("section", "token", "acquired_at", "expires_at"),
        *_numbers("freed_at", nullable=True),
        *_texts("how", "reason", "waiting"),
        *_numbers("updated_at"),
        sa.Column("partition", sa.Integer(), nullable=False),
        *_numbers("position"),
        sa.PrimaryKeyConstraint("tenant", "id", name="pk_locks"),
    )
    op.create_index("ix_locks_tenant_state_id", "locks", ["tenant", "state", "id"])


def downgrade() -> None:
    """Drop the table: what it held is in the log."""
    op.drop_table("locks")
