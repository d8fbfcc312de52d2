"""What people do with an approval until they decide: claim, release, delegate, comment, attach.

Who does it is the envelope's actor. Groups come with the command: whoever authenticates people
sees to it that both are true before the command is on the topic.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from schemas import approval_commands as c
from schemas.approval_events import (
    ApprovalAssigned,
    ApprovalClaimed,
    ApprovalCommented,
    ApprovalDelegated,
    ApprovalDocumentAttached,
    ApprovalDocumentDetached,
    ApprovalReleased,
)
from streams.domain.instance.approval_open import PersonsCommand, actor_of, open_approval
from streams.domain.instance.approval_people import (
    DOCUMENTS_MAX,
    Whose,
    check_documents,
    names_of,
)
from streams.domain.instance.complete_approval import decide_complete_approval
from streams.domain.instance.lifecycle import too_long
from streams.domain.instance.state import InstanceState
from streams.domain.instance.state_approval import OpenApproval
from streams.domain.instance.work import Work
from streams.domain.protocol import Accepted, Decision, Outcome, Rejected

Verb = Callable[[Any, OpenApproval, str, Decision], msgspec.Struct | Rejected | None]
"""Of a command, the approval and the actor: the event, a refusal, or None for no change."""


def _claim(
    command: c.ClaimApproval, one: OpenApproval, who: str, _: Decision
) -> ApprovalClaimed | Rejected | None:
    number = command.approval
    if one.claimant == who:
        return None
    if one.claimant:
        return Rejected("already_claimed", f"approval {number} is claimed by {one.claimant}")
    mine = {*command.groups} & {*one.candidate_groups}
    if who != one.assignee and who not in one.candidate_users and not mine:
        return Rejected(
            "Authorization",
            f"{who} may not claim approval {number}: it is for {_for_whom(one)}",
        )
    return ApprovalClaimed(number, one.node, who)


def _for_whom(one: OpenApproval) -> str:
    parts = [one.assignee] if one.assignee else []
    parts += [", ".join(one.candidate_users)] if one.candidate_users else []
    parts += [f"the groups {', '.join(one.candidate_groups)}"] if one.candidate_groups else []
    return "; ".join(parts)


def _release(
    command: c.ReleaseApproval, one: OpenApproval, who: str, _: Decision
) -> ApprovalReleased | Rejected:
    number = command.approval
    if not one.claimant:
        return Rejected("InvalidState", f"approval {number} is claimed by nobody")
    if who not in {one.claimant, one.owner}:
        return Rejected(
            "Authorization",
            f"approval {number} is claimed by {one.claimant}: they release it, or an operator "
            "assigns it",
        )
    return ApprovalReleased(number, one.node, one.claimant, one.owner)


def _delegate(
    command: c.DelegateApproval, one: OpenApproval, who: str, ctx: Decision
) -> ApprovalDelegated | Rejected | None:
    number = command.approval
    refusal = too_long(command.reason, ctx.limits.reason) or _no_name(command.to, "to")
    if refusal is not None:
        return refusal
    if who != one.whose:
        has = f"{one.whose} has it" if one.whose else "claim it first"
        return Rejected("Authorization", f"{who} may not delegate approval {number}: {has}")
    if command.to == who:
        return Rejected("InvalidInput", f"approval {number} is with {who} already: name another")
    return ApprovalDelegated(number, one.node, one.owner or who, command.to, command.reason)


def _no_name(name: str, what: str) -> Rejected | None:
    try:
        names_of([name], what)
    except ValueError as error:
        return Rejected("InvalidInput", str(error))
    return None


def _assign(
    command: c.AssignApproval, one: OpenApproval, _who: str, ctx: Decision
) -> ApprovalAssigned | Rejected:
    refusal = too_long(command.reason, ctx.limits.reason)
    if refusal is not None:
        return refusal
    whose = Whose(command.assignee, command.candidate_users, command.candidate_groups)
    try:
        whose.check()
    except ValueError as error:
        return Rejected("InvalidInput", str(error))
    return ApprovalAssigned(command.approval, one.node, *whose, command.reason)


def _comment(
    command: c.CommentApproval, one: OpenApproval, who: str, ctx: Decision
) -> ApprovalCommented | Rejected:
    limit, size = ctx.limits.text, len(command.text)
    if not command.text:
        return Rejected("MissingParameter", "the comment is empty: say something")
    if size > limit:
        return Rejected(
            "limit_exceeded", f"the comment has {size} characters, the limit is {limit}"
        )
    return ApprovalCommented(command.approval, one.node, who, command.text)


def _attach(
    command: c.AttachDocument, one: OpenApproval, who: str, _: Decision
) -> ApprovalDocumentAttached | Rejected:
    document = command.document
    if document.name in one.documents:
        return Rejected(
            "already_exists", f"a document {document.name!r} is attached: detach it, or rename this"
        )
    if len(one.documents) >= DOCUMENTS_MAX:
        return Rejected("limit_exceeded", f"{DOCUMENTS_MAX} documents are attached, the limit")
    try:
        check_documents([document])
    except ValueError as error:
        return Rejected("InvalidInput", str(error))
    return ApprovalDocumentAttached(command.approval, one.node, document, who)


def _detach(
    command: c.DetachDocument, one: OpenApproval, who: str, _: Decision
) -> ApprovalDocumentDetached | Rejected:
    if command.name not in one.documents:
        names = ", ".join(one.documents) or "none"
        return Rejected("NotFound", f"no document {command.name!r} is attached; there are: {names}")
    return ApprovalDocumentDetached(command.approval, one.node, command.name, who)


def _by(verb: Verb) -> Callable[[PersonsCommand, InstanceState, Decision], Outcome]:
    """Return what decides a command: its approval is open, its actor is known."""

    def decide(command: PersonsCommand, state: InstanceState, ctx: Decision) -> Outcome:
        one, who = open_approval(command.approval, state), actor_of(ctx)
        if isinstance(one, Rejected):
            return one
        if isinstance(who, Rejected):
            return who
        event = verb(command, one, who, ctx)
        if event is None:
            return Accepted([], [], state)
        if isinstance(event, Rejected):
            return event
        work = Work(state, ctx)
        work.emit(event)
        return work.accepted()

    return decide


APPROVAL_VERBS: Final[dict[type[msgspec.Struct], Callable[[Any, Any, Decision], Outcome]]] = {
    c.ClaimApproval: _by(_claim),
    c.ReleaseApproval: _by(_release),
    c.DelegateApproval: _by(_delegate),
    c.AssignApproval: _by(_assign),
    c.CommentApproval: _by(_comment),
    c.AttachDocument: _by(_attach),
    c.DetachDocument: _by(_detach),
    c.CompleteApproval: decide_complete_approval,
}
