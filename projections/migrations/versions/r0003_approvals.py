"""The view of approvals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _numbers(*names: str, nullable: bool = False) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=nullable) for name in names]


def upgrade() -> None:
    """Create the table; no event of former releases belongs in it."""
    op.create_table(
        "approvals",
        *_texts("tenant", "instance", "incarnation"),
        *_numbers("approval"),
        *_texts("node", "state", "title", "description"),
        sa.Column("priority", sa.Integer(), nullable=False),
        *_texts("assignee", "candidate_users", "candidate_groups", "outcomes"),
        *_texts("input", "form", "documents"),
        *_numbers("due", "created_at", "updated_at"),
        *_numbers("ended_at", nullable=True),
        *_texts("claimant", "owner", "whose"),
        sa.Column("level", sa.Integer(), nullable=False),
        *_texts("comments", "outcome", "data", "completed_by", "reason"),
        sa.Column("partition", sa.Integer(), nullable=False),
        *_numbers("position"),
        sa.PrimaryKeyConstraint(
            "tenant", "instance", "incarnation", "approval", name="pk_approvals"
        ),
    )
    op.create_index("ix_approvals_tenant_state_whose", "approvals", ["tenant", "state", "whose"])


def downgrade() -> None:
    """Drop the table: what it held is in the log."""
    op.drop_table("approvals")
