"""Waits open and close, what they were for comes about, and their owners answer."""

from __future__ import annotations

from typing import Final

from schemas import watch_events as e
from schemas.commands import (
    AcceptMessage,
    CloseSubscription,
    FireTimer,
    RejectMessage,
    SubscriptionClosed,
)
from schemas.ids import subscription_ref
from schemas.json_text import canonical, parse
from schemas.watch_commands import MeetWaits, OpenWatch, UnwatchDevice, WaitMet, WatchDevice
from streams.domain.expressions.cel import CompileError, compile_cel
from streams.domain.protocol import Accepted, Decision, Outcome, Rejected, SendCommand
from streams.domain.watch.standing import owner_of
from streams.domain.watch.state import NOTHING, Pending, Wait, WatchState
from streams.domain.watch.work import Work

ASK_MS_FIRST: Final = 1_000
ASK_MS_MAX: Final = 60_000
MATCHES_MAX: Final = 100
"""Matches that wait for one owner; then the newest takes the place of the last, counted."""
MATCH_BYTES_MAX: Final = 64 * 1024
"""The same in bytes: what an owner that is far behind may cost its device's watch."""
STANDING_SHARE: Final = 10
"""How much more of both a start has, each of which is an instance of its own."""
EVENT_BYTES_MAX: Final = 256 * 1024
OWNERS: Final = ("instance", "definition")
TESTS: Final = ("", "above", "below", "equals", "condition", "silent")
OwnersCommand = OpenWatch | CloseSubscription | AcceptMessage | RejectMessage


def _ref(command: OwnersCommand) -> str:
    return subscription_ref(
        command.owner_type, command.owner_id, command.owner_incarnation, command.subscription
    )


def decide_open(command: OpenWatch, state: WatchState | None, ctx: Decision) -> Outcome:
    """Let an aggregate wait; one that deferred, and opens what is open, is ready now."""
    work = Work(state, ctx)
    ref = _ref(command)
    if ref in work.state.waits:
        pending = work.state.pending.get(ref, NOTHING)
        if pending.ask_at:
            work.emit(e.WatchAsked([work.state.waits[ref].opened]))
            work.ask(ref)
        return work.accepted()
    refusal = _wrong(command, work.state, ctx)
    if refusal is not None:
        return refusal
    number = work.emit(
        e.WatchOpened(
            command.owner_type,
            command.owner_id,
            command.owner_incarnation,
            command.subscription,
            command.node,
            command.once,
            command.awaits,
        )
    )
    work.tell_device(WatchDevice(number))
    return work.accepted()


def _wrong(command: OpenWatch, state: WatchState, ctx: Decision) -> Rejected | None:
    count, limit, awaits = len(state.waits), ctx.limits.subscriptions, command.awaits
    if command.owner_type not in OWNERS:
        return Rejected("InvalidInput", f"a {command.owner_type!r} waits for no device")
    if awaits.test not in TESTS:
        return Rejected("InvalidInput", f"{awaits.test!r} is no test: {', '.join(TESTS[1:])}")
    if awaits.test == "condition":
        try:
            compile_cel(awaits.condition, {})
        except CompileError as error:
            return Rejected("InvalidInput", str(error))
    if count >= limit:
        return Rejected(
            "limit_exceeded",
            f"{count} workflows wait for device {ctx.aggregate_id!r}, the limit is {limit} "
            "(channel_subscriptions_max): let one of them tell the others by a signal",
        )
    return None


def decide_met(command: MeetWaits, state: WatchState, ctx: Decision) -> Outcome:
    """Offer what came about to the owners; what one command may not hold follows in another."""
    work = Work(state, ctx)
    refs = {wait.opened: ref for ref, wait in state.waits.items()}
    open_ones = [one for one in command.met if _is_for(state, refs.get(one.wait, ""))]
    count = _share([one for one in open_ones if not one.code], ctx.limits.fan_out)
    matches = [_match(one, state, refs) for one in open_ones if not one.code]
    if matches:
        work.emit(e.WatchMatched(matches[:count]))
        for one in matches[:count]:
            if len(work.state.pending[refs[one.wait]].matches) == 1:
                work.ask(refs[one.wait])
    for failed in open_ones:
        if failed.code:
            _give_up(work, refs[failed.wait], failed)
    rest = [one for one in open_ones if not one.code][count:]
    if rest:
        body = MeetWaits(rest)
        work.effects.append(SendCommand("watch", ctx.aggregate_id, "", body, hop=True))
    return work.accepted()


def _is_for(state: WatchState, ref: str) -> bool:
    """Tell whether a wait is open and takes another match."""
    if ref not in state.waits:
        return False
    pending = state.pending.get(ref, NOTHING)
    return not pending.closed and not (state.waits[ref].once and pending.matches)


