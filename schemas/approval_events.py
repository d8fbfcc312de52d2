"""Events of approvals: what people decide, and what happens until they have.

An approval is named by the sequence of its `approval.requested` event.
"""

from __future__ import annotations

import msgspec

from schemas.events import NO_MOVES, Moves


class Document(msgspec.Struct, frozen=True, gc=False):
    """A document by reference: it lies elsewhere."""

    name: str
    """Unique in its approval."""
    uri: str
    media_type: str = ""
    hash: str = ""
    """Of the content, with its algorithm, such as `sha256:…`; empty where unknown."""


class ApprovalRequested(msgspec.Struct, frozen=True, gc=False):
    """A person is asked to decide; the event's sequence names the approval."""

    node: str
    token: int
    title: str
    assignee: str
    """Whose it is; empty where the candidates may claim it."""
    candidate_users: list[str]
    candidate_groups: list[str]
    outcomes: list[str]
    description: str = ""
    priority: int = 50
    """0 to 100; the higher, the more urgent."""
    input: bytes = b"null"
    """A JSON value: what the person sees."""
    form: bytes = b"null"
    """A JSON Schema, Draft 2020-12, of the data; null: any object."""
    documents: list[Document] = []
    due: int = 0
    """Milliseconds since 1970; 0 for none."""
    escalate_at: int = 0
    """When the first escalation is due, milliseconds since 1970; 0 for none."""


class ApprovalClaimed(msgspec.Struct, frozen=True, gc=False):
    """Somebody takes an approval on; nobody else can complete it now."""

    approval: int
    node: str
    claimant: str


class ApprovalReleased(msgspec.Struct, frozen=True, gc=False):
    """A claim is given back: to who delegated it, else to all that may claim it."""

    approval: int
    node: str
    claimant: str
    """Who had it."""
    back_to: str = ""
    """Who has it again; empty for nobody."""


class ApprovalDelegated(msgspec.Struct, frozen=True, gc=False):
    """An approval is given to somebody else, and stays its owner's."""

    approval: int
    node: str
    owner: str
    """Who delegated it first."""
    claimant: str
    """Who has it now."""
    reason: str = ""


class ApprovalAssigned(msgspec.Struct, frozen=True, gc=False):
    """An operator says whose an approval is; a claim is over with it."""

    approval: int
    node: str
    assignee: str
    candidate_users: list[str]
    candidate_groups: list[str]
    reason: str = ""


class ApprovalCommented(msgspec.Struct, frozen=True, gc=False):
    """Somebody said something about an approval."""

    approval: int
    node: str
    author: str
    text: str


class ApprovalDocumentAttached(msgspec.Struct, frozen=True, gc=False):
    """An approval refers to another document."""

    approval: int
    node: str
    document: Document
    attached_by: str


class ApprovalDocumentDetached(msgspec.Struct, frozen=True, gc=False):
    """An approval no longer refers to a document."""

    approval: int
    node: str
    name: str
    detached_by: str


class ApprovalEscalated(msgspec.Struct, frozen=True, gc=False):
    """Nobody decided in time."""

    approval: int
    node: str
    level: int
    """Which of the author's escalations it is, from 1."""
    due: int
    """When this escalation was due, milliseconds since 1970."""
    escalate_at: int = 0
    """When the next one is due; 0 for none."""
    reassigned: bool = False
    """True: it is theirs that follow, and a claim is over. False: it stays whose it was."""
    assignee: str = ""
    candidate_users: list[str] = []
    candidate_groups: list[str] = []


class ApprovalCompleted(msgspec.Struct, frozen=True, gc=False):
    """A person has decided."""

    approval: int
    node: str
    outcome: str
    data: bytes
    """A JSON value that fits the form."""
    completed_by: str
    comment: str = ""
    moves: Moves = NO_MOVES


class ApprovalCancelled(msgspec.Struct, frozen=True, gc=False):
    """No decision is wanted any more: the node was interrupted, or the instance ended."""

    approval: int
    node: str
    reason: str
