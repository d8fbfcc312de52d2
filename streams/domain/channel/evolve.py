"""The only code that changes a channel's state: one applier for each event.

An applier does what the event says first, then adds the event's offers, with which what it
set free has found its next place.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from schemas import channel_events as e
from schemas.events import ErrorOccurred, IncidentResolved
from schemas.ids import subscription_ref
from streams.domain.channel.state import EMPTY, ChannelState, Published, Subscription, id_hash
from streams.domain.protocol import EventPlace
from streams.domain.stalls import resolved, stalled

Messages = dict[int, Published]
Owned = e.MessageCorrelated | e.MessageRejected | e.SubscriptionOpened | e.SubscriptionEnded


def ref_of(event: Owned) -> str:
    """Return the subscription that an event is about."""
    return subscription_ref(
        event.owner_type, event.owner_id, event.owner_incarnation, event.subscription
    )


def _offer(state: ChannelState, offers: list[e.Offer]) -> ChannelState:
    """Put messages to subscriptions; one that was deferred is with its owner again."""
    if not offers:
        return state
    subscriptions, messages = state.subscriptions.copy(), state.messages.copy()
    for offer in offers:
        found = subscriptions[offer.subscription]
        if offer.message in found.offers:
            subscriptions[offer.subscription] = replace(found, ask_at=0)
            continue
        subscriptions[offer.subscription] = replace(found, offers=(*found.offers, offer.message))
        message = messages[offer.message]
        messages[offer.message] = replace(message, offered=message.offered + 1)
    return replace(state, subscriptions=subscriptions, messages=messages)


def _release(messages: Messages, number: int, rejected_by: str = "") -> None:
    """Take one offer of a message back; a signal that is offered to nobody is over."""
    message = messages[number]
    offered = message.offered - 1
    if message.is_signal and not offered and not message.cursor:
        del messages[number]
        return
    rejected = message.rejected
    if rejected_by and not message.is_signal:
        rejected = (*rejected, rejected_by)
    messages[number] = replace(message, offered=offered, rejected=rejected)


def _forgiven(messages: Messages, ref: str) -> None:
    """Forget the rejections of a subscription that is gone."""
    for number, message in messages.items():
        if ref in message.rejected:
            rest = tuple(one for one in message.rejected if one != ref)
            messages[number] = replace(message, rejected=rest)


def _next(subscription: Subscription) -> Subscription:
    return replace(subscription, offers=subscription.offers[1:], ask_at=0, asks=0)


def _remembered(
    state: ChannelState,
    event: e.MessagePublished | e.SignalBroadcast,
    name: str,
) -> dict[bytes, int]:
    recent = state.recent.copy()
    for oldest in list(islice(recent, event.forgotten)):
        del recent[oldest]
    known = id_hash(name)
    recent.pop(known, None)
    recent[known] = event.remembered_until
    return recent


def _published(state: ChannelState, event: e.MessagePublished, at: EventPlace) -> ChannelState:
    message = Published(event.message_id, event.name, event.payload, event.expires_at)
    recent = _remembered(state, event, event.message_id)
    messages = {**state.messages, at.sequence: message}
    return _offer(replace(state, messages=messages, recent=recent), event.offers)


def _broadcast(state: ChannelState, event: e.SignalBroadcast, at: EventPlace) -> ChannelState:
    after = replace(state, recent=_remembered(state, event, event.signal_id))
    if not event.offers and not event.cursor:
        return after
    signal = Published(
        event.signal_id, event.name, event.payload, 0, is_signal=True, cursor=event.cursor
    )
    after = replace(after, messages={**state.messages, at.sequence: signal})
    return _offer(after, event.offers)


def _offered(state: ChannelState, event: e.MessageOffered, _: EventPlace) -> ChannelState:
    after = _offer(state, event.offers)
    if not event.broadcast:
        return after
    messages = after.messages.copy()
    signal = replace(messages[event.broadcast], cursor=event.cursor)
    if signal.offered or signal.cursor:
        messages[event.broadcast] = signal
    else:
        del messages[event.broadcast]
    return replace(after, messages=messages)


def _correlated(state: ChannelState, event: e.MessageCorrelated, _: EventPlace) -> ChannelState:
    ref = ref_of(event)
    subscriptions, messages = state.subscriptions.copy(), state.messages.copy()
    if messages[event.message].is_signal:
        _release(messages, event.message)
    else:
        del messages[event.message]
    if event.ended:
        del subscriptions[ref]
        _forgiven(messages, ref)
    else:
        subscriptions[ref] = _next(subscriptions[ref])
    singles = {**state.singles, event.owner_id: event.single} if event.single else state.singles
    after = replace(state, subscriptions=subscriptions, messages=messages, singles=singles)
    return _offer(after, event.offers)


def _single_ended(state: ChannelState, event: e.SingleEnded, _: EventPlace) -> ChannelState:
    rest = {name: one for name, one in state.singles.items() if name != event.definition_id}
    return replace(state, singles=rest)


def _rejected(state: ChannelState, event: e.MessageRejected, _: EventPlace) -> ChannelState:
    ref = ref_of(event)
    found = state.subscriptions[ref]
    subscriptions = state.subscriptions.copy()
    if event.retry_at:
        subscriptions[ref] = replace(found, ask_at=event.retry_at, asks=found.asks + 1)
        return replace(state, subscriptions=subscriptions)
    messages = state.messages.copy()
    if found.closed:
        _release(messages, event.message)
        del subscriptions[ref]
        _forgiven(messages, ref)
    else:
        _release(messages, event.message, ref)
        subscriptions[ref] = _next(found)
    return _offer(replace(state, subscriptions=subscriptions, messages=messages), event.offers)


def _expired(state: ChannelState, event: e.MessageExpired, _: EventPlace) -> ChannelState:
    messages = state.messages.copy()
    del messages[event.message]
    return replace(state, messages=messages)


def _opened(state: ChannelState, event: e.SubscriptionOpened, at: EventPlace) -> ChannelState:
    opened = Subscription(
        event.owner_type,
        event.owner_id,
        event.owner_incarnation,
        event.subscription,
        event.node,
        event.once,
        at.sequence,
    )
    after = replace(state, subscriptions={**state.subscriptions, ref_of(event): opened})
    return _offer(after, event.offers)


def _ended(state: ChannelState, event: e.SubscriptionEnded, _: EventPlace) -> ChannelState:
    ref = ref_of(event)
    found = state.subscriptions[ref]
    subscriptions, messages = state.subscriptions.copy(), state.messages.copy()
    kept = found.offers[:1] if event.awaits_answer else ()
    for number in found.offers[len(kept) :]:
        _release(messages, number)
    if kept:
        subscriptions[ref] = replace(found, offers=kept, closed=True)
    else:
        del subscriptions[ref]
        _forgiven(messages, ref)
    return _offer(replace(state, subscriptions=subscriptions, messages=messages), event.offers)


def _error(state: ChannelState, event: ErrorOccurred, at: EventPlace) -> ChannelState:
    return replace(state, incidents=stalled(state.incidents, event, at))


def _resolved(state: ChannelState, event: IncidentResolved, _: EventPlace) -> ChannelState:
    return replace(state, incidents=resolved(state.incidents, event))


APPLIERS: Final[dict[type[msgspec.Struct], Callable[[ChannelState, Any, EventPlace], Any]]] = {
    e.MessagePublished: _published,
    e.MessageOffered: _offered,
    e.MessageCorrelated: _correlated,
    e.MessageRejected: _rejected,
    e.MessageExpired: _expired,
    e.SingleEnded: _single_ended,
    e.SignalBroadcast: _broadcast,
    e.SubscriptionOpened: _opened,
    e.SubscriptionEnded: _ended,
    ErrorOccurred: _error,
    IncidentResolved: _resolved,
}


def evolve(state: ChannelState | None, event: msgspec.Struct, at: EventPlace) -> ChannelState:
    """Apply one event."""
    before = state or EMPTY
    after: ChannelState = APPLIERS[type(event)](before, event, at)
    return replace(after, sequence=at.sequence, incarnation=at.incarnation)
