"""A child workflow answers."""

from __future__ import annotations

from typing import Any

from schemas.commands import CompleteCall, FailCall
from schemas.events import CallFailed, Moves, NodeExecuted
from schemas.json_text import canonical, parse
from streams.domain.instance.advance import leave, moved, throw, undo_next
from streams.domain.instance.compensate import end_step, record, record_child, trigger_of
from streams.domain.instance.enter import incident
from streams.domain.instance.fitting import fitting
from streams.domain.instance.handlers import handler_of
from streams.domain.instance.limits import too_large
from streams.domain.instance.outputs import UNMAPPED, mapped, result_writes, stay
from streams.domain.instance.places import UNDO, at, scope_of
from streams.domain.instance.recover import Failed, recover
from streams.domain.instance.state import InstanceState, OpenCall
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
    """The child did not complete: what the author says of it is done, else an operator is needed.

    A retry of the incident starts another child.
    """
    call = state.calls.get(command.call)
    if call is None:
        return _not_undone(command, state, ctx)
    work = Work(state, ctx)
    if recovery_of(work.graph.definition, call.node) is not None:
        _recover(work, command, call)
        return work.accepted()
    scope = scope_of(state.tokens[call.token])
    handler = handler_of(work, command.code, call.node, call.token, scope)
    message = f"the called workflow {call.child_id} did not complete: {command.message}"
    if handler is None:
        incident(work, call.node, call.token, command.code, message)
    else:
        throw(work, command.code, message, call.node, handler)
    return work.accepted()


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


def _recover(work: Work, command: FailCall, call: OpenCall) -> None:
    def cause(recovery: str, moves: Moves) -> CallFailed:
        ids = (command.call, call.node, call.child_id)
        return CallFailed(*ids, command.code, command.message, recovery, moves)

    recover(work, Failed(call.node, call.token, command.code, command.message), cause)
