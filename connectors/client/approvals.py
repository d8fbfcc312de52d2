"""What people do with approvals: the client's calls. `Options.actor` says who does it."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.client.options import Options
from connectors.client.sender import Answer, Sender
from schemas import approval_commands as c
from schemas.approval_events import Document
from schemas.json_text import canonical


class ApprovalCommands(Sender):
    """A part of `Client`."""

    def claim_approval(
        self, instance_id: str, approval: int, options: Options, groups: Sequence[str] = ()
    ) -> Answer:
        """Take an approval on, as its assignee, a candidate, or one of a group."""
        body = c.ClaimApproval(approval, list(groups))
        return self.call("instance", instance_id, body, options)

    def release_approval(self, instance_id: str, approval: int, options: Options) -> Answer:
        """Give a claim back."""
        return self.call("instance", instance_id, c.ReleaseApproval(approval), options)

    def complete_approval(
        self,
        instance_id: str,
        approval: int,
        outcome: str,
        options: Options,
        *,
        data: object = None,
        comment: str = "",
        claimant: str = "",
    ) -> Answer:
        """Decide; what does not fit the form is refused, with where and why."""
        text = canonical({} if data is None else data)
        body = c.CompleteApproval(approval, outcome, text, comment, claimant)
        return self.call("instance", instance_id, body, options)

    def delegate_approval(
        self, instance_id: str, approval: int, to: str, options: Options, reason: str = ""
    ) -> Answer:
        """Let somebody else decide; it stays the owner's."""
        body = c.DelegateApproval(approval, to, reason)
        return self.call("instance", instance_id, body, options)

    def assign_approval(
        self,
        instance_id: str,
        approval: int,
        options: Options,
        *,
        assignee: str = "",
        users: Sequence[str] = (),
        groups: Sequence[str] = (),
        reason: str = "",
    ) -> Answer:
        """Say whose it is from now on, as an operator."""
        body = c.AssignApproval(approval, assignee, list(users), list(groups), reason)
        return self.call("instance", instance_id, body, options)

    def comment_approval(
        self, instance_id: str, approval: int, text: str, options: Options
    ) -> Answer:
        """Say something about it."""
        body = c.CommentApproval(approval, text)
        return self.call("instance", instance_id, body, options)

    def attach_document(
        self, instance_id: str, approval: int, document: Document, options: Options
    ) -> Answer:
        """Let it refer to another document."""
        body = c.AttachDocument(approval, document)
        return self.call("instance", instance_id, body, options)

    def detach_document(
        self, instance_id: str, approval: int, name: str, options: Options
    ) -> Answer:
        """Let it no longer refer to a document."""
        body = c.DetachDocument(approval, name)
        return self.call("instance", instance_id, body, options)
