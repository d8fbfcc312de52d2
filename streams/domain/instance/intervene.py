"""What operators do at a node themselves: skip it, complete it by hand, set variables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from schemas.commands import CompleteNode, SetVariables, SkipNode
from schemas.events import IncidentResolved, Moves, NodeCompleted, NodeSkipped, VariablesSet
from schemas.json_text import JsonError, canonical, parse
from streams.domain.instance.advance import Cause, advance, leave, undo_next
from streams.domain.instance.approval_open import open_approval
from streams.domain.instance.compensate import end_step, record
from streams.domain.instance.complete_approval import decision_of
from streams.domain.instance.ending import RESULT
from streams.domain.instance.fitting import UnfitError, unfit_output, unfit_to_set
from streams.domain.instance.interrupt import stop_token
from streams.domain.instance.lifecycle import illegal, too_long
from streams.domain.instance.limits import LimitError, too_large
from streams.domain.instance.outputs import UNMAPPED, mapped, result_writes
from streams.domain.instance.places import ARMED, bare, scope_of
from streams.domain.instance.recover import compensated
from streams.domain.instance.runs import is_run_of
from streams.domain.instance.state import Incident, InstanceState
from streams.domain.instance.variables import given_variables, local_name, seen_from
from streams.domain.instance.walk import Walk
from streams.domain.instance.work import Work
from streams.domain.net.approval import Approval
from streams.domain.net.model import Activity, Call, EventGateway, Flow
from streams.domain.protocol import Accepted, Decision, Outcome, Rejected

Intervention = SkipNode | CompleteNode | SetVariables
_KINDS: Final = {Activity: "activity", Approval: "approval", Call: "call"}


def _refusal(command: Intervention, state: InstanceState, ctx: Decision) -> Rejected | None:
    refusal = illegal(type(command).__name__, state.status)
    return refusal or too_long(command.reason, ctx.limits.reason)


def _open_incident(number: int, state: InstanceState) -> Incident | Rejected:
    """Return an incident whose token waits at a node."""
    found = state.incidents.get(number)
    if found is None:
        numbers = ", ".join(map(str, sorted(state.incidents))) or "none"
        return Rejected(
            "NotFound", f"the instance has no open incident {number}; open are: {numbers}"
        )
    if found.token not in state.tokens:
        return Rejected(
            "InvalidState",
            f"incident {number} stopped the whole instance, at no node: mend what its message "
            "says, then retry it",
        )
    if bare(state.tokens[found.token]).endswith(ARMED):
        return Rejected(
            "InvalidState",
            f"incident {number} is about an event that cannot be waited for, there is no node to "
            "leave: set the variables that its message names, then retry it",
        )
    if bare(state.tokens[found.token]) == RESULT:
        return Rejected(
            "InvalidState",
            f"incident {number} is about a result that cannot be computed, there is no node to "
            "leave: set the variables that its message names, then retry it",
        )
    return found


# Skipping.


def decide_skip(command: SkipNode, state: InstanceState, ctx: Decision) -> Outcome:
    """Let the token leave its node; nothing is mapped, no result is written."""
    refusal = _refusal(command, state, ctx)
    if refusal is not None:
        return refusal
    found = _open_incident(command.incident, state)
    if isinstance(found, Rejected):
        return found
    work = Work(state, ctx)
    if found.token in state.rollbacks:
        return _skip_child(work, command, found)
    scope = scope_of(state.tokens[found.token])
    flow = _flow(work, found.node, command.flow, scope)
    if isinstance(flow, Rejected):
        return flow

    def cause(moves: Moves) -> NodeSkipped:
        return NodeSkipped(found.node, command.incident, command.reason, moves)

    work.emit(IncidentResolved(command.incident, "skipped"))
    if found.token in state.compensations:
        compensated(work, found.token, scope, cause)
    elif flow is None:
        leave(work, found.node, [found.token], {}, cause, scope)
    else:
        _leave_by(work, flow, found.token, cause, scope)
    return work.accepted()


def _skip_child(work: Work, command: SkipNode, found: Incident) -> Outcome:
    """Take a child as undone that could not undo what it did."""
    work.emit(IncidentResolved(command.incident, "skipped"))
    work.emit(NodeSkipped(found.node, command.incident, command.reason))
    end_step(work, found.token)
    undo_next(work, found.token)
    return work.accepted()


def _flow(work: Work, node: str, wanted: str, scope: int) -> Flow | Rejected | None:
    """Return the flow to leave a node by; None where the node itself can tell."""
    if is_run_of(work.state, node, scope):
        return None  # What follows the node follows when all its runs are done.
    flows = [route.flow for route in work.graph.outgoing[node]]
    names = ", ".join(flow.id for flow in flows)
    if not wanted and (node in work.graph.undoing or node in work.graph.compensated):
        return None
    if wanted:
        found = next((flow for flow in flows if flow.id == wanted), None)
        return found or Rejected(
            "InvalidInput", f"no flow {wanted!r} leads out of {node}: there are {names}"
        )
    if not isinstance(work.graph.nodes[node].kind, EventGateway):
        trial = Walk(work, [], {}, scope)
        trial.leave(node)
        if not trial.troubled:
            return None
    left = [flow for flow in flows if flow.default] or flows
    if len(left) == 1:
        return left[0]
    return Rejected(
        "MissingParameter", f"{node} cannot tell where to go: say by which `flow`: {names}"
    )


def _leave_by(work: Work, flow: Flow, token: int, cause: Cause, scope: int) -> None:
    """Leave a node by one flow; out of an event gateway its event is taken as having come."""
    node = flow.source
    walk = Walk(work, [token], {}, scope)
    if isinstance(work.graph.nodes[node].kind, EventGateway):
        walk.pass_by([node, flow.id])
        walk.leave(flow.target)
    else:
        walk.pass_by([node])
        walk.arrive(flow)
    advance(work, walk, cause, scope)


# Completing by hand.


class _Aim(NamedTuple):
    """What is completed by hand."""

    node: str
    token: int
    work: int
    """The open activity, call or approval; 0 for an incident."""


def decide_complete_node(command: CompleteNode, state: InstanceState, ctx: Decision) -> Outcome:
    """Go on as if the node had returned the result; what is open is cancelled."""
    refusal = _refusal(command, state, ctx)
    if refusal is not None:
        return refusal
    try:
        output = parse(command.result)
    except JsonError as error:
        return Rejected("InvalidInput", f"the result is {error}: give a JSON value")
    aim = _aim(command, state)
    if isinstance(aim, Rejected):
        return aim
    work = Work(state, ctx)
    output = _output(work, aim.node, output)
    if isinstance(output, Rejected):
        return output
    writes = _written(work, aim, output)
    if isinstance(writes, Rejected):
        return writes
    refusal = _complete(work, command, aim, canonical(output), writes)
    return refusal or work.accepted()


def _aim(command: CompleteNode, state: InstanceState) -> _Aim | Rejected:
    numbers = (command.incident, command.activity, command.call, command.approval)
    if sum(map(bool, numbers)) != 1:
        return Rejected(
            "MissingParameter",
            "say exactly one of incident, activity, call and approval: its number",
        )
    if command.incident:
        incident = _open_incident(command.incident, state)
        if isinstance(incident, Rejected):
            return incident
        return _Aim(incident.node, incident.token, 0)
    if command.activity:
        activity = state.activities.get(command.activity)
        if activity is None:
            number = command.activity
            return Rejected("already_closed", f"activity {number} is no longer open")
        return _Aim(activity.node, activity.token, command.activity)
    if command.approval:
        approval = open_approval(command.approval, state)
        if isinstance(approval, Rejected):
            return approval
        return _Aim(approval.node, approval.token, command.approval)
    call = state.calls.get(command.call)
    if call is None:
        return Rejected("already_closed", f"call {command.call} is no longer open")
    return _Aim(call.node, call.token, command.call)


def _output(work: Work, node: str, given: Any) -> Any | Rejected:
    """Return what the node gives its workflow: of an approval a whole decision."""
    if not isinstance(work.graph.nodes[node].kind, Approval):
        return given
    if not isinstance(given, dict) or not {"outcome"} <= given.keys() <= {"outcome", "data"}:
        message = "the result of an approval is a map of outcome and data: give both"
        return Rejected("InvalidInput", message)
    return decision_of(work, node, given["outcome"], given.get("data", {}), work.ctx.actor)


def _written(work: Work, aim: _Aim, output: Any) -> dict[str, bytes] | Rejected:
    """Return what the result writes; a result that does not fit is refused."""
    node, scope = aim.node, scope_of(work.state.tokens[aim.token])
    kind = work.graph.nodes[node].kind
    if not isinstance(kind, Activity | Approval | Call):
        return Rejected(
            "InvalidInput",
            f"{node} is no activity, no call and no approval and has no result: skip it instead",
        )
    said = unfit_output(work, node, output)
    if said:
        return Rejected("InvalidInput", f"the result does not fit the schema of {node}: {said}")
    variables = seen_from(work.state, scope)
    writes = result_writes(variables, kind.result_path, output, canonical(output))
    refusal = too_large({**variables, **writes}, work.ctx)
    if refusal is not None:
        return refusal
    try:
        return mapped(work, node, writes, {"output": output}, scope, token=aim.token)
    except UNMAPPED as error:
        code = "limit_exceeded" if isinstance(error, LimitError) else "DataTransformation"
        code = "InvalidInput" if isinstance(error, UnfitError) else code
        return Rejected(
            code,
            f"the output of {node} cannot be computed from this result: {error}: give another "
            "result, set the variables that are missing, or skip the node",
        )


def _complete(
    work: Work, command: CompleteNode, aim: _Aim, text: bytes, writes: dict[str, bytes]
) -> Rejected | None:
    node, scope = aim.node, scope_of(work.state.tokens[aim.token])
    kind = _KINDS[type(work.graph.nodes[node].kind)]

    def cause(moves: Moves) -> NodeCompleted:
        return NodeCompleted(node, kind, text, command.incident, aim.work, command.reason, moves)

    if command.incident:
        work.emit(IncidentResolved(command.incident, "completed"))
    if node in work.graph.handlers:
        try:
            record(work, node, scope, writes)
        except LimitError as error:
            return Rejected("limit_exceeded", str(error))
    consumed = stop_token(work, aim.token, command.reason or f"{node} was completed by hand")
    if aim.token in work.state.compensations:
        compensated(work, aim.token, scope, cause)
        return None
    leave(work, node, consumed, writes, cause, scope)
    return None


# Variables.


def decide_set_variables(command: SetVariables, state: InstanceState, ctx: Decision) -> Outcome:
    """Set variables of the workflow, or local ones of a running scope."""
    refusal = _refusal(command, state, ctx)
    if refusal is not None:
        return refusal
    given = given_variables(command.variables)
    if isinstance(given, Rejected):
        return given
    scope = command.scope
    unfit = _unfit(state, scope, given) or too_large({**seen_from(state, scope), **given}, ctx)
    work = Work(state, ctx)
    if unfit is None and work.graph.schemas is not None:
        unfit = unfit_to_set(work.graph.schemas, state, scope, given)
    if unfit is not None:
        return unfit
    there = state.scopes[scope].variables if scope else state.variables
    if all(there.get(name) == value for name, value in given.items()):
        return Accepted([], [], state)
    writes = {local_name(scope, name): value for name, value in given.items()}
    work.emit(VariablesSet(command.reason, Moves(writes=writes)))
    return work.accepted()


def _unfit(state: InstanceState, scope: int, given: dict[str, bytes]) -> Rejected | None:
    """Return the refusal of variables that are none, or none of the scope."""
    if not given:
        return Rejected("MissingParameter", "there is no variable to set: give at least one")
    if not scope:
        return None
    opened = state.scopes.get(scope)
    if opened is None:
        running = [f"{key} ({one.node})" for key, one in state.scopes.items()]
        return Rejected("NotFound", f"no scope {scope} runs; running are: {_list(running)}")
    foreign = [name for name in given if name not in opened.variables]
    if foreign:
        return Rejected(
            "InvalidInput",
            f"{_list(foreign)}: no variable of scope {scope} ({opened.node}), which has "
            f"{_list(sorted(opened.variables))}: set the workflow's own with scope 0",
        )
    return None


def _list(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
