"""Undoing what is done: which completions, in which order, and whom they concern.

A completion is kept only where something can undo it: the node has a handler, or its child or
the nodes inside it have. A throwing event takes those of its scope, newest first, and its token
waits until each of them is undone. What is taken once cannot be taken again.
"""

from __future__ import annotations

from typing import Final

from schemas.commands import CompensateInstance
from schemas.compensation_events import (
    CompensationRecorded,
    CompensationTriggered,
    HandlerCompleted,
    HandlerStarted,
)
from schemas.events import Moves, Token
from streams.domain.instance.limits import LimitError
from streams.domain.instance.places import UNDO, scope_of
from streams.domain.instance.runs import is_run_of
from streams.domain.instance.state import InstanceState, Rollback
from streams.domain.instance.variables import seen_from
from streams.domain.instance.work import Work

_HANDLER_STEPS: Final = 50
"""What one handler counts for, so that a command begins some twenty and `Continue` the rest."""


# What can be undone.


def record(work: Work, node: str, scope: int, writes: dict[str, bytes]) -> None:
    """Note that a node with a handler is about to be done; `LimitError` where that is too much.

    The handler will see the variables as they are now, with what the node writes.
    """
    if not is_run_of(work.state, node, scope):
        _record(work, node, scope, writes)


def record_run(work: Work, node: str, run: int, writes: dict[str, bytes]) -> None:
    """Note that one run of a repeated node is about to be done; `LimitError` as `record`."""
    if node in work.graph.handlers:
        _record(work, node, run, writes)


def _record(work: Work, node: str, scope: int, writes: dict[str, bytes]) -> None:
    names = work.graph.handlers[node]
    seen = {**seen_from(work.state, scope), **writes}
    if names is not None:
        seen = {name: seen[name] for name in sorted(names) if name in seen}
    _check_size(work, node, seen)
    work.emit(CompensationRecorded(node, _around(work.state, node, scope), seen))


def _around(state: InstanceState, node: str, scope: int) -> int:
    """Return the scope that a node is in: a run of a repeated node is over with it."""
    if not is_run_of(state, node, scope):
        return scope
    return scope_of(state.tokens[state.scopes[scope].token])


def record_child(work: Work, node: str, scope: int, child_id: str) -> None:
    """Note that a child is done that can undo what it did."""
    around = _around(work.state, node, scope)
    work.emit(CompensationRecorded(node, around, child_id=child_id))
    work.reaches(child_id)


def record_scope(work: Work, node: str, scope: int, key: int) -> None:
    """Note that a scope is done in which something can be undone."""
    known = work.state.completions.values()
    if any(one.scope == key for one in known) and all(one.inner != key for one in known):
        work.emit(CompensationRecorded(node, _around(work.state, node, scope), inner=key))


def _check_size(work: Work, node: str, seen: dict[str, bytes]) -> None:
    limit = work.ctx.limits.state
    kept = [one.variables for one in work.state.completions_kept()]
    size = sum(len(value) for variables in [*kept, seen] for value in variables.values())
    if size > limit:
        raise LimitError(
            f"what the compensation handlers of this instance will see has {size} bytes with "
            f"that of {node}, the limit is {limit} (state_bytes_max): let the handlers name "
            "fewer variables, or pass large data by reference"
        )


# Which of them, and in which order.


def in_scope(state: InstanceState, scope: int, node: str = "") -> list[int]:
    """Return what is undone of a scope, or of one node in it, in this order."""
    found: list[int] = []
    for number in sorted(state.completions, reverse=True):
        one = state.completions[number]
        if one.scope == scope and node in ("", one.node):
            found.extend(in_scope(state, one.inner) if one.inner else [number])
    return found


def in_all(state: InstanceState) -> list[int]:
    """Return what is undone of a whole instance, in this order."""
    known = {number: one for number, one in state.completions.items() if not one.inner}
    for rollback in state.rollbacks.values():
        known |= rollback.steps
    return sorted(known, reverse=True)


# Undoing.


def trigger(work: Work, node: str, token: int, numbers: list[int]) -> None:
    """Begin to undo for a throwing event."""
    work.emit(CompensationTriggered(node, token, numbers))


def trigger_all(
    work: Work, consumed: list[int], *, reason: str, caller: int = 0, cancels: bool = False
) -> int:
    """Begin to undo all that the instance did; return the token that waits for it."""
    token = work.state.next_token
    moves = Moves(consumed, [Token(token, UNDO)])
    work.emit(CompensationTriggered("", token, in_all(work.state), caller, cancels, reason, moves))
    return token


def join(work: Work, caller: int) -> None:
    """Let a parent's call wait for what is being undone already."""
    for token, one in work.state.rollbacks.items():
        if not one.node and one.caller != caller:
            left = list(one.steps)
            work.emit(CompensationTriggered("", token, left, caller, one.cancels, one.reason))


def start_step(work: Work, token: int) -> tuple[str, int] | None:
    """Begin the next step; return the handler to enter and its token, None for a child's."""
    rollback = work.state.rollbacks[token]
    step = next(iter(rollback.steps.values()))
    if step.child_id:
        number = work.emit(HandlerStarted(step.node, "", token, child_id=step.child_id))
        me = (work.ctx.aggregate_id, work.state.incarnation)
        work.send(step.child_id, "", CompensateInstance(*me, number, rollback.reason))
        return None
    handler, new = work.graph.undone_with[step.node], work.state.next_token
    work.emit(HandlerStarted(step.node, handler, token, new))
    return handler, new


def end_step(work: Work, token: int) -> None:
    """Note that the step under way is done."""
    rollback = work.state.rollbacks[token]
    step = next(iter(rollback.steps.values()))
    handler = "" if step.child_id else work.graph.undone_with[step.node]
    if step.child_id:
        work.settled(step.child_id)
    work.emit(HandlerCompleted(step.node, handler, token, rollback.started))


def may_start(work: Work) -> bool:
    """Tell whether this command may begin a handler, and count it."""
    if work.exhausted(_HANDLER_STEPS):
        return False
    work.steps += _HANDLER_STEPS
    return True


def trigger_of(state: InstanceState, started: int) -> int:
    """Return the token that waits for a step, by the sequence of its `handler.started`; or 0."""
    waiting = (t for t, one in state.rollbacks.items() if started and one.started == started)
    return next(waiting, 0)


def being_undone(state: InstanceState) -> list[str]:
    """Return the children that are undoing what they did."""
    first = [next(iter(one.steps.values())) for one in state.rollbacks.values() if one.started]
    return [step.child_id for step in first if step.child_id]


def whole(state: InstanceState) -> Rollback | None:
    """Return the undoing of the whole instance, where that is under way."""
    return next((one for one in state.rollbacks.values() if not one.node), None)


def answered_call(state: InstanceState) -> int:
    """Return which call of the parent an instance answers when it ends."""
    rollback = whole(state) if state.rollbacks else None
    return rollback.caller if rollback is not None and rollback.caller else state.parent.call
