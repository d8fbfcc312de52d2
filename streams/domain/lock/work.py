"""The working state of one decision about a lock, and what every verb does to it."""

from __future__ import annotations

import msgspec

from schemas.commands import LockGranted, LockLost, LockRefused
from schemas.json_text import canonical
from schemas.lock_events import LockAcquired, LockOwner, LockReleased, LockRequestRefused
from streams.domain.lock.evolve import evolve
from streams.domain.lock.state import RELEASED, TIMEOUT, Holder, LockState, Waiter
from streams.domain.protocol import (
    Accepted,
    AnswerCommand,
    Decision,
    Effect,
    EventPlace,
    SendCommand,
)


class Work:
    """Collects the events and effects of a decision."""

    __slots__ = ("ctx", "effects", "events", "state")

    def __init__(self, state: LockState | None, ctx: Decision) -> None:
        """Start from the state before; None for a lock that nobody knows."""
        self.ctx = ctx
        self.state = state
        self.events: list[msgspec.Struct] = []
        self.effects: list[Effect] = []

    @property
    def holder(self) -> Holder | None:
        """Who has the lock."""
        return None if self.state is None else self.state.holder

    def emit(self, event: msgspec.Struct) -> None:
        """Apply an event and keep it."""
        ctx, state = self.ctx, self.state
        incarnation = ctx.incarnation if state is None else state.incarnation
        sequence = 1 if state is None else state.sequence + 1
        place = EventPlace(ctx.aggregate_id, ctx.tenant, incarnation, sequence, ctx.now, ctx.actor)
        self.state = evolve(state, event, place)
        self.events.append(event)

    def accepted(self, result: bytes = b"null") -> Accepted:
        """Return what was decided."""
        return Accepted(self.events, self.effects, self.state, result)

    # What every verb does.

    def settle(self) -> None:
        """Do what is due by now: waits and the holder's time end, the next gets the lock."""
        state, now = self.state, self.ctx.now
        if state is None:
            return
        for waiter in state.waiters:
            if 0 < waiter.wait_until <= now:
                self.refuse(waiter, TIMEOUT)
        holder = state.holder
        if holder is not None and 0 < holder.expires_at <= now:
            self.end(holder, "expired")

    def grant(self, waiter: Waiter) -> Holder:
        """Give the free lock to an owner; who asked is not told yet.

        The token is the clock, or one more than the last: it grows even where the last one is
        forgotten, since the clock never goes back.
        """
        now = self.ctx.now
        token = max(now, 1 + (0 if self.state is None else self.state.token))
        expires_at = now + waiter.ttl_ms if waiter.ttl_ms else 0
        event = LockAcquired(waiter.owner, token, waiter.ttl_ms, expires_at, waiter.command_id)
        self.emit(event)
        return Holder(waiter.owner, token, expires_at, waiter.command_id)

    def end(self, holder: Holder, how: str, reason: str = "") -> None:
        """Take the lock from its holder, and hand it to the first in the queue."""
        self.emit(LockReleased(holder.owner, holder.token, how, reason))
        if how != RELEASED:
            lost = LockLost(self.ctx.aggregate_id, holder.owner.section, holder.token, how)
            self.tell(holder.owner, lost)
        waiters = self.state.waiters if self.state is not None else ()
        if waiters:
            waiter = waiters[0]
            granted = self.grant(waiter)
            self.tell(waiter.owner, self.granted(granted))
            self.answer(waiter, result_of(granted))

    def refuse(self, waiter: Waiter, how: str) -> None:
        """End an owner's wait, and tell it."""
        message = f"lock {self.ctx.aggregate_id!r}: {_ENDS[how]}"
        self.emit(LockRequestRefused(waiter.owner, how, waiter.command_id))
        refused = LockRefused(
            self.ctx.aggregate_id, waiter.owner.section, "LockAcquisition", message
        )
        self.tell(waiter.owner, refused)
        self.answer(waiter, code="LockAcquisition", message=message)

    def granted(self, holder: Holder) -> LockGranted:
        """Return what an aggregate is told that has the lock."""
        section = holder.owner.section
        return LockGranted(self.ctx.aggregate_id, section, holder.token, holder.expires_at)

    def tell(self, owner: LockOwner, body: msgspec.Struct) -> None:
        """Send to the aggregate that the owner is, if it is one."""
        if owner.aggregate_type:
            self.effects.append(
                SendCommand(owner.aggregate_type, owner.aggregate_id, owner.incarnation, body)
            )

    def answer(
        self, waiter: Waiter, result: bytes = b"null", code: str = "", message: str = ""
    ) -> None:
        """Answer the client's command that waits, if an answer was asked for."""
        if waiter.reply_to:
            self.effects.append(
                AnswerCommand(waiter.command_id, waiter.reply_to, result, code, message)
            )


_ENDS = {
    TIMEOUT: "another owner had it for as long as this one would wait",
    "withdrawn": "the request was withdrawn",
}


def result_of(holder: Holder) -> bytes:
    """Return the answer to who has the lock."""
    return canonical({"acquired": True, "token": holder.token, "expires_at": holder.expires_at})
