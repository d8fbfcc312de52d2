"""`RestartFailed`: an instance that has failed begins again where it failed, or at its start.

It begins with the variables that it had. Each token rests where it did in the workflow itself;
what is waited for, and a scope or an iteration under way, begins anew.
"""

from __future__ import annotations

from schemas.commands import Continue
from schemas.events import Moves, Token
from schemas.restart_commands import RestartFailed
from schemas.restart_events import WorkflowRestarted
from streams.domain.instance.advance import begin, leave
from streams.domain.instance.enter import incident
from streams.domain.instance.event_scopes import arm_workflow
from streams.domain.instance.lifecycle import too_long
from streams.domain.instance.places import OUT
from streams.domain.instance.state import FAILED, RUNNING, InstanceState
from streams.domain.instance.work import Work
from streams.domain.protocol import Decision, Outcome, Rejected


def decide_restart(command: RestartFailed, state: InstanceState, ctx: Decision) -> Outcome:
    """Begin again; only what has failed, and is not forgotten, can."""
    refusal = _refusal(command, state) or too_long(command.reason, ctx.limits.reason)
    if refusal is not None:
        return refusal
    work = Work(state, ctx)
    if command.from_start:
        refusal = _from_start(work, command.reason)
        return refusal or work.accepted()
    tokens = [Token(token, place) for token, place in sorted(state.resting.items())]
    work.emit(WorkflowRestarted(command.reason, from_start=False, moves=Moves([], tokens)))
    for token in tokens:
        if work.state.status == RUNNING:
            _rest(work, token)
    if any(token.place in work.graph.definition.flows for token in tokens):
        work.send(ctx.aggregate_id, state.incarnation, Continue())
    arm_workflow(work)
    return work.accepted()


def _refusal(command: RestartFailed, state: InstanceState) -> Rejected | None:
    if state.status != FAILED:
        message = f"only what has failed is restarted; the instance is {state.status}"
    elif not state.restartable:
        message = (
            "nothing is kept to restart it: it is a child, whose caller has gone on (restart the "
            "caller), has a variable of 4 KiB or more, or failed under a former release"
        )
    elif not command.from_start and not state.resting:
        message = "it failed at no activity, call or scope to begin at: restart it from the start"
    else:
        return None
    return Rejected("InvalidState", message)


def _from_start(work: Work, reason: str) -> Rejected | None:
    start = work.graph.start
    if not start:
        return Rejected("InvalidState", "its definition has no start without a trigger")

    def cause(moves: Moves) -> WorkflowRestarted:
        return WorkflowRestarted(reason, from_start=True, moves=moves)

    leave(work, start, [], {}, cause)
    arm_workflow(work)
    return None


def _rest(work: Work, token: Token) -> None:
    """Let a token wait again where it rested."""
    node = token.place.removesuffix(OUT)
    if token.place.endswith(OUT):
        message = f"{node} was done, and could not be left, when the workflow failed: retry"
        incident(work, node, token.id, "InvalidState", message, place=token.place)
    elif node in work.graph.nodes:
        begin(work, node, token.id)
