"""How the golden histories of approvals are first written."""

from schemas.approval_commands import (
    AssignApproval,
    AttachDocument,
    ClaimApproval,
    CommentApproval,
    CompleteApproval,
    DelegateApproval,
    DetachDocument,
    ReleaseApproval,
)
from schemas.approval_events import Document
from schemas.commands import CancelInstance, FireTimer, RunInstance
from streams.testing.spec import instance

APPROVED = """
id: approved
version: 1.0.0
nodes:
  start: {type: start, next: decide}
  decide:
    type: approval
    title: A
    assignee: bob
    candidate_users: [ann]
    candidate_groups: [staff]
    due: PT1H
    escalation: [{candidate_groups: [managers]}, {after: PT1H, notify: [hr@example.org]}]
    documents: [{name: letter, uri: "file:letter"}]
    next: end
  end: {type: end}
"""
# Keys: started 1, approval 2.


def approving(*commands):
    """A person is asked, and others do something."""
    return instance(APPROVED).given(RunInstance("approved")).by("ann").given(*commands)


APPROVALS = {
    "approval.requested": approving,
    "approval.claimed": lambda: approving(ClaimApproval(2)),
    "approval.released": lambda: approving(
        ClaimApproval(2), DelegateApproval(2, "eve"), ReleaseApproval(2)
    ),
    "approval.delegated": lambda: approving(
        ClaimApproval(2), DelegateApproval(2, "eve", "on leave")
    ),
    "approval.assigned": lambda: approving(
        ClaimApproval(2), AssignApproval(2, "dee", ["eve"], ["x"], "ill")
    ),
    "approval.commented": lambda: approving(CommentApproval(2, "x" * 600)).later(5),
    "approval.document_attached": lambda: approving(
        AttachDocument(2, Document("photo", "file:photo", "image/png", "sha256:00"))
    ),
    "approval.document_detached": lambda: approving(DetachDocument(2, "letter")),
    "approval.escalated": lambda: approving(ClaimApproval(2)).later(3_600_000).given(FireTimer(0)),
    "approval.completed": lambda: instance(APPROVED).given(
        *approving(ClaimApproval(2), CompleteApproval(2, "approve", b'{"x":1}', "fine")).past[:-1]
    ),
    "approval.cancelled": lambda: instance(APPROVED).given(
        *approving(ClaimApproval(2), CancelInstance("enough")).past[:-1]
    ),
}
