"""Subscriptions open and close; the owners answer what they are offered."""

from __future__ import annotations

from typing import Final

from schemas import channel_events
from schemas.commands import (
    AcceptMessage,
    CloseSubscription,
    OpenSubscription,
    RejectMessage,
    SubscriptionClosed,
)
from schemas.ids import subscription_ref
from schemas.start_commands import StartSingle
from streams.domain.channel.starts import end_asking, start_by_message
from streams.domain.channel.state import DEFINITION, ChannelState, Subscription
from streams.domain.channel.work import Work
from streams.domain.protocol import Accepted, Decision, Outcome, Rejected, SendCommand

ASK_MS_FIRST: Final = 1_000
ASK_MS_MAX: Final = 60_000
KINDS: Final = ("message:", "signal:")
OWNERS: Final = ("instance",)
OwnersCommand = OpenSubscription | CloseSubscription | AcceptMessage | RejectMessage | StartSingle


def _ref(command: OwnersCommand) -> str:
    return subscription_ref(
        command.owner_type, command.owner_id, command.owner_incarnation, command.subscription
    )


def owner_of(found: Subscription) -> tuple[str, str, str, int, str]:
    """Return the fields with which an event names a subscription."""
    return (
        found.owner_type,
        found.owner_id,
        found.owner_incarnation,
        found.subscription,
        found.node,
    )


def decide_open(command: OpenSubscription, state: ChannelState | None, ctx: Decision) -> Outcome:
    """Let an aggregate wait; the first buffered message is for it."""
    work = Work(state, ctx)
    ref = _ref(command)
    known = work.state.subscriptions.get(ref)
    if known is not None:
        return _again(work, ref, known)
    if not ctx.aggregate_id.startswith(KINDS):
        return Rejected(
            "InvalidInput",
            f"{ctx.aggregate_id!r} is no channel: see channel_id in schemas/ids.py",
        )
    if command.owner_type not in OWNERS:
        return Rejected("InvalidInput", f"a {command.owner_type!r} waits for no messages")
    count, limit = len(work.state.subscriptions), ctx.limits.subscriptions
    if count >= limit:
        return Rejected(
            "limit_exceeded",
            f"channel {ctx.aggregate_id!r} has {count} subscriptions, the limit is {limit} "
            "(channel_subscriptions_max): use more names or correlation keys",
        )
    work.expire()
    work.match(
        channel_events.SubscriptionOpened(
            command.owner_type,
            command.owner_id,
            command.owner_incarnation,
            command.subscription,
            command.node,
            command.once,
        )
    )
    return work.accepted()


def _again(work: Work, ref: str, known: Subscription) -> Outcome:
    """An owner that deferred, and opens what is open, is ready now."""
    if known.ask_at:
        offers = [channel_events.Offer(known.offers[0], ref)]
        work.emit(channel_events.MessageOffered(offers))
        work.ask(offers)
    return work.accepted()


def decide_close(command: CloseSubscription, state: ChannelState, ctx: Decision) -> Outcome:
    """End a subscription and confirm it: at once, or with the answer that is still to come."""
    found = state.subscriptions.get(_ref(command))
    if found is None:
        closed = SubscriptionClosed(command.subscription)
        owner = command.owner_type, command.owner_id, command.owner_incarnation
        return Accepted([], [SendCommand(*owner, closed)], state)
    work = Work(state, ctx)
    if found.closed:
        return work.accepted()
    awaits_answer = bool(found.offers) and not found.ask_at
    work.match(channel_events.SubscriptionEnded(*owner_of(found), awaits_answer))
    work.expire()
    if not awaits_answer:
        work.confirm(found)
    return work.accepted()


def asked_of(
    command: AcceptMessage | RejectMessage | StartSingle, state: ChannelState
) -> Subscription | None:
    """Return the subscription that an answer is of, if it is to its present offer."""
    found = state.subscriptions.get(_ref(command))
    if found is None or not found.offers:
        return None
    return found if state.messages[found.offers[0]].id == command.message_id else None


def decide_accept(command: AcceptMessage, state: ChannelState, ctx: Decision) -> Outcome:
    """The owner took the message: no other subscription will get it."""
    found = asked_of(command, state)
    if found is None:
        return Accepted([], [], state)
    work = Work(state, ctx)
    work.expire()
    number = found.offers[0]
    ended = found.once or found.closed
    work.match(
        channel_events.MessageCorrelated(number, command.message_id, *owner_of(found), ended)
    )
    _go_on(work, _ref(command), found)
    return work.accepted()


def decide_reject(command: RejectMessage, state: ChannelState, ctx: Decision) -> Outcome:
    """The message goes to the next subscription, is kept for one, or stays with this one."""
    found = asked_of(command, state)
    if found is None:
        return Accepted([], [], state)
    work = Work(state, ctx)
    reason = command.reason[: ctx.limits.reason]
    number = found.offers[0]
    if not command.final and not found.closed:
        delay = min(ASK_MS_FIRST << min(found.asks, 16), ASK_MS_MAX)
        event = channel_events.MessageRejected(
            number, command.message_id, *owner_of(found), reason, ctx.now + delay
        )
        work.emit(event)
        return work.accepted()
    work.expire()
    work.match(channel_events.MessageRejected(number, command.message_id, *owner_of(found), reason))
    _ask_another(work, number, found)
    work.expire()
    _go_on(work, _ref(command), found)
    return work.accepted()


def _ask_another(work: Work, number: int, asked: Subscription) -> None:
    """After a rejection: a message that nobody else takes may start an instance."""
    is_definition = asked.owner_type == DEFINITION
    if is_definition and not asked.closed:
        end_asking(work, asked)
    message = work.state.messages.get(number)
    if message is not None and message.expires_at > work.ctx.now:
        start_by_message(work, number, after=asked.owner_id if is_definition else "")


def _go_on(work: Work, ref: str, before: Subscription) -> None:
    """After an answer: confirm what is closed, offer a signal that waited for the answer."""
    if before.closed:
        work.confirm(before)
    elif len(before.offers) > 1:
        work.correlate(ref)
