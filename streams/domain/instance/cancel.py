"""Cancelling, which undoes what is done, and undoing a child for its parent."""

from __future__ import annotations

from schemas.commands import (
    CancelInstance,
    CompensateInstance,
    CompleteCall,
    DiscardCompensation,
    FailCall,
)
from schemas.compensation_events import CompensationDiscarded
from schemas.events import WorkflowCancelled, WorkflowResumed
from streams.domain.instance.advance import undo_next
from streams.domain.instance.compensate import (
    answered_call,
    join,
    record_child,
    trigger_all,
    whole,
)
from streams.domain.instance.ending import tell_parent
from streams.domain.instance.interrupt import clean_up, stop_work
from streams.domain.instance.lifecycle import illegal, too_long
from streams.domain.instance.places import ROOT
from streams.domain.instance.state import (
    CANCELLED,
    COMPLETED,
    FINISHED,
    SUSPENDED,
    InstanceState,
)
from streams.domain.instance.work import Work
from streams.domain.protocol import Accepted, Decision, Outcome

_WHY = "the workflow was cancelled"


def decide_cancel(command: CancelInstance, state: InstanceState, ctx: Decision) -> Outcome:
    """End with clean-up: what is under way is stopped, and what is done undone, if it can be."""
    refusal = illegal("CancelInstance", state.status)
    refusal = refusal or too_long(command.reason, ctx.limits.reason)
    if refusal is not None:
        return refusal
    work = Work(state, ctx)
    if command.compensate:
        if whole(state) is not None:
            return Accepted([], [], state)  # It is being undone already.
        if _undo_all(work, command.reason, cancels=True):
            return work.accepted()
    _end(work, command.reason)
    return work.accepted()


def _end(work: Work, reason: str) -> None:
    call = answered_call(work.state)
    clean_up(work, reason or _WHY)
    work.emit(WorkflowCancelled(reason))
    tell_parent(work, call, "cancelled", reason)


def _undo_all(work: Work, reason: str, *, caller: int = 0, cancels: bool = False) -> bool:
    """Begin to undo all that an instance did; False where there is nothing.

    What is under way is stopped; children under way undo theirs before it.
    """
    if not any(True for _ in work.state.completions_kept()):
        return False
    if work.state.status == SUSPENDED:
        work.emit(WorkflowResumed(reason))
    for call in list(work.state.children()):
        record_child(work, call.node, ROOT, call.child_id)
    consumed = stop_work(work, reason or _WHY)
    undo_next(work, trigger_all(work, consumed, reason=reason, caller=caller, cancels=cancels))
    return True


def decide_compensate(command: CompensateInstance, state: InstanceState, ctx: Decision) -> Outcome:
    """Undo what a child did, for its parent; one that still runs is cancelled with it."""
    work = Work(state, ctx)
    ended = state.status in FINISHED
    if whole(state) is not None:
        join(work, command.call)  # It is under way: the parent waits for its end.
        return work.accepted()
    if _undo_all(work, command.reason, caller=command.call, cancels=not ended):
        return work.accepted()
    answer: CompleteCall | FailCall = CompleteCall(command.call, b"null")
    if not ended:
        _end(work, command.reason)
    elif state.status not in (COMPLETED, CANCELLED):
        message = f"it is {state.status}: nothing of it can be undone any more"
        answer = FailCall(command.call, "InvalidState", message)
    work.send(command.parent_id, command.parent_incarnation, answer)
    return work.accepted()


def decide_discard(_: DiscardCompensation, state: InstanceState, ctx: Decision) -> Outcome:
    """Forget what would undo a child that is done."""
    work = Work(state, ctx)
    if state.status == COMPLETED and state.completions:
        work.emit(CompensationDiscarded())
    return work.accepted()
