"""What operators ask: suspend, resume, terminate, delete, retry; the engine's Continue."""

from __future__ import annotations

from schemas.commands import (
    Continue,
    DeleteInstance,
    ResumeInstance,
    RetryIncident,
    SuspendInstance,
    TerminateInstance,
)
from schemas.events import (
    IncidentResolved,
    Moves,
    NodeExecuted,
    WorkflowDeleted,
    WorkflowResumed,
    WorkflowSuspended,
    WorkflowTerminated,
)
from schemas.json_text import parse
from streams.domain.instance.advance import (
    advance,
    begin,
    go_on_all,
    leave,
    taken,
    undo_held,
    undo_next,
)
from streams.domain.instance.awaiting import subscribe
from streams.domain.instance.combined import go_on
from streams.domain.instance.compensate import answered_call, being_undone, record
from streams.domain.instance.ending import RESULT, tell_parent
from streams.domain.instance.event_scopes import arm_one, seen_again
from streams.domain.instance.fitting import check_writes
from streams.domain.instance.interrupt import cancel_approvals
from streams.domain.instance.lifecycle import illegal, too_long
from streams.domain.instance.locked import begin_locked
from streams.domain.instance.outputs import UNMAPPED, is_unmapped, mapped, stay
from streams.domain.instance.places import ARMED, OUT, ROOT, UNDO, bare, inside, scope_of
from streams.domain.instance.recover import begin_held
from streams.domain.instance.runs import named
from streams.domain.instance.state import RUNNING, Incident, InstanceState
from streams.domain.instance.variables import seen_from
from streams.domain.instance.walk import Walk
from streams.domain.instance.work import Work
from streams.domain.net.approval import Approval
from streams.domain.net.model import Activity, Call, Start, Wait
from streams.domain.protocol import Decision, Outcome, RedriveCommand, Rejected

WithReason = SuspendInstance | ResumeInstance | TerminateInstance | DeleteInstance


def _refusal(command: WithReason, state: InstanceState, ctx: Decision) -> Rejected | None:
    refusal = illegal(type(command).__name__, state.status)
    return refusal or too_long(command.reason, ctx.limits.reason)


def decide_suspend(command: SuspendInstance, state: InstanceState, ctx: Decision) -> Outcome:
    """Begin nothing new until resumed; what is under way may end."""
    refusal = _refusal(command, state, ctx)
    if refusal is not None:
        return refusal
    work = Work(state, ctx)
    work.emit(WorkflowSuspended(command.reason))
    return work.accepted()


def decide_resume(command: ResumeInstance, state: InstanceState, ctx: Decision) -> Outcome:
    """Let the tokens that were held back go on; timers that passed fire at once."""
    refusal = _refusal(command, state, ctx)
    if refusal is not None:
        return refusal
    work = Work(state, ctx)
    work.emit(WorkflowResumed(command.reason))
    for number, opened in work.state.subscriptions.items():
        if opened.channel:
            subscribe(work, number)  # What was deferred may be offered again at once.
    if work.state.sections:
        begin_locked(work)
    _release(work)
    return work.accepted()


def decide_continue(_: Continue, state: InstanceState, ctx: Decision) -> Outcome:
    """Go on where a command's share of steps was done."""
    work = Work(state, ctx)
    if state.status == RUNNING:
        _release(work)
    return work.accepted()


def _release(work: Work) -> None:
    """Take the tokens off the flows on which they were held back, in scopes from the inside."""
    for scope in [*sorted(work.state.scopes, reverse=True), ROOT]:
        if work.state.status == RUNNING and (scope == ROOT or scope in work.state.scopes):
            _release_in(work, scope)
    begin_held(work)
    go_on_all(work)
    undo_held(work)


def _release_in(work: Work, scope: int) -> None:
    graph = work.graph
    flows = graph.definition.flows
    here = {t: place for t, place in inside(work.state.tokens, scope).items() if place in flows}
    held = {token: flows[p] for token, p in here.items() if flows[p].target not in graph.joins}
    walk = Walk(work, list(held), {}, scope)
    for flow in held.values():
        walk.arrive(flow)
    waiting = {flows[place].target for place in here.values()}
    for join in sorted(waiting & graph.joins):
        walk.check_join(join)
    if here:
        advance(work, walk, lambda moves: NodeExecuted("", "release", moves), scope)


