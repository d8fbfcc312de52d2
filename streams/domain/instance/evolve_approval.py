"""Event appliers of approvals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from schemas import approval_events as e
from streams.domain.instance.moving import moved, placed
from streams.domain.instance.state import InstanceState
from streams.domain.instance.state_approval import Comment, OpenApproval
from streams.domain.protocol import EventPlace

KEPT_COMMENTS: Final = 20
KEPT_TEXT: Final = 500
"""Characters kept of a comment; the whole is in the event."""


def _requested(state: InstanceState, event: e.ApprovalRequested, at: EventPlace) -> InstanceState:
    opened = OpenApproval(
        event.node,
        event.token,
        event.title,
        event.assignee,
        event.candidate_users,
        event.candidate_groups,
        event.due,
        event.escalate_at,
        documents=[document.name for document in event.documents],
    )
    approvals = {**state.approvals, at.sequence: opened}
    place = placed(state, event.token, event.node)
    return replace(state, sequence=at.sequence, approvals=approvals, **place)


def _changed(state: InstanceState, number: int, at: EventPlace, **changes: Any) -> InstanceState:
    former = state.approvals.get(number)
    if former is None:
        return replace(state, sequence=at.sequence)
    approvals = {**state.approvals, number: replace(former, **changes)}
    return replace(state, sequence=at.sequence, approvals=approvals)


def _claimed(state: InstanceState, event: e.ApprovalClaimed, at: EventPlace) -> InstanceState:
    return _changed(state, event.approval, at, claimant=event.claimant)


def _released(state: InstanceState, event: e.ApprovalReleased, at: EventPlace) -> InstanceState:
    return _changed(state, event.approval, at, claimant=event.back_to, owner="")


def _delegated(state: InstanceState, event: e.ApprovalDelegated, at: EventPlace) -> InstanceState:
    return _changed(state, event.approval, at, claimant=event.claimant, owner=event.owner)


def _assigned(state: InstanceState, event: e.ApprovalAssigned, at: EventPlace) -> InstanceState:
    return _changed(state, event.approval, at, **_whose(event))


def _whose(event: e.ApprovalAssigned | e.ApprovalEscalated) -> dict[str, Any]:
    return {
        "assignee": event.assignee,
        "candidate_users": event.candidate_users,
        "candidate_groups": event.candidate_groups,
        "claimant": "",
        "owner": "",
    }


def _escalated(state: InstanceState, event: e.ApprovalEscalated, at: EventPlace) -> InstanceState:
    changes = _whose(event) if event.reassigned else {}
    changes |= {"level": event.level, "escalate_at": event.escalate_at}
    return _changed(state, event.approval, at, **changes)


def _commented(state: InstanceState, event: e.ApprovalCommented, at: EventPlace) -> InstanceState:
    former = state.approvals.get(event.approval)
    before = [] if former is None else former.comments
    comments = [*before, Comment(event.author, event.text[:KEPT_TEXT], at.time)]
    return _changed(state, event.approval, at, comments=comments[-KEPT_COMMENTS:])


def _attached(
    state: InstanceState, event: e.ApprovalDocumentAttached, at: EventPlace
) -> InstanceState:
    former = state.approvals.get(event.approval)
    before = [] if former is None else former.documents
    return _changed(state, event.approval, at, documents=[*before, event.document.name])


def _detached(
    state: InstanceState, event: e.ApprovalDocumentDetached, at: EventPlace
) -> InstanceState:
    former = state.approvals.get(event.approval)
    before = [] if former is None else former.documents
    rest = [name for name in before if name != event.name]
    return _changed(state, event.approval, at, documents=rest)


def _completed(state: InstanceState, event: e.ApprovalCompleted, at: EventPlace) -> InstanceState:
    return moved(state, event.moves, at, approvals=_without(state, event.approval))


def _cancelled(state: InstanceState, event: e.ApprovalCancelled, at: EventPlace) -> InstanceState:
    return replace(state, sequence=at.sequence, approvals=_without(state, event.approval))


def _without(state: InstanceState, number: int) -> dict[int, OpenApproval]:
    return {key: one for key, one in state.approvals.items() if key != number}


APPROVALS: Final[dict[type[msgspec.Struct], Callable[[Any, Any, EventPlace], InstanceState]]] = {
    e.ApprovalRequested: _requested,
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
"""Applier by event."""
