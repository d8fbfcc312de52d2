"""A child workflow answers."""

from __future__ import annotations

from typing import Any

from schemas.commands import CompleteCall, FailCall
from schemas.events import CallFailed, Moves, NodeExecuted
from schemas.json_text import canonical, parse
from streams.domain.instance.advance import leave, moved, throw
from streams.domain.instance.enter import incident
from streams.domain.instance.fitting import fitting
from streams.domain.instance.handlers import handler_of
from streams.domain.instance.limits import too_large
from streams.domain.instance.outputs import UNMAPPED, mapped, result_writes, stay
from streams.domain.instance.places import at, scope_of
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
        return Accepted([], [], state)
    work = Work(state, ctx)
    _complete(work, call, command.result, parse(command.result))
    return work.accepted()


def _complete(work: Work, call: OpenCall, result: bytes, output: Any) -> None:
    node = call.node
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
        writes = mapped(work, node, writes, {"output": output}, scope, token=token)
    except UNMAPPED as error:
        begun = work.state.observed.get(token)
        work.emit(cause(moved(work, token, scope, fitting(work, writes, scope))))
        stay(work, node, token, error, scope, begun)
        return
    leave(work, node, [token], writes, cause, scope)


def decide_fail_call(command: FailCall, state: InstanceState, ctx: Decision) -> Outcome:
    """The child did not complete: what the author says of it is done, else an operator is needed.

    A retry of the incident starts another child.
    """
    call = state.calls.get(command.call)
    if call is None:
        return Accepted([], [], state)
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


def _recover(work: Work, command: FailCall, call: OpenCall) -> None:
    def cause(recovery: str, moves: Moves) -> CallFailed:
        ids = (command.call, call.node, call.child_id)
        return CallFailed(*ids, command.code, command.message, recovery, moves)

    recover(work, Failed(call.node, call.token, command.code, command.message), cause)
