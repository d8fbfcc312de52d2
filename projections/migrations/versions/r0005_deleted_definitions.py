"""When, by whom and why a version of a definition was deleted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns: nothing was deleted before."""
    with op.batch_alter_table("definitions") as table:
        table.add_column(sa.Column("deleted_at", sa.BigInteger()))
        table.add_column(sa.Column("deleted_by", sa.Text(), nullable=False, server_default=""))
        table.add_column(sa.Column("reason", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    """Drop the columns: what they held is in the log."""
    with op.batch_alter_table("definitions") as table:
        for name in ("deleted_at", "deleted_by", "reason"):
            table.drop_column(name)
