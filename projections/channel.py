"""One row of the view of channels, and how each event changes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from schemas import channel_events as e
from schemas.envelope import Envelope
from schemas.events import ErrorOccurred, IncidentResolved
from schemas.ids import subscription_ref


class Subscriber(msgspec.Struct):
    """Who waits. Times are milliseconds since 1970."""

    owner_type: str
    owner_id: str
    owner_incarnation: str
    subscription: int
    node: str
    once: bool
    since: int
    offers: list[int] = []
    """Messages that are its own, by number; the first is with it, unanswered."""
    closing: bool = False
    """Only its answer is still to come."""
    ask_at: int = 0
    """When the first is offered again, which it deferred; 0: it has not."""

    @property
    def ref(self) -> str:
        """Its name in events."""
        return subscription_ref(
            self.owner_type, self.owner_id, self.owner_incarnation, self.subscription
        )


class Kept(msgspec.Struct):
    """A message or signal that is not done with."""

    number: int
    id: str
    bytes: int
    """Size of its payload, which the history has."""
    since: int
    expires_at: int
    """0 for a signal."""
    is_signal: bool = False
    offered: int = 0
    """Subscribers that have it and have not answered."""
    is_going_on: bool = False
    """A signal that goes to further subscribers."""


class Channel(msgspec.Struct):
    """A channel as the view shows it. Times are milliseconds since 1970."""

    tenant: str
    id: str
    incarnation: str
    kind: str
    """`message` or `signal`."""
    name: str
    key: str
    sequence: int = 0
    published: int = 0
    """Messages published, or signals broadcast, since the channel began."""
    taken: int = 0
    expired: int = 0
    last_id: str = ""
    """Of the last message or signal."""
    last_at: int = 0
    subscribers: list[Subscriber] = []
    messages: list[Kept] = []
    updated_at: int = 0
    partition: int = 0
    position: int = 0


def _offer(row: Channel, offers: list[e.Offer]) -> None:
    """Put messages to subscribers; one that was deferred is with its owner again."""
    if not offers:
        return
    waiting = {one.ref: one for one in row.subscribers}
    kept = {one.number: one for one in row.messages}
    for offer in offers:
        one = waiting[offer.subscription]
        if offer.message in one.offers:
            one.ask_at = 0
        else:
            one.offers.append(offer.message)
            kept[offer.message].offered += 1


def _release(row: Channel, number: int) -> None:
    message = next(one for one in row.messages if one.number == number)
    message.offered -= 1
    _tidy(row, message)


def _tidy(row: Channel, message: Kept) -> None:
    """Let go of a signal that nobody has any more."""
    if message.is_signal and not message.offered and not message.is_going_on:
        row.messages.remove(message)


def _subscriber(row: Channel, body: e.MessageCorrelated | e.MessageRejected | Any) -> Subscriber:
    ref = subscription_ref(
        body.owner_type, body.owner_id, body.owner_incarnation, body.subscription
    )
    return next(one for one in row.subscribers if one.ref == ref)


def _next(one: Subscriber) -> None:
    one.offers, one.ask_at = one.offers[1:], 0


def _published(row: Channel, body: e.MessagePublished, at: Envelope) -> None:
    row.name, row.key = body.name, body.key
    _counted(row, body.message_id, at)
    size = len(body.payload)
    row.messages.append(Kept(at.sequence, body.message_id, size, at.time, body.expires_at))
    _offer(row, body.offers)


def _broadcast(row: Channel, body: e.SignalBroadcast, at: Envelope) -> None:
    row.name = body.name
    _counted(row, body.signal_id, at)
    if body.offers or body.cursor:
        signal = Kept(at.sequence, body.signal_id, len(body.payload), at.time, 0, is_signal=True)
        signal.is_going_on = bool(body.cursor)
        row.messages.append(signal)
        _offer(row, body.offers)


def _counted(row: Channel, name: str, at: Envelope) -> None:
    row.published += 1
    row.last_id, row.last_at = name, at.time


def _offered(row: Channel, body: e.MessageOffered, _: Envelope) -> None:
    _offer(row, body.offers)
    if body.broadcast:
        signal = next(one for one in row.messages if one.number == body.broadcast)
        signal.is_going_on = bool(body.cursor)
        _tidy(row, signal)


def _correlated(row: Channel, body: e.MessageCorrelated, _: Envelope) -> None:
    row.taken += 1
    one = _subscriber(row, body)
    message = next(kept for kept in row.messages if kept.number == body.message)
    if message.is_signal:
        _release(row, body.message)
    else:
        row.messages.remove(message)
    if body.ended:
        row.subscribers.remove(one)
    else:
        _next(one)
    _offer(row, body.offers)


def _rejected(row: Channel, body: e.MessageRejected, _: Envelope) -> None:
    one = _subscriber(row, body)
    if body.retry_at:
        one.ask_at = body.retry_at
        return
    _release(row, body.message)
    if one.closing:
        row.subscribers.remove(one)
    else:
        _next(one)
    _offer(row, body.offers)


def _expired(row: Channel, body: e.MessageExpired, _: Envelope) -> None:
    row.expired += 1
    row.messages = [one for one in row.messages if one.number != body.message]


def _opened(row: Channel, body: e.SubscriptionOpened, at: Envelope) -> None:
    owner = body.owner_type, body.owner_id, body.owner_incarnation, body.subscription
    row.subscribers.append(Subscriber(*owner, body.node, body.once, at.time))
    _offer(row, body.offers)


def _ended(row: Channel, body: e.SubscriptionEnded, _: Envelope) -> None:
    one = _subscriber(row, body)
    kept = one.offers[:1] if body.awaits_answer else []
    for number in one.offers[len(kept) :]:
        _release(row, number)
    if kept:
        one.offers, one.closing = kept, True
    else:
        row.subscribers.remove(one)
    _offer(row, body.offers)


def _stopped(_row: Channel, _body: ErrorOccurred | IncidentResolved, _: Envelope) -> None:
    """Change nothing: `stalls.py` shows it."""


def _single_ended(_row: Channel, _body: e.SingleEnded, _: Envelope) -> None:
    """Change nothing: the instances' view shows which of them live."""


CHANGES: Final[dict[type[msgspec.Struct], Callable[[Channel, Any, Envelope], None]]] = {
    e.MessagePublished: _published,
    e.SignalBroadcast: _broadcast,
    e.MessageOffered: _offered,
    e.MessageCorrelated: _correlated,
    e.MessageRejected: _rejected,
    e.MessageExpired: _expired,
    e.SubscriptionOpened: _opened,
    e.SubscriptionEnded: _ended,
    e.SingleEnded: _single_ended,
    ErrorOccurred: _stopped,
    IncidentResolved: _stopped,
}