def _share(met: list[WaitMet], fan_out: int) -> int:
    """Return how many of them fit into one event."""
    size = 0
    for place, one in enumerate(met[:fan_out]):
        size += len(one.payload)
        if size > EVENT_BYTES_MAX and place:
            return place
    return fan_out


def _match(one: WaitMet, state: WatchState, refs: dict[int, str]) -> e.WatchMatch:
    waiting = state.pending.get(refs[one.wait], NOTHING).matches
    size = sum(len(match.payload) for match in waiting)
    share = STANDING_SHARE if state.waits[refs[one.wait]].stands else 1
    if len(waiting) < 2 or (len(waiting) < MATCHES_MAX * share and size < MATCH_BYTES_MAX * share):
        return e.WatchMatch(one.wait, one.payload)
    missed = parse(waiting[-1].payload).get("missed", 0) + 1
    payload = canonical({**parse(one.payload), "missed": missed})
    return e.WatchMatch(one.wait, payload, replaces=True)


def _give_up(work: Work, ref: str, one: WaitMet) -> None:
    """End a wait that cannot be judged; its owner makes it an incident."""
    wait = work.state.waits[ref]
    if work.state.pending.get(ref, NOTHING).matches:
        return  # What came about before is answered first; the next reading finds it again.
    work.emit(e.WatchEnded(*owner_of(wait), code=one.code, message=one.message))
    work.tell_device(UnwatchDevice(wait.opened))
    work.confirm(wait, one.code, one.message)


def decide_close(command: CloseSubscription, state: WatchState, ctx: Decision) -> Outcome:
    """End a wait and confirm it: at once, or with the answer that is still to come."""
    ref = _ref(command)
    wait, pending = state.waits.get(ref), state.pending.get(ref, NOTHING)
    if wait is None:
        closed = SubscriptionClosed(command.subscription)
        owner = command.owner_type, command.owner_id, command.owner_incarnation
        return Accepted([], [SendCommand(*owner, closed)], state)
    work = Work(state, ctx)
    if pending.closed:
        return work.accepted()
    awaits_answer = bool(pending.matches) and not pending.ask_at
    work.emit(e.WatchEnded(*owner_of(wait), awaits_answer))
    if not awaits_answer:
        work.tell_device(UnwatchDevice(wait.opened))
        work.confirm(wait)
    return work.accepted()


def _asked(command: AcceptMessage | RejectMessage, state: WatchState) -> Pending | None:
    """Return what an answer is to, if it is to what the owner has now."""
    found = state.pending.get(_ref(command))
    return found if found is not None and found.matches[0].id == command.message_id else None


def decide_accept(command: AcceptMessage, state: WatchState, ctx: Decision) -> Outcome:
    """The owner took what came about."""
    found = _asked(command, state)
    if found is None:
        return Accepted([], [], state)
    ref, work = _ref(command), Work(state, ctx)
    wait = state.waits[ref]
    ended = wait.once or found.closed
    work.emit(e.WatchTaken(command.message_id, *owner_of(wait), ended))
    _go_on(work, ref, wait, found, ended=ended)
    return work.accepted()


def decide_reject(command: RejectMessage, state: WatchState, ctx: Decision) -> Outcome:
    """The owner is asked again later, or does not want it."""
    found = _asked(command, state)
    if found is None:
        return Accepted([], [], state)
    ref, work = _ref(command), Work(state, ctx)
    wait, reason = state.waits[ref], command.reason[: ctx.limits.reason]
    if not command.final and not found.closed:
        retry_at = ctx.now + min(ASK_MS_FIRST << min(found.asks, 16), ASK_MS_MAX)
        work.emit(e.WatchRejected(command.message_id, *owner_of(wait), reason, retry_at))
        return work.accepted()
    work.emit(e.WatchRejected(command.message_id, *owner_of(wait), reason))
    _go_on(work, ref, wait, found, ended=found.closed)
    return work.accepted()


def _go_on(work: Work, ref: str, wait: Wait, before: Pending, *, ended: bool) -> None:
    """After an answer: let the device forget what is over, offer what waited for the answer."""
    if ended:
        work.tell_device(UnwatchDevice(wait.opened))
    if before.closed:
        work.confirm(wait)
    elif not ended and len(before.matches) > 1:
        work.ask(ref)


def decide_fire(_: FireTimer, state: WatchState, ctx: Decision) -> Outcome:
    """Ask the owners again that deferred, or as many as one command may."""
    work = Work(state, ctx)
    due = sorted(
        (one.ask_at, ref) for ref, one in state.pending.items() if 0 < one.ask_at <= ctx.now
    )[: ctx.limits.fan_out]
    if due:
        work.emit(e.WatchAsked([state.waits[ref].opened for _, ref in due]))
        for _at, ref in due:
            work.ask(ref)
    return work.accepted()
