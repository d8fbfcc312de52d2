"""Commands of people who decide, to the instance that asks them.

Who it is stands in the envelope (`context.actor`), and must be said. An approval is named by the
sequence of its `approval.requested` event.
"""

from __future__ import annotations

import msgspec

from schemas.approval_events import Document


class ClaimApproval(msgspec.Struct, frozen=True, gc=False):
    """Take an approval on, as its assignee or one of its candidates."""

    approval: int
    groups: list[str] = []
    """The groups that the actor belongs to."""


class ReleaseApproval(msgspec.Struct, frozen=True, gc=False):
    """Give a claim back: to who delegated it, else to all; the owner may take it back so."""

    approval: int


class CompleteApproval(msgspec.Struct, frozen=True, gc=False):
    """Decide: who has claimed it may, or its assignee while nobody has."""

    approval: int
    outcome: str
    """One of the author's outcomes; `approve` and `reject` where none are named."""
    data: bytes = b"{}"
    """A JSON value that fits the form; without a form an object."""
    comment: str = ""
    claimant: str = ""
    """Who is expected to have claimed it; refused where another has. Empty: whoever has."""


class DelegateApproval(msgspec.Struct, frozen=True, gc=False):
    """Let somebody else decide; it stays the owner's, who may take it back by releasing it."""

    approval: int
    to: str
    """Name of the other person."""
    reason: str = ""


class AssignApproval(msgspec.Struct, frozen=True, gc=False):
    """Say whose an approval is from now on, as an operator; what is left empty is nobody's."""

    approval: int
    assignee: str = ""
    candidate_users: list[str] = []
    candidate_groups: list[str] = []
    reason: str = ""


class CommentApproval(msgspec.Struct, frozen=True, gc=False):
    """Say something about an approval."""

    approval: int
    text: str


class AttachDocument(msgspec.Struct, frozen=True, gc=False):
    """Let an approval refer to another document."""

    approval: int
    document: Document


class DetachDocument(msgspec.Struct, frozen=True, gc=False):
    """Let an approval no longer refer to a document."""

    approval: int
    name: str
