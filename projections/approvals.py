"""The view of approvals: one row each, whose it is, what was said, what was decided."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, func, or_, select

from projections.columns import EMPTY, raw, text
from projections.events import Event, refused
from projections.tables import approvals as table
from projections.view import upsert
from schemas import approval_events as e
from schemas.ids import DEFAULT_TENANT

OPEN, CLAIMED, COMPLETED, CANCELLED = "open", "claimed", "completed", "cancelled"
STATES: Final = (OPEN, CLAIMED, COMPLETED, CANCELLED)
WAITING: Final = (OPEN, CLAIMED)
KEPT_COMMENTS: Final = 100
"""The last ones; all are in the history."""
Key = tuple[str, str, str, int]
"""Tenant, instance, its incarnation, and the approval's number."""


class Comment(msgspec.Struct):
    """What somebody said."""

    author: str
    text: str
    time: int


class Approval(msgspec.Struct):
    """An approval as the view shows it. Times are milliseconds since 1970."""

    tenant: str
    instance: str
    incarnation: str
    approval: int
    """Sequence of its `approval.requested` event."""
    node: str
    state: str
    """`open`, `claimed`, `completed` or `cancelled`."""
    title: str
    description: str
    priority: int
    assignee: str
    candidate_users: list[str]
    candidate_groups: list[str]
    outcomes: list[str]
    input: msgspec.Raw
    form: msgspec.Raw
    """A JSON Schema; null: any object."""
    documents: list[e.Document]
    due: int
    """0: none."""
    created_at: int
    partition: int = 0
    position: int = 0
    updated_at: int = 0
    ended_at: int | None = None
    claimant: str = ""
    owner: str = ""
    """Who delegated it."""
    whose: str = ""
    """Who has it now: the claimant, else the assignee."""
    level: int = 0
    """Escalations that there were."""
    comments: list[Comment] = []
    outcome: str = ""
    data: msgspec.Raw = EMPTY
    completed_by: str = ""
    reason: str = ""
    """Why it was cancelled; the comment with which it was decided."""


_JSON: Final[dict[str, Callable[[str], Any]]] = {
    "candidate_users": msgspec.json.Decoder(list[str]).decode,
    "candidate_groups": msgspec.json.Decoder(list[str]).decode,
    "outcomes": msgspec.json.Decoder(list[str]).decode,
    "documents": msgspec.json.Decoder(list[e.Document]).decode,
    "comments": msgspec.json.Decoder(list[Comment]).decode,
    "input": lambda value: msgspec.Raw(value.encode()),
    "form": lambda value: msgspec.Raw(value.encode()),
    "data": lambda value: msgspec.Raw(value.encode()),
}


class Wanted(msgspec.Struct, frozen=True):
    """Which approvals are asked for; what is empty is no condition."""

    tenant: str = DEFAULT_TENANT
    states: tuple[str, ...] = WAITING
    person: str = ""
    """Has it now, or may claim it by name."""
    groups: tuple[str, ...] = ()
    """Nobody has claimed it, and one of these groups may."""
    instance: str = ""
    due_before: int = 0


class Approvals:
    """Implements `View`."""

    name = "approvals"
    table = table

    def __init__(self) -> None:
        """Start with nothing in memory."""
        self._rows: dict[Key, Approval | None] = {}
        self._changed: set[Key] = set()

    handles: frozenset[type[msgspec.Struct]] = frozenset(
        {
            e.ApprovalRequested,
            e.ApprovalClaimed,
            e.ApprovalReleased,
            e.ApprovalDelegated,
            e.ApprovalAssigned,
            e.ApprovalCommented,
            e.ApprovalDocumentAttached,
            e.ApprovalDocumentDetached,
            e.ApprovalEscalated,
            e.ApprovalCompleted,
            e.ApprovalCancelled,
        }
    )

    def load(self, connection: Connection, events: Sequence[Event]) -> None:
        """Read the rows of these events' approvals."""
        for event in events:
            if type(event.body) in self.handles:
                key = _key(event)
                if key not in self._rows:
                    self._rows[key] = _find(connection, key)

    def on(self, event: Event) -> None:
        """Apply one event."""
        body = event.body
        if type(body) not in self.handles:
            return
        key, time = _key(event), event.envelope.time
        if isinstance(body, e.ApprovalRequested):
            row = self._rows[key] = _requested(key, body, time)
        else:
            found = self._rows[key]
            if found is None:
                raise refused(event, "its approval is not in the view")
            row = found
            CHANGES[type(body)](row, body, time)
        row.whose = row.claimant or row.assignee
        row.updated_at = time
        row.partition, row.position = event.partition, event.envelope.position
        self._changed.add(key)

    def save(self, connection: Connection) -> None:
        """Write each changed approval once."""
        found = [self._rows[key] for key in self._changed]
        rows = [_written(row) for row in found if row is not None]
        if rows:
            connection.execute(upsert(connection, table), rows)
        self.forget()

    def forget(self) -> None:
        """Drop all rows."""
        self._rows.clear()
        self._changed.clear()


def _key(event: Event) -> Key:
    envelope = event.envelope
    number = getattr(event.body, "approval", envelope.sequence)
    return envelope.context.tenant, envelope.aggregate_id, envelope.incarnation, number


