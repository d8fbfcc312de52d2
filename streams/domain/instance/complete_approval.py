"""A person decides."""

from __future__ import annotations

from typing import Any

from schemas.approval_commands import CompleteApproval
from schemas.approval_events import ApprovalCompleted
from schemas.events import Moves
from schemas.json_text import JsonError, canonical, parse
from streams.domain.expressions.json_schema import Fault
from streams.domain.instance.advance import leave, moved
from streams.domain.instance.approval_open import actor_of, open_approval
from streams.domain.instance.compensate import record
from streams.domain.instance.fitting import fitting
from streams.domain.instance.lifecycle import too_long
from streams.domain.instance.limits import too_large
from streams.domain.instance.outputs import UNMAPPED, mapped, result_writes, stay
from streams.domain.instance.places import scope_of
from streams.domain.instance.state import InstanceState
from streams.domain.instance.state_approval import OpenApproval
from streams.domain.instance.variables import seen_from
from streams.domain.instance.work import Work
from streams.domain.net.approval import Approval
from streams.domain.protocol import Decision, Outcome, Rejected


def decide_complete_approval(
    command: CompleteApproval, state: InstanceState, ctx: Decision
) -> Outcome:
    """Take a decision once, of who may give it, where it fits the form."""
    one, who = open_approval(command.approval, state), actor_of(ctx)
    if isinstance(one, Rejected):
        return one
    if isinstance(who, Rejected):
        return who
    refusal = _may_not(command, one, who) or too_long(command.comment, ctx.limits.text)
    if refusal is not None:
        return refusal
    try:
        data = parse(command.data)
    except JsonError as error:
        return Rejected("InvalidInput", f"the data are {error}")
    work = Work(state, ctx)
    decision = decision_of(work, one.node, command.outcome, data, who)
    if isinstance(decision, Rejected):
        return decision
    return _complete(work, command, one, decision)


def _may_not(command: CompleteApproval, one: OpenApproval, who: str) -> Rejected | None:
    number = command.approval
    if command.claimant and command.claimant != one.claimant:
        has = f"claimed by {one.claimant}" if one.claimant else "claimed by nobody"
        return Rejected(
            "version_conflict",
            f"approval {number} is {has}, the command expects {command.claimant}: read it again",
        )
    if one.whose == who:
        return None
    if one.claimant:
        return Rejected("already_claimed", f"approval {number} is claimed by {one.claimant}")
    return Rejected(
        "Authorization", f"{who} has not claimed approval {number}: claim it, then complete it"
    )


def decision_of(
    work: Work, node: str, outcome: Any, data: Any, who: str
) -> dict[str, Any] | Rejected:
    """Return what an approval gives its workflow, or why that is no decision."""
    kind = work.graph.nodes[node].kind
    assert isinstance(kind, Approval)
    if outcome not in kind.outcomes:
        text = canonical(outcome).decode()[:80]
        return Rejected(
            "InvalidInput", f"{text} is no outcome of {node}: it has {', '.join(kind.outcomes)}"
        )
    form = work.graph.approvals[node].form
    if form is not None:
        faults = form.faults(data)
    else:
        faults = [] if isinstance(data, dict) else [Fault("$", "object is needed")]
    if faults:
        text = "; ".join(map(str, faults))
        return Rejected("InvalidInput", f"the data do not fit the form of {node}: {text}")
    return {"outcome": outcome, "data": data, "completed_by": who}


def _complete(
    work: Work, command: CompleteApproval, one: OpenApproval, decision: dict[str, Any]
) -> Outcome:
    node, token = one.node, one.token
    kind = work.graph.nodes[node].kind
    assert isinstance(kind, Approval)
    scope = scope_of(work.state.tokens[token])
    variables = seen_from(work.state, scope)
    writes = result_writes(variables, kind.result_path, decision, canonical(decision))
    refusal = too_large({**variables, **writes}, work.ctx)
    if refusal is not None:
        return refusal

    def cause(moves: Moves) -> ApprovalCompleted:
        return ApprovalCompleted(
            command.approval,
            node,
            decision["outcome"],
            canonical(decision["data"]),
            decision["completed_by"],
            command.comment,
            moves,
        )

    try:
        everything = mapped(work, node, writes, {"output": decision}, scope, token=token)
        if node in work.graph.handlers:
            record(work, node, scope, everything)
    except UNMAPPED as error:
        begun = work.state.observed.get(token)
        work.emit(cause(moved(work, token, scope, fitting(work, writes, scope))))
        stay(work, node, token, error, scope, begun)
        return work.accepted()
    leave(work, node, [token], everything, cause, scope)
    return work.accepted()
