"""A device's watch as the runtime drives it: the waits for it, which lives beside the device.

The device judges them, reading by reading, and has no events; what it finds is said here, as
events, in the same batch ([0012](../../docs/adr/0011-waits-for-devices-are-a-watch.md)).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from schemas import commands as c
from schemas.watch_commands import MeetWaits, OpenWatch, StandWatch
from streams.domain.protocol import Decision, Outcome, Rejected, conflict
from streams.domain.stalls import retried
from streams.domain.watch import state as s
from streams.domain.watch.evolve import evolve
from streams.domain.watch.standing import decide_stand
from streams.domain.watch.state import WatchState
from streams.domain.watch.waits import (
    decide_accept,
    decide_close,
    decide_fire,
    decide_met,
    decide_open,
    decide_reject,
)
from streams.domain.watch.work import Work


def decide_retry(command: c.RetryIncident, state: WatchState, ctx: Decision) -> Outcome:
    """Apply again what a defect stopped."""
    found = retried(command, state.incidents, "the watch")
    if isinstance(found, Rejected):
        return found
    work = Work(state, ctx)
    for event, again in found:
        work.effects.append(again)
        work.emit(event)
    return work.accepted()


BEGINNINGS: Final = (OpenWatch, StandWatch)
"""Commands that a watch which is not there begins with."""
VERBS: Final[dict[type[msgspec.Struct], Callable[[Any, Any, Decision], Outcome]]] = {
    OpenWatch: decide_open,
    StandWatch: decide_stand,
    MeetWaits: decide_met,
    c.CloseSubscription: decide_close,
    c.AcceptMessage: decide_accept,
    c.RejectMessage: decide_reject,
    c.FireTimer: decide_fire,
    c.RetryIncident: decide_retry,
}


def decide(command: msgspec.Struct, state: WatchState | None, ctx: Decision) -> Outcome:
    """Decide a command to a device's watch."""
    kind = type(command)
    verb = VERBS.get(kind)
    if verb is None:
        return Rejected("UnsupportedOperation", f"watches do not take {kind.__name__}")
    sequence = 0 if state is None else state.sequence
    if 0 <= ctx.expected_sequence != sequence:
        return conflict(ctx, sequence)
    if state is None and kind not in BEGINNINGS:
        return Rejected("NotFound", f"nobody waits for device {ctx.aggregate_id!r}")
    return verb(command, state, ctx)


class WatchAggregate:
    """Implements `protocol.Aggregate`."""

    type = "watch"
    form = 1
    has_incidents = True

    decide = staticmethod(decide)
    evolve = staticmethod(evolve)
    encode = staticmethod(s.encode)
    decode = staticmethod(s.decode)
    next_due = staticmethod(s.next_due)
    is_finished = staticmethod(s.is_finished)

    @staticmethod
    def sequence(state: WatchState) -> int:
        """Return the sequence of the last event."""
        return state.sequence

    @staticmethod
    def incarnation(state: WatchState) -> str:
        """Return which life of its id this is: a watch that was swept begins another."""
        return state.incarnation

    @staticmethod
    def remnant(state: WatchState) -> WatchState:
        """Return the state: of a watch that nobody waits at it is small already."""
        return state


WATCH: Final = WatchAggregate()
