"""What an instance keeps of an approval that is open."""

from __future__ import annotations

import msgspec


class Comment(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What somebody said; the whole text is in the event."""

    author: str
    text: str
    time: int


class OpenApproval(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A person is asked. Its key is the sequence of `approval.requested`."""

    node: str
    token: int
    title: str
    assignee: str
    candidate_users: list[str]
    candidate_groups: list[str]
    due: int = 0
    escalate_at: int = 0
    level: int = 0
    """Escalations that there were."""
    claimant: str = ""
    owner: str = ""
    """Who delegated it; empty where nobody did."""
    documents: list[str] = []
    """Their names; the references are in the events."""
    comments: list[Comment] = []
    """The last ones."""

    @property
    def whose(self) -> str:
        """Whose it is now: who has claimed it, else its assignee; empty for the candidates'."""
        return self.claimant or self.assignee
