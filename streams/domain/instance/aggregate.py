"""The workflow instance as the runtime drives it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from schemas import commands as c
from schemas import results as r
from schemas.escalation_commands import EscalateCall
from schemas.restart_commands import RestartFailed
from streams.domain.instance import state as s
from streams.domain.instance.activity_progress import decide_heartbeat, decide_started
from streams.domain.instance.approvals import APPROVAL_VERBS
from streams.domain.instance.calls import decide_complete_call, decide_fail_call
from streams.domain.instance.cancel import decide_cancel, decide_compensate, decide_discard
from streams.domain.instance.complete_activity import decide_complete
from streams.domain.instance.conditions import conditions_settled
from streams.domain.instance.correlate import decide_closed, decide_correlate
from streams.domain.instance.escalate import decide_escalate_call
from streams.domain.instance.evolve import evolve
from streams.domain.instance.fail_activity import decide_fail
from streams.domain.instance.intervene import (
    decide_complete_node,
    decide_set_variables,
    decide_skip,
)
from streams.domain.instance.locked import decide_granted, decide_lost, decide_refused
from streams.domain.instance.operate import (
    decide_continue,
    decide_delete,
    decide_resume,
    decide_retry,
    decide_suspend,
    decide_terminate,
)
from streams.domain.instance.parts import divide, joined
from streams.domain.instance.restart import decide_restart
from streams.domain.instance.start import (
    decide_child,
    decide_create,
    decide_run,
    decide_start,
)
from streams.domain.instance.state import InstanceState
from streams.domain.instance.timers import decide_fire, next_due
from streams.domain.instance.trigger import decide_trigger
from streams.domain.protocol import Accepted, Decision, Outcome, Rejected, conflict

BEGINNINGS: Final[dict[type[msgspec.Struct], Callable[[Any, Any, Decision], Outcome]]] = {
    c.RunInstance: decide_run,
    c.CreateInstance: decide_create,
    c.StartChild: decide_child,
    c.TriggerInstance: decide_trigger,
}
"""Commands that make an instance."""

VERBS: Final[dict[type[msgspec.Struct], Callable[[Any, Any, Decision], Outcome]]] = {
    c.StartInstance: decide_start,
    c.SuspendInstance: decide_suspend,
    c.ResumeInstance: decide_resume,
    c.CancelInstance: decide_cancel,
    c.TerminateInstance: decide_terminate,
    c.DeleteInstance: decide_delete,
    c.RetryIncident: decide_retry,
    RestartFailed: decide_restart,
    c.SkipNode: decide_skip,
    c.CompleteNode: decide_complete_node,
    c.SetVariables: decide_set_variables,
    c.CompensateInstance: decide_compensate,
    c.DiscardCompensation: decide_discard,
    c.CompleteCall: decide_complete_call,
    c.FailCall: decide_fail_call,
    EscalateCall: decide_escalate_call,
    c.Continue: decide_continue,
    c.Correlate: decide_correlate,
    c.SubscriptionClosed: decide_closed,
    c.LockGranted: decide_granted,
    c.LockRefused: decide_refused,
    c.LockLost: decide_lost,
    c.FireTimer: decide_fire,
    r.CompleteActivity: decide_complete,
    r.FailActivity: decide_fail,
    r.ReportActivityStarted: decide_started,
    r.HeartbeatActivity: decide_heartbeat,
    **APPROVAL_VERBS,
}
"""Commands to an instance that is there."""


def decide(command: msgspec.Struct, state: InstanceState | None, ctx: Decision) -> Outcome:
    """Decide a command to an instance."""
    kind = type(command)
    begin = BEGINNINGS.get(kind)
    if begin is not None:
        if state is None and ctx.expected_sequence > 0:
            return conflict(ctx, 0)
        return _settled(begin(command, state, ctx), command, ctx)
    verb = VERBS.get(kind)
    if verb is None:
        return Rejected("UnsupportedOperation", f"instances do not take {kind.__name__}")
    if state is None:
        return Rejected("NotFound", f"instance {ctx.aggregate_id!r} does not exist")
    if ctx.incarnation and ctx.incarnation != state.incarnation:
        return Rejected(
            "already_closed",
            f"instance {ctx.aggregate_id!r} now has incarnation {state.incarnation}, the "
            f"message is for {ctx.incarnation}",
        )
    if 0 <= ctx.expected_sequence != state.sequence:
        return conflict(ctx, state.sequence)
    return _settled(verb(command, state, ctx), command, ctx)


def _settled(outcome: Outcome, command: msgspec.Struct, ctx: Decision) -> Outcome:
    """Let conditions act, which only a state with subscriptions can have."""
    if type(outcome) is Accepted and outcome.state.subscriptions:
        return conditions_settled(outcome, command, ctx)
    return outcome


class InstanceAggregate:
    """Implements `protocol.Aggregate`."""

    type = "instance"
    form = 3
    """From 3 on: schedules, conditions, devices, merged writes, iterations, undoing, approvals."""
    has_incidents = True

    decide = staticmethod(decide)
    evolve = staticmethod(evolve)
    encode = staticmethod(s.encode)
    decode = staticmethod(s.decode_state)
    remnant = staticmethod(s.remnant)
    divide = staticmethod(divide)
    joined = staticmethod(joined)
    next_due = staticmethod(next_due)

    @staticmethod
    def sequence(state: InstanceState) -> int:
        """Return the sequence of the last event."""
        return state.sequence

    @staticmethod
    def incarnation(state: InstanceState) -> str:
        """Return which life of its id this is."""
        return state.incarnation

    @staticmethod
    def is_finished(state: InstanceState) -> bool:
        """Tell whether the instance has ended, and no parent can have it undone."""
        if state.status == s.COMPLETED and state.completions:
            return False
        return state.status in s.FINISHED


INSTANCE: Final = InstanceAggregate()