def decide_terminate(command: TerminateInstance, state: InstanceState, ctx: Decision) -> Outcome:
    """End at once: children are terminated, workers told, nothing is awaited."""
    refusal = _refusal(command, state, ctx)
    if refusal is not None:
        return refusal
    work = Work(state, ctx)
    reason = command.reason or "the workflow was terminated"
    for key, activity in state.activities.items():
        work.cancel_task(key, activity.attempt, reason)
    for child in [call.child_id for call in state.children()] + being_undone(state):
        work.send(child, "", TerminateInstance(reason))
    call = answered_call(state)
    cancel_approvals(work, reason)
    work.emit(WorkflowTerminated(command.reason))
    tell_parent(work, call, "terminated", command.reason)
    return work.accepted()


def decide_delete(command: DeleteInstance, state: InstanceState, ctx: Decision) -> Outcome:
    """Hide what is over, or was never started."""
    refusal = _refusal(command, state, ctx)
    if refusal is not None:
        return refusal
    work = Work(state, ctx)
    work.emit(WorkflowDeleted(command.reason))
    return work.accepted()


def decide_retry(command: RetryIncident, state: InstanceState, ctx: Decision) -> Outcome:
    """Try again what one incident, or every open one, stopped."""
    refusal = illegal("RetryIncident", state.status)
    if refusal is not None:
        return refusal
    wanted = [command.incident] if command.incident else sorted(state.incidents)
    unknown = [number for number in wanted if number not in state.incidents]
    if unknown or not wanted:
        return Rejected(
            "NotFound", f"the instance has no open incident {command.incident or ''}".rstrip()
        )
    work = Work(state, ctx)
    for number in wanted:
        found = work.state.incidents.get(number)
        if found is not None and work.state.status == RUNNING:
            work.emit(IncidentResolved(number, "retried"))
            _retry(work, found)
    return work.accepted()


def _retry(work: Work, found: Incident) -> None:
    if found.command:
        work.effects.append(RedriveCommand(found.command))
        return
    place = work.state.tokens.get(found.token, "")
    scope, there = scope_of(place), bare(place)
    if there == UNDO:
        undo_next(work, found.token)
    elif there == RESULT:
        walk = Walk(work, [found.token], {}, scope)
        advance(work, walk, lambda moves: NodeExecuted(found.node, "result", moves), scope)
    elif there.endswith(OUT):
        _leave(work, found, scope)
    elif there.endswith(ARMED):
        arm_one(work, found.node, found.token, scope)
    elif place and isinstance(work.graph.nodes[found.node].kind, Wait):
        _subscribe_again(work, found.node)
        go_on(work, found.node, found.token)
    elif not _subscribe_again(work, found.node) and place:
        begin(work, found.node, found.token)


def _subscribe_again(work: Work, node: str) -> bool:
    """Ask a channel once more that could not open an event's subscription.

    Tells whether the event is waited for already; a condition is evaluated again by itself.
    """
    waits = {n: one.channel for n, one in work.state.subscriptions.items() if one.node == node}
    for number, channel in waits.items():
        if channel:
            subscribe(work, number)
    return bool(waits)


def _leave(work: Work, found: Incident, scope: int) -> None:
    """Leave a node that is done; outputs that could not be computed are computed once more."""
    node, token = found.node, found.token

    def cause(moves: Moves) -> NodeExecuted:
        return NodeExecuted(node, "retry", moves)

    said = found.message.removeprefix(named(work.state, work.state.tokens[token]))
    if not is_unmapped(said):
        # What follows the node was at fault: its outputs are written, and written once.
        leave(work, node, [token], {}, cause, scope)
        return
    try:
        writes = _mapped_again(work, found, scope)
        if node in work.graph.handlers:
            record(work, node, scope, writes)
    except UNMAPPED as error:
        extra = parse(found.seen) if found.seen else None
        stay(work, node, token, error, scope, extra=extra)
        return
    leave(work, node, [token], writes, cause, scope)


def _mapped_again(work: Work, found: Incident, scope: int) -> dict[str, bytes]:
    """Return the outputs of a node that is done; one of `UNMAPPED` where they fail again."""
    node, token = found.node, found.token
    if found.seen:
        extra = parse(found.seen)
        return mapped(work, node, taken(work, node, extra, scope), extra, scope, token=token)
    kind, variables, output = work.graph.nodes[node].kind, seen_from(work.state, scope), None
    if isinstance(kind, Activity | Approval | Call | Start):
        path = kind.result_path or "result"
        output, first = _result(variables, path), path.partition(".")[0]
        check_writes(work, {first: variables.get(first, b"null")}, scope)
    return mapped(work, node, {}, seen_again(kind, output), scope, token=token)


def _result(variables: dict[str, bytes], path: str) -> object:
    """Return the value that a node's output was written to."""
    first, *rest = path.split(".")
    value = parse(variables.get(first, b"null"))
    for name in rest:
        value = value.get(name) if isinstance(value, dict) else None
    return value
