"""Escalations: from the node that raises one outwards, to whoever takes it first.

Asked are the boundary events of the scopes around, from the inside out, then the caller's. One
that interrupts stops its host; else its way begins first, and then the flow goes on behind the
node that raised it. What nobody takes is noted, and is no error.
"""

from __future__ import annotations

from schemas.escalation_commands import EscalateCall
from schemas.escalation_events import EscalationRaised
from schemas.events import EventTriggered, Moves, NodeExecuted
from schemas.json_text import canonical, parse
from streams.domain.instance.advance import BEGIN, leave, out_of
from streams.domain.instance.enter import UNBEGUN, not_begun
from streams.domain.instance.handlers import Handler, handler_of
from streams.domain.instance.interrupt import stop_token
from streams.domain.instance.places import scope_of
from streams.domain.instance.state import InstanceState
from streams.domain.instance.variables import seen_from
from streams.domain.instance.work import Work
from streams.domain.net.escalation import EscalationTrigger
from streams.domain.net.model import Boundary, End
from streams.domain.protocol import Accepted, Decision, Outcome


def escalate(work: Work, node: str, token: int) -> None:
    """Raise a throw or end event's escalation; the token goes on unless it was stopped by that."""
    kind = work.graph.nodes[node].kind
    ends = isinstance(kind, End)
    code = kind.escalation if isinstance(kind, End) else ""
    scope = scope_of(work.state.tokens.get(token, ""))
    payload = b"null"
    trigger = getattr(kind, "trigger", None)
    if isinstance(trigger, EscalationTrigger):
        code = trigger.code
        try:
            payload = work.graph.inputs[node].json(seen_from(work.state, scope))
        except UNBEGUN as error:
            not_begun(work, node, token, error)
            return
    handler = handler_of(work, code, "", 0, scope, EscalationTrigger)
    caught_by = "" if handler is None else handler.boundary
    work.emit(EscalationRaised(node, code, token, 0, caught_by, payload))
    _pass_on(work, node, code, payload, handler)
    if token not in work.state.tokens:
        return

    def cause(moves: Moves) -> NodeExecuted:
        return NodeExecuted(node, "end" if ends else "throw", moves, output=payload)

    leave(work, node, [token], {}, cause, scope)


def _pass_on(work: Work, node: str, code: str, payload: bytes, handler: Handler | None) -> None:
    """Let the handler take an escalation; without one it is the caller's, where there is one."""
    if handler is None:
        parent = work.state.parent
        if parent.id:
            work.send(parent.id, parent.incarnation, EscalateCall(parent.call, code, payload))
        return
    kind = work.graph.nodes[handler.boundary].kind
    consumed: list[int] = []
    if isinstance(kind, Boundary) and kind.interrupting:
        consumed = stop_token(work, handler.token, f"{handler.boundary} took the escalation {code}")
    told = {"code": code, "node": node, "payload": parse(payload)}

    def cause(moves: Moves) -> EventTriggered:
        name, text = handler.boundary, canonical(told)
        return EventTriggered(name, "escalation", 0, handler.host, moves, payload=text)

    out_of(work, handler.boundary, consumed, cause, handler.scope, {"escalation": told})


def decide_escalate_call(command: EscalateCall, state: InstanceState, ctx: Decision) -> Outcome:
    """A called workflow has escalated: the call's boundary is asked, then what is around."""
    call = state.calls.get(command.call)
    if call is None:
        return Accepted([], [], state)
    work = Work(state, ctx)
    scope = scope_of(state.tokens[call.token])
    handler = handler_of(work, command.code, call.node, call.token, scope, EscalationTrigger)
    caught_by = "" if handler is None else handler.boundary
    work.emit(
        EscalationRaised(call.node, command.code, 0, command.call, caught_by, command.payload)
    )
    _pass_on(work, call.node, command.code, command.payload, handler)
    return work.accepted()


BEGIN[End] = BEGIN[EscalationTrigger] = escalate
