"""Every table of the read side. Change one, and add a migration beside the others.

Moments are milliseconds since 1970, as in the events. JSON is text: PostgreSQL's `jsonb` refuses
what JSON allows (U+0000) and does not give back what was put in.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, Table, Text

from projections.columns import Words

METADATA = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"}
)

projections = Table(
    "projections",
    METADATA,
    Column("name", Text, primary_key=True),
    # Meaning of the rows: one of another number was written by other rules, and is rebuilt.
    Column("form", Integer, nullable=False),
    Column("cluster_id", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("topic_id", Text, nullable=False),
)

positions = Table(
    "projection_positions",
    METADATA,
    Column("projection", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("next_offset", BigInteger, nullable=False),
    # The last event's own number in its partition: what a position token names.
    Column("number", BigInteger, nullable=False),
)

instances = Table(
    "instances",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("incarnation", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("definition_id", Text, nullable=False),
    Column("definition_version", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Words, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("reason", Words, nullable=False),
    Column("parent_id", Text, nullable=False),
    Column("parent_incarnation", Text, nullable=False),
    Column("parent_call", BigInteger, nullable=False),
    Column("tokens", Text, nullable=False),
    Column("incidents", Text, nullable=False),
    Column("open_incidents", Integer, nullable=False),
    Column("execution_path", Text, nullable=False),
    Column("error_stack", Text, nullable=False),
    Column("variables", Text, nullable=False),
    Column("result", Text, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("context_metadata", Text, nullable=False),
    Column("correlation_id", Words, nullable=False),
    Column("activities_executed", BigInteger, nullable=False),
    Column("activities_failed", BigInteger, nullable=False),
    Column("retries", BigInteger, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("position", BigInteger, nullable=False),
    Index(None, "created_at", "tenant", "id"),
    Index(None, "state", "created_at"),
    Index(None, "definition_id", "created_at"),
    Index(None, "parent_id"),
)

history = Table(
    "history",
    METADATA,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("log_offset", BigInteger, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("aggregate_type", Text, nullable=False),
    Column("aggregate_id", Text, nullable=False),
    Column("incarnation", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    Column("node", Words, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("actor", Words, nullable=False),
    Column("causation_id", Words, nullable=False),
    Column("correlation_id", Words, nullable=False),
    Column("data", Text, nullable=False),
    Index(None, "aggregate_id", "position"),
    sqlite_with_rowid=False,
)

definitions = Table(
    "definitions",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("source", Words, nullable=False),
    Column("code", Words, nullable=False),
    Column("message", Words, nullable=False),
    Column("submitted_at", BigInteger, nullable=False),
    Column("submitted_by", Words, nullable=False),
    Column("decided_at", BigInteger),
    Column("partition", Integer, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("deleted_at", BigInteger),
    Column("deleted_by", Words, nullable=False),
    Column("reason", Words, nullable=False),
)

locks = Table(
    "locks",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("incarnation", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("owner", Words, nullable=False),
    Column("aggregate_type", Text, nullable=False),
    Column("aggregate_id", Text, nullable=False),
    Column("aggregate_incarnation", Text, nullable=False),
    Column("section", BigInteger, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("acquired_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("freed_at", BigInteger),
    Column("how", Text, nullable=False),
    Column("reason", Words, nullable=False),
    Column("waiting", Text, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("position", BigInteger, nullable=False),
    Index(None, "tenant", "state", "id"),
)

approvals = Table(
    "approvals",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("instance", Text, primary_key=True),
    Column("incarnation", Text, primary_key=True),
    Column("approval", BigInteger, primary_key=True, autoincrement=False),
    Column("node", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("title", Words, nullable=False),
    Column("description", Words, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("assignee", Words, nullable=False),
    Column("candidate_users", Text, nullable=False),
    Column("candidate_groups", Text, nullable=False),
    Column("outcomes", Text, nullable=False),
    Column("input", Text, nullable=False),
    Column("form", Text, nullable=False),
    Column("documents", Text, nullable=False),
    Column("due", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("claimant", Words, nullable=False),
    Column("owner", Words, nullable=False),
    # Who has it now: the claimant, else the assignee.
    Column("whose", Words, nullable=False),
    Column("level", Integer, nullable=False),
    Column("comments", Text, nullable=False),
    Column("outcome", Words, nullable=False),
    Column("data", Text, nullable=False),
    Column("completed_by", Words, nullable=False),
    Column("reason", Words, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("position", BigInteger, nullable=False),
    Index(None, "tenant", "state", "whose"),
)

stalls = Table(
    "stalls",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("aggregate_type", Text, primary_key=True),
    Column("aggregate_id", Text, primary_key=True),
    Column("incident", BigInteger, primary_key=True, autoincrement=False),
    Column("incarnation", Text, nullable=False),
    Column("command", Text, nullable=False),
    Column("code", Words, nullable=False),
    Column("message", Words, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("position", BigInteger, nullable=False),
)

channels = Table(
    "channels",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("incarnation", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("name", Words, nullable=False),
    Column("key", Words, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("published", BigInteger, nullable=False),
    Column("taken", BigInteger, nullable=False),
    Column("expired", BigInteger, nullable=False),
    Column("last_id", Words, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    # How many they are: what is at rest is not listed.
    Column("waiting", Integer, nullable=False),
    Column("kept", Integer, nullable=False),
    Column("subscribers", Text, nullable=False),
    Column("messages", Text, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("position", BigInteger, nullable=False),
)
