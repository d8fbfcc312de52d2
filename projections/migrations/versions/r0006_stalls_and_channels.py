"""The views of what a defect has stopped, and of channels.

They begin with the events that come from now on; `tidemill projection rebuild` reads the others.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _numbers(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names]


def _small(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.Integer(), nullable=False) for name in names]


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "stalls",
        *_texts("tenant", "aggregate_type", "aggregate_id"),
        *_numbers("incident"),
        *_texts("incarnation", "command", "code", "message"),
        *_numbers("since"),
        *_small("partition"),
        *_numbers("position"),
        sa.PrimaryKeyConstraint(
            "tenant", "aggregate_type", "aggregate_id", "incident", name="pk_stalls"
        ),
    )
    op.create_table(
        "channels",
        *_texts("tenant", "id", "incarnation", "kind", "name", "key"),
        *_numbers("sequence", "published", "taken", "expired"),
        *_texts("last_id"),
        *_numbers("last_at"),
        *_small("waiting", "kept"),
        *_texts("subscribers", "messages"),
        *_numbers("updated_at"),
        *_small("partition"),
        *_numbers("position"),
        sa.PrimaryKeyConstraint("tenant", "id", name="pk_channels"),
    )


def downgrade() -> None:
    """Drop the tables: what they held is in the log."""
    op.drop_table("channels")
    op.drop_table("stalls")
