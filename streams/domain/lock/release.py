"""Keeping a lock for longer, giving it back, and taking it away."""

from __future__ import annotations

from schemas.commands import ExtendLock, FireTimer, ForceReleaseLock, ReleaseLock, ReturnLock
from schemas.ids import task_id
from schemas.lock_events import LockExtended, LockOwner
from streams.domain.lock.acquire import checked_time
from streams.domain.lock.state import FORCED, RELEASED, WITHDRAWN, place_of, release_mark
from streams.domain.lock.work import Work
from streams.domain.protocol import Outcome, Rejected


def decide_extend(command: ExtendLock, work: Work) -> Outcome:
    """Decide an extension: from now on, longer or shorter than it had."""
    refusal = checked_time("ttl_ms", command.ttl_ms, 1)
    if refusal is not None:
        return refusal
    holder = work.holder
    owner = LockOwner(command.owner)
    if holder is None or (holder.owner, holder.token) != (owner, command.token):
        return Rejected(
            "LockExtension",
            f"{command.owner!r} no longer has lock {work.ctx.aggregate_id!r} with token "
            f"{command.token}: stop what it protects, and acquire it again",
        )
    work.emit(LockExtended(owner, holder.token, work.ctx.now + command.ttl_ms))
    return work.accepted()


def decide_release(command: ReleaseLock, work: Work) -> Outcome:
    """Decide a client's release; a repeated one gives the same answer again."""
    owner = LockOwner(command.owner)
    if _give_back(work, owner, command.token):
        return work.accepted(b"true")
    state = work.state
    before = state is not None and release_mark(owner, command.token) in state.recent
    return work.accepted(b"true" if before else b"false")


def decide_return(command: ReturnLock, work: Work) -> Outcome:
    """Decide the end of an aggregate's section; one that has nothing has nothing to give."""
    name = task_id(command.aggregate_id, command.incarnation, command.section)
    owner = LockOwner(
        name,
        command.aggregate_type,
        command.aggregate_id,
        command.incarnation,
        command.section,
    )
    _give_back(work, owner, 0)
    return work.accepted()


def _give_back(work: Work, owner: LockOwner, token: int) -> bool:
    """End what an owner has: the lock, or with no token its place in the queue."""
    state = work.state
    if state is None:
        return False
    holder = state.holder
    if holder is not None and holder.owner == owner and token in {0, holder.token}:
        work.end(holder, RELEASED)
        return True
    place = place_of(state, owner)
    if token or place < 0:
        return False
    work.refuse(state.waiters[place], WITHDRAWN)
    return True


def decide_force(command: ForceReleaseLock, work: Work) -> Outcome:
    """Decide an operator's release."""
    holder = work.holder
    if holder is None:
        return Rejected("NotFound", f"nobody has lock {work.ctx.aggregate_id!r}")
    work.end(holder, FORCED, command.reason[: work.ctx.limits.reason])
    return work.accepted()


def decide_fire(_: FireTimer, work: Work) -> Outcome:
    """Accept what was due by now."""
    return work.accepted()
