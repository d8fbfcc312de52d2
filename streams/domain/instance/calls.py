"""A child workflow answers."""

from __future__ import annotations

from typing import Any

from schemas.call_events import CallFailed
from schemas.commands import CompleteCall, FailCall
from schemas.events import Moves, NodeExecuted
from schemas.json_text import canonical, parse
from streams.domain.instance.advance import leave, moved, throw, undo_next
from streams.domain.instance.compensate import end_step, record, record_child, trigger_of
from streams.domain.instance.ending import STOPPED
from streams.domain.instance.enter import enter, incident, shortened
from streams.domain.instance.fitting import fitting
from streams.domain.instance.handlers import handler_of
from streams.domain.instance.limits import too_large
from streams.domain.instance.outputs import UNMAPPED, mapped, result_writes, stay
from streams.domain.instance.places import UNDO, at, scope_of
from streams.domain.instance.recover import RETRY, Failed, recover
from streams.domain.instance.retries import delay_ms
from streams.domain.instance.state import SUSPENDED, InstanceState, OpenCall
from streams.domain.instance.variables import seen_from
from streams.domain.instance.work import Work
from streams.domain.net.model import Call
from streams.domain.net.scopes import recovery_of
from streams.domain.protocol import Accepted, Decision, Outcome


def decide_complete_call(command: CompleteCall, state: InstanceState, ctx: Decision) -> Outcome:
    """The child completed: its result becomes the call's output."""
    call = state.calls.get(command.call)
    if call is None:
        return _undone(command.call, state, ctx)
    work = Work(state, ctx)
    _complete(work, command, call, parse(command.result))
    return work.accepted()


def _undone(number: int, state: InstanceState, ctx: Decision) -> Outcome:
    """A child has undone what it did."""
    token = trigger_of(state, number)
    work = Work(state, ctx)
    if token:
        end_step(work, token)
        undo_next(work, token)
    return work.accepted()


def _complete(work: Work, command: CompleteCall, call: OpenCall, output: Any) -> None:
    node, result = call.node, command.result
    kind = work.graph.nodes[node].kind
    assert isinstance(kind, Call)
    token = call.token
    scope = scope_of(work.state.tokens[token])
    variables = seen_from(work.state, scope)
    writes = result_writes(variables, kind.result_path, output, canonical(output))

    def cause(moves: Moves) -> NodeExecuted:
        return NodeExecuted(node, "call", moves, output=result)

    refusal = too_large({**variables, **writes}, work.ctx)
    if refusal is not None:
        work.emit(cause(Moves([token])))
        message = f"output of {node}: {refusal.message}"
        incident(work, node, token, refusal.code, message, place=at(node, scope))
        return
    try:
        everything = mapped(work, node, writes, {"output": output}, scope, token=token)
        if node in work.graph.handlers:
            record(work, node, scope, everything)
        elif command.compensable and node not in work.graph.undoing:
            record_child(work, node, scope, call.child_id)
    except UNMAPPED as error:
        begun = work.state.observed.get(token)
        work.emit(cause(moved(work, token, scope, fitting(work, writes, scope))))
        stay(work, node, token, error, scope, begun)
        return
    leave(work, node, [token], everything, cause, scope)


def decide_fail_call(command: FailCall, state: InstanceState, ctx: Decision) -> Outcome:
    """The child did not complete: another one is started, or what follows a failure is done."""
    call = state.calls.get(command.call)
    if call is None:
        return _not_undone(command, state, ctx)
    if call.retry_at:
        return Accepted([], [], state)
    work = Work(state, ctx)
    again_at = _again_at(work, command, call)
    if again_at:
        work.emit(_failed(command, call, RETRY, Moves(), again_at))
        if again_at <= ctx.now and state.status != SUSPENDED:
            enter(work, call.node, call.token)
        return work.accepted()
    said = recovery_of(work.graph.definition, call.node) is not None
    if command.refused and not said:
        _not_started(work, command, call)
        return work.accepted()

    def cause(recovery: str, moves: Moves) -> CallFailed:
        return _failed(command, call, recovery, moves)

    recover(work, Failed(call.node, call.token, command.code, _message(work, command, call)), cause)
    return work.accepted()


def _again_at(work: Work, command: FailCall, call: OpenCall) -> int:
    """Return when another child is started; 0 where none is.

    What could not start would not start again, and what people stopped they want stopped.
    """
    kind = work.graph.nodes[call.node].kind
    assert isinstance(kind, Call)
    retries = call.attempt - 1
    if kind.retry is None or command.refused or command.code == STOPPED:
        return 0
    if retries >= kind.retry.max_attempts:
        return 0
    return work.ctx.now + delay_ms(kind.retry, retries)


def _failed(
    command: FailCall, call: OpenCall, recovery: str, moves: Moves, again_at: int = 0
) -> CallFailed:
    ids = (command.call, call.node, call.child_id)
    return CallFailed(*ids, command.code, command.message, recovery, moves, again_at)


def _not_started(work: Work, command: FailCall, call: OpenCall) -> None:
    """There is no child: the engine cannot go on, so that an operator mends what is missing."""
    scope = scope_of(work.state.tokens[call.token])
    handler = handler_of(work, command.code, call.node, call.token, scope)
    message = _message(work, command, call)
    if handler is None:
        incident(work, call.node, call.token, command.code, message)
    else:
        throw(work, command.code, message, call.node, handler)


def _message(work: Work, command: FailCall, call: OpenCall) -> str:
    """Return the error's message: it names the child, and so the whole chain of causes."""
    how = "could not start" if command.refused else "did not complete"
    message = f"the called workflow {call.child_id} {how}: {command.message}"
    return shortened(message, work.ctx.limits.text)


def _not_undone(command: FailCall, state: InstanceState, ctx: Decision) -> Outcome:
    """A child cannot undo what it did: an operator retries or skips it."""
    token = trigger_of(state, command.call)
    if not token:
        return Accepted([], [], state)
    work = Work(state, ctx)
    rollback = state.rollbacks[token]
    step = next(iter(rollback.steps.values()))
    message = f"the called workflow {step.child_id} could not be compensated: {command.message}"
    place = "" if rollback.node else UNDO
    incident(work, rollback.node, token, command.code, message, place=place)
    return work.accepted()
