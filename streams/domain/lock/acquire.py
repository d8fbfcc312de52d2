"""Taking a lock: at once, again, or in the queue."""

from __future__ import annotations

from typing import Final

from schemas.commands import AcquireLock, RequestLock
from schemas.ids import task_id
from schemas.lock_events import LockExtended, LockOwner, LockRequested
from streams.domain.lock.state import WAITERS_MAX, Holder, Waiter, mark, place_of
from streams.domain.lock.work import Work, result_of
from streams.domain.protocol import Outcome, Rejected

MS_MAX: Final = 86_400_000
"""The longest time to live and the longest wait, in ms: a day."""
OWNER_LENGTH_MAX: Final = 128


def checked_owner(owner: str) -> Rejected | None:
    """Return why a client's owner will not do."""
    if not owner:
        return Rejected("MissingParameter", "owner is empty: name who holds the lock")
    if len(owner) > OWNER_LENGTH_MAX:
        return Rejected(
            "InvalidInput",
            f"owner has {len(owner)} characters, at most {OWNER_LENGTH_MAX}: use an id",
        )
    return None


def checked_time(name: str, value: int, least: int) -> Rejected | None:
    """Return why a number of milliseconds will not do."""
    if least <= value <= MS_MAX:
        return None
    return Rejected("InvalidInput", f"{name} is {value}; it is {least} to {MS_MAX} milliseconds")


def decide_acquire(command: AcquireLock, work: Work) -> Outcome:
    """Decide a client's request."""
    refusal = (
        checked_owner(command.owner)
        or checked_time("ttl_ms", command.ttl_ms, 1)
        or checked_time("wait_ms", command.wait_ms, 0)
    )
    if refusal is not None:
        return refusal
    ctx = work.ctx
    until = ctx.now + command.wait_ms if command.wait_ms else 0
    asked = Waiter(LockOwner(command.owner), command.ttl_ms, until, ctx.command_id, ctx.reply_to)
    holder = work.holder
    if work.state is not None and mark(asked.command_id) in work.state.recent:
        return Rejected(
            "LockAcquisition",
            "this command was answered before, and what it got is over: acquire again under "
            "another command id",
        )
    if holder is not None and holder.owner == asked.owner:
        return work.accepted(result_of(_again(work, holder, asked)))
    if holder is None:
        return work.accepted(result_of(work.grant(asked)))
    return _wait(work, holder, asked, waits=command.wait_ms > 0)


def decide_request(command: RequestLock, work: Work) -> Outcome:
    """Decide an aggregate's request; it is told by internal commands."""
    refusal = checked_time("ttl_ms", command.ttl_ms, 0) or checked_time(
        "wait_ms", command.wait_ms, -1
    )
    if refusal is not None:
        return refusal
    until = work.ctx.now + command.wait_ms if command.wait_ms > 0 else 0
    asked = Waiter(section_of(command), command.ttl_ms, until)
    holder = work.holder
    if holder is None:
        holder = work.grant(asked)
    elif holder.owner == asked.owner:
        holder = _again(work, holder, asked)
    else:
        return _wait(work, holder, asked, waits=command.wait_ms != 0)
    work.tell(asked.owner, work.granted(holder))
    return work.accepted()


def section_of(command: RequestLock) -> LockOwner:
    """Return the owner that an aggregate's section is."""
    name = task_id(command.aggregate_id, command.incarnation, command.section)
    return LockOwner(
        name,
        command.aggregate_type,
        command.aggregate_id,
        command.incarnation,
        command.section,
    )


def _again(work: Work, holder: Holder, asked: Waiter) -> Holder:
    """Let the holder keep the lock, never for a shorter time than it had; return it after that."""
    later = work.ctx.now + asked.ttl_ms if asked.ttl_ms else 0
    expires_at = max(holder.expires_at, later) if holder.expires_at and later else 0
    known = asked.command_id in {holder.command_id, holder.again}
    if known and (not asked.owner.aggregate_type or expires_at == holder.expires_at):
        return holder
    work.emit(LockExtended(holder.owner, holder.token, expires_at, asked.command_id))
    assert work.holder is not None
    return work.holder


def _wait(work: Work, holder: Holder, asked: Waiter, *, waits: bool) -> Outcome:
    state, ctx = work.state, work.ctx
    assert state is not None
    place = place_of(state, asked.owner)
    if place >= 0 and state.waiters[place].command_id == asked.command_id:
        return work.accepted(b"")
    if not waits:
        until = f"until {holder.expires_at}" if holder.expires_at else "until it gives it back"
        return Rejected(
            "LockAcquisition",
            f"{holder.owner.name!r} has lock {ctx.aggregate_id!r} {until}, "
            f"{len(state.waiters)} wait for it",
        )
    if place < 0 and len(state.waiters) >= WAITERS_MAX:
        return Rejected(
            "limit_exceeded",
            f"{WAITERS_MAX} owners wait for lock {ctx.aggregate_id!r} already: try again later",
        )
    if place >= 0:
        message = f"{asked.owner.name!r} asked for lock {ctx.aggregate_id!r} again"
        work.answer(state.waiters[place], code="LockAcquisition", message=message)
    work.emit(
        LockRequested(asked.owner, asked.ttl_ms, asked.wait_until, asked.command_id, asked.reply_to)
    )
    return work.accepted(b"")
