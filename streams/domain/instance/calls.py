"""A child workflow answers."""

from __future__ import annotations

from typing import Any

from schemas.commands import CompleteCall, FailCall
from schemas.events import Moves, NodeExecuted
from schemas.json_text import canonical, parse
from streams.domain.instance.advance import leave
from streams.domain.instance.complete_activity import UNMAPPED, mapped, result_writes, stay
from streams.domain.instance.enter import incident
from streams.domain.instance.start import too_large
from streams.domain.instance.state import InstanceState, OpenCall
from streams.domain.instance.work import Work
from streams.domain.net.model import Call
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
    variables = work.state.variables
    writes = result_writes(variables, kind.result_path, output, canonical(output))

    def cause(moves: Moves) -> NodeExecuted:
        return NodeExecuted(node, "call", moves, output=result)

    refusal = too_large({**variables, **writes}, work.ctx)
    if refusal is not None:
        work.emit(cause(Moves([call.token])))
        incident(work, node, call.token, refusal.code, f"output of {node}: {refusal.message}")
        return
    try:
        writes = mapped(work, node, writes, output)
    except UNMAPPED as error:
        work.emit(cause(Moves([call.token], [], [], writes)))
        stay(work, node, call.token, error)
        return
    leave(work, node, [call.token], writes, cause)


def decide_fail_call(command: FailCall, state: InstanceState, ctx: Decision) -> Outcome:
    """The child did not complete: an incident at the call; a retry starts another child."""
    call = state.calls.get(command.call)
    if call is None:
        return Accepted([], [], state)
    work = Work(state, ctx)
    message = f"the called workflow {call.child_id} did not complete: {command.message}"
    incident(work, call.node, call.token, command.code, message)
    return work.accepted()
