"""The channel as the runtime drives it: where messages and signals meet those that wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from schemas import commands as c
from schemas.start_commands import EndSingle, StartSingle
from streams.domain.channel import state as s
from streams.domain.channel.evolve import evolve
from streams.domain.channel.publish import decide_broadcast, decide_continue, decide_publish
from streams.domain.channel.single import decide_end_single, decide_single
from streams.domain.channel.state import ChannelState
from streams.domain.channel.subscribe import (
    decide_accept,
    decide_close,
    decide_open,
    decide_reject,
)
from streams.domain.channel.timers import decide_fire
from streams.domain.channel.work import Work
from streams.domain.protocol import Decision, Outcome, Rejected, conflict
from streams.domain.stalls import retried

BEGINNINGS: Final[dict[type[msgspec.Struct], Callable[[Any, Any, Decision], Outcome]]] = {
    c.PublishMessage: decide_publish,
    c.BroadcastSignal: decide_broadcast,
    c.OpenSubscription: decide_open,
}
"""Commands that a channel which is not there begins with."""


def decide_retry(command: c.RetryIncident, state: ChannelState, ctx: Decision) -> Outcome:
    """Apply again what a defect stopped."""
    found = retried(command, state.incidents, "the channel")
    if isinstance(found, Rejected):
        return found
    work = Work(state, ctx)
    for event, again in found:
        work.effects.append(again)
        work.emit(event)
    return work.accepted()


VERBS: Final[dict[type[msgspec.Struct], Callable[[Any, Any, Decision], Outcome]]] = {
    **BEGINNINGS,
    c.CloseSubscription: decide_close,
    c.AcceptMessage: decide_accept,
    c.RejectMessage: decide_reject,
    StartSingle: decide_single,
    EndSingle: decide_end_single,
    c.ContinueBroadcast: decide_continue,
    c.FireTimer: decide_fire,
    c.RetryIncident: decide_retry,
}


def decide(command: msgspec.Struct, state: ChannelState | None, ctx: Decision) -> Outcome:
    """Decide a command to a channel."""
    kind = type(command)
    verb = VERBS.get(kind)
    if verb is None:
        return Rejected("UnsupportedOperation", f"channels do not take {kind.__name__}")
    sequence = 0 if state is None else state.sequence
    if 0 <= ctx.expected_sequence != sequence:
        return conflict(ctx, sequence)
    if state is None and kind not in BEGINNINGS:
        return Rejected(
            "NotFound", f"channel {ctx.aggregate_id!r} holds no message and no subscription"
        )
    return verb(command, state, ctx)


class ChannelAggregate:
    """Implements `protocol.Aggregate`."""

    type = "channel"
    form = 1
    has_incidents = True

    decide = staticmethod(decide)
    evolve = staticmethod(evolve)
    encode = staticmethod(s.encode)
    decode = staticmethod(s.decode)
    next_due = staticmethod(s.next_due)
    is_finished = staticmethod(s.is_finished)

    @staticmethod
    def sequence(state: ChannelState) -> int:
        """Return the sequence of the last event."""
        return state.sequence

    @staticmethod
    def incarnation(state: ChannelState) -> str:
        """Return which life of its id this is: a channel that was swept begins another."""
        return state.incarnation

    @staticmethod
    def remnant(state: ChannelState) -> ChannelState:
        """Return the state: the ids that it remembers, which it may still be asked about."""
        return state


CHANNEL: Final = ChannelAggregate()