def _written(row: Approval) -> dict[str, Any]:
    values = msgspec.structs.asdict(row)
    return {**values, **{name: text(values[name]) for name in _JSON}}


def _requested(key: Key, body: e.ApprovalRequested, time: int) -> Approval:
    return Approval(
        *key,
        body.node,
        OPEN,
        body.title,
        body.description,
        body.priority,
        body.assignee,
        body.candidate_users,
        body.candidate_groups,
        body.outcomes,
        raw(body.input),
        raw(body.form),
        list(body.documents),
        body.due,
        time,
    )


def _with(row: Approval, claimant: str, owner: str = "") -> None:
    row.claimant, row.owner = claimant, owner
    row.state = CLAIMED if claimant else OPEN


def _claimed(row: Approval, body: e.ApprovalClaimed, _: int) -> None:
    _with(row, body.claimant)


def _released(row: Approval, body: e.ApprovalReleased, _: int) -> None:
    _with(row, body.back_to)


def _delegated(row: Approval, body: e.ApprovalDelegated, _: int) -> None:
    _with(row, body.claimant, body.owner)


def _assigned(row: Approval, body: e.ApprovalAssigned | e.ApprovalEscalated, _: int) -> None:
    row.assignee = body.assignee
    row.candidate_users, row.candidate_groups = body.candidate_users, body.candidate_groups
    _with(row, "")


def _escalated(row: Approval, body: e.ApprovalEscalated, time: int) -> None:
    row.level = body.level
    if body.reassigned:
        _assigned(row, body, time)


def _commented(row: Approval, body: e.ApprovalCommented, time: int) -> None:
    comment = Comment(body.author, body.text, time)
    row.comments = [*row.comments, comment][-KEPT_COMMENTS:]


def _attached(row: Approval, body: e.ApprovalDocumentAttached, _: int) -> None:
    row.documents = [*row.documents, body.document]


def _detached(row: Approval, body: e.ApprovalDocumentDetached, _: int) -> None:
    row.documents = [one for one in row.documents if one.name != body.name]


def _completed(row: Approval, body: e.ApprovalCompleted, time: int) -> None:
    row.state, row.ended_at = COMPLETED, time
    row.outcome, row.data = body.outcome, raw(body.data)
    row.completed_by, row.reason = body.completed_by, body.comment


def _cancelled(row: Approval, body: e.ApprovalCancelled, time: int) -> None:
    row.state, row.ended_at, row.reason = CANCELLED, time, body.reason


CHANGES: Final[dict[type[msgspec.Struct], Callable[[Approval, Any, int], None]]] = {
    e.ApprovalClaimed: _claimed,
    e.ApprovalReleased: _released,
    e.ApprovalDelegated: _delegated,
    e.ApprovalAssigned: _assigned,
    e.ApprovalCommented: _commented,
    e.ApprovalDocumentAttached: _attached,
    e.ApprovalDocumentDetached: _detached,
    e.ApprovalEscalated: _escalated,
    e.ApprovalCompleted: _completed,
    e.ApprovalCancelled: _cancelled,
}


def _find(connection: Connection, key: Key) -> Approval | None:
    c = table.c
    names = (c.tenant, c.instance, c.incarnation, c.approval)
    query = select(table).where(*(one == value for one, value in zip(names, key, strict=True)))
    row = connection.execute(query).first()
    return None if row is None else approval_of(row)


def find_approval(
    connection: Connection, instance: str, number: int, tenant: str = DEFAULT_TENANT
) -> Approval | None:
    """Return an approval of the newest life of an instance that has it; None without one."""
    c = table.c
    query = select(table).where(c.tenant == tenant, c.instance == instance, c.approval == number)
    newest = query.order_by(c.created_at.desc(), c.position.desc()).limit(1)
    row = connection.execute(newest).first()
    return None if row is None else approval_of(row)


def list_approvals(connection: Connection, wanted: Wanted, limit: int = 50) -> list[Approval]:
    """Return approvals: the most urgent first, then those that are due or came first."""
    c = table.c
    query = select(table).where(c.tenant == wanted.tenant, c.state.in_(wanted.states))
    if wanted.instance:
        query = query.where(c.instance == wanted.instance)
    if wanted.due_before:
        query = query.where(c.due > 0, c.due < wanted.due_before)
    if wanted.person or wanted.groups:
        query = query.where(or_(*_theirs(connection, wanted)))
    order = (c.priority.desc(), c.due == 0, c.due, c.created_at, c.instance, c.approval)
    return [approval_of(row) for row in connection.execute(query.order_by(*order).limit(limit))]


def _theirs(connection: Connection, wanted: Wanted) -> list[ColumnElement[bool]]:
    c = table.c
    # Both tell large letters from small ones, as LIKE in SQLite does not.
    within = func.instr if connection.dialect.name == "sqlite" else func.strpos
    found: list[ColumnElement[bool]] = []
    if wanted.person:
        found.append(c.whose == wanted.person)
        found.append((c.claimant == "") & (within(c.candidate_users, text(wanted.person)) > 0))
    found.extend(
        (c.claimant == "") & (within(c.candidate_groups, text(one)) > 0) for one in wanted.groups
    )
    return found


def approval_of(row: Row[Any]) -> Approval:
    """Read a row."""
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    return Approval(**{**values, **{name: read(values[name]) for name, read in _JSON.items()}})
