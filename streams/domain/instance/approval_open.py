"""Which approval a command is about, and who gives it."""

from __future__ import annotations

from typing import Protocol

from streams.domain.instance.approval_people import NAME_MAX
from streams.domain.instance.state import InstanceState
from streams.domain.instance.state_approval import OpenApproval
from streams.domain.protocol import Decision, Rejected


class PersonsCommand(Protocol):
    """A command about an approval."""

    @property
    def approval(self) -> int:
        """The approval's number."""
        ...


def open_approval(number: int, state: InstanceState) -> OpenApproval | Rejected:
    """Return an open approval, or why there is none; a suspended instance has them too."""
    found = state.approvals.get(number)
    if found is not None:
        return found
    there = ", ".join(f"{key} ({one.node})" for key, one in state.approvals.items()) or "none"
    if 0 < number <= state.sequence:
        return Rejected(
            "already_closed",
            f"approval {number} is no longer open, the instance is {state.status}; open are: "
            f"{there}",
        )
    return Rejected("NotFound", f"the instance has no approval {number}; open are: {there}")


def actor_of(ctx: Decision) -> str | Rejected:
    """Return who gives the command."""
    if 0 < len(ctx.actor) <= NAME_MAX:
        return ctx.actor
    if ctx.actor:
        return Rejected("limit_exceeded", f"an actor's name has at most {NAME_MAX} characters")
    return Rejected(
        "MissingParameter", "say who does this: the actor in the context of the command's envelope"
    )
