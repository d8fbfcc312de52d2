"""The lock aggregate: one holder at a time, the others in order, a token for each.

How an aggregate holds a lock for a section of its work, by internal commands (`SendCommand`):

- It sends `RequestLock` to the lock (type `lock`, the name as id, no incarnation). The section is
  a number that it uses once in its life: the sequence of the event that began the section.
- It hears `LockGranted` with that section, or `LockRefused`, at its own incarnation; and
  `LockLost`, where it asked for a time to live that ended, or an operator forced the lock.
- It sends `ReturnLock` when the section ends in any way, and for every section that has asked
  when it ends itself, terminated too, answered or not: commands between two aggregates keep their
  order, and a return of nothing does nothing. A `LockGranted` that it rejects comes back by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from schemas import commands as c
from streams.domain.lock.acquire import decide_acquire, decide_request
from streams.domain.lock.evolve import evolve
from streams.domain.lock.release import (
    decide_extend,
    decide_fire,
    decide_force,
    decide_release,
    decide_return,
)
from streams.domain.lock.state import LockState, is_finished, next_due
from streams.domain.lock.work import Work
from streams.domain.protocol import Decision, Outcome, Rejected, conflict
from streams.domain.stalls import retried


def decide_retry(command: c.RetryIncident, work: Work) -> Outcome:
    """Apply again what a defect stopped."""
    kept = {} if work.state is None else work.state.incidents
    found = retried(command, kept, f"lock {work.ctx.aggregate_id!r}")
    if isinstance(found, Rejected):
        return found
    for event, again in found:
        work.effects.append(again)
        work.emit(event)
    return work.accepted()


VERBS: Final[dict[type[msgspec.Struct], Callable[[Any, Work], Outcome]]] = {
    c.AcquireLock: decide_acquire,
    c.ExtendLock: decide_extend,
    c.ReleaseLock: decide_release,
    c.ForceReleaseLock: decide_force,
    c.RequestLock: decide_request,
    c.ReturnLock: decide_return,
    c.FireTimer: decide_fire,
    c.RetryIncident: decide_retry,
}
"""Which function decides which command."""


def decide(command: msgspec.Struct, state: LockState | None, ctx: Decision) -> Outcome:
    """Decide a command to a lock; what is due by now comes first."""
    verb = VERBS.get(type(command))
    if verb is None:
        return Rejected("UnsupportedOperation", f"locks do not take {type(command).__name__}")
    if state is not None and ctx.incarnation and ctx.incarnation != state.incarnation:
        return Rejected(
            "already_closed",
            f"lock {ctx.aggregate_id!r} now has incarnation {state.incarnation}, the message is "
            f"for {ctx.incarnation}",
        )
    sequence = 0 if state is None else state.sequence
    if 0 <= ctx.expected_sequence != sequence:
        return conflict(ctx, sequence)
    work = Work(state, ctx)
    if not isinstance(command, c.RetryIncident):  # It must not meet the same defect again.
        work.settle()
    return verb(command, work)


class LockAggregate:
    """Implements `protocol.Aggregate`."""

    type = "lock"
    form = 1
    has_incidents = True

    decide = staticmethod(decide)
    evolve = staticmethod(evolve)
    encode = staticmethod(msgspec.msgpack.Encoder().encode)
    decode = staticmethod(msgspec.msgpack.Decoder(LockState).decode)
    next_due = staticmethod(next_due)
    is_finished = staticmethod(is_finished)

    @staticmethod
    def sequence(state: LockState) -> int:
        """Return the sequence of the last event."""
        return state.sequence

    @staticmethod
    def incarnation(state: LockState) -> str:
        """Return which life of its name this is."""
        return state.incarnation

    @staticmethod
    def remnant(state: LockState) -> LockState:
        """Return the state: a free lock is small, and goes on from what it was."""
        return state


LOCK: Final = LockAggregate()
