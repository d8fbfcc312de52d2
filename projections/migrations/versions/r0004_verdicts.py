"""The verdict on each version of a definition."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; of what was decided before, `tidemill projection rebuild` fills it."""
    column = sa.Column("verdict", sa.Text(), nullable=False, server_default="")
    with op.batch_alter_table("definitions") as table:
        table.add_column(column)


def downgrade() -> None:
    """Drop the column: what it held is in the log."""
    with op.batch_alter_table("definitions") as table:
        table.drop_column("verdict")
