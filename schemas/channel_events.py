"""Events of channels: messages and signals, and those that wait for them."""

from __future__ import annotations

import msgspec


class Offer(msgspec.Struct, frozen=True, gc=False):
    """A message that is now with a subscription, whose owner must answer."""

    message: int
    """Sequence of the event that published or broadcast it."""
    subscription: str
    """`owner-type/owner-id@incarnation:subscription`."""


class MessagePublished(msgspec.Struct, frozen=True, gc=False):
    """A channel has a message, which one subscription will take, or none until it expires."""

    message_id: str
    name: str
    key: str
    payload: bytes
    """A JSON value."""
    expires_at: int
    """Milliseconds since 1970."""
    remembered_until: int
    """Until then a message with this id is taken for the same one; ms since 1970."""
    forgotten: int = 0
    """How many of the oldest ids are remembered no longer."""
    offers: list[Offer] = []


class SignalBroadcast(msgspec.Struct, frozen=True, gc=False):
    """A signal is for every subscription that is open now."""

    signal_id: str
    name: str
    payload: bytes
    """A JSON value."""
    remembered_until: int
    forgotten: int = 0
    offers: list[Offer] = []
    cursor: int = 0
    """Subscriptions opened up to this sequence have it; 0: there are no more."""


class MessageOffered(msgspec.Struct, frozen=True, gc=False):
    """Messages are offered again, or a broadcast goes on with its next subscriptions."""

    offers: list[Offer]
    broadcast: int = 0
    """Sequence of the `signal.broadcast` event that goes on; 0 for none."""
    cursor: int = 0


class MessageCorrelated(msgspec.Struct, frozen=True, gc=False):
    """The owner of a subscription took a message or a signal."""

    message: int
    message_id: str
    owner_type: str
    owner_id: str
    owner_incarnation: str
    subscription: int
    node: str
    ended: bool
    """True where the subscription is over with it."""
    offers: list[Offer] = []
    single: str = ""
    """The instance that a definition starts with it, beside which it starts no other here."""


class SingleEnded(msgspec.Struct, frozen=True, gc=False):
    """An instance lives no longer beside which a definition started no other for this channel."""

    definition_id: str
    instance_id: str


class MessageRejected(msgspec.Struct, frozen=True, gc=False):
    """The owner of a subscription did not take a message or a signal."""

    message: int
    message_id: str
    owner_type: str
    owner_id: str
    owner_incarnation: str
    subscription: int
    node: str
    reason: str
    retry_at: int = 0
    """When it is offered to the same subscription again, ms since 1970; 0: never."""
    offers: list[Offer] = []


class MessageExpired(msgspec.Struct, frozen=True, gc=False):
    """No subscription took a message in its time."""

    message: int
    message_id: str


class SubscriptionOpened(msgspec.Struct, frozen=True, gc=False):
    """An aggregate waits for messages of the channel."""

    owner_type: str
    owner_id: str
    owner_incarnation: str
    subscription: int
    node: str
    once: bool
    offers: list[Offer] = []


class SubscriptionEnded(msgspec.Struct, frozen=True, gc=False):
    """An aggregate waits no longer; what it had not taken goes to the next subscription."""

    owner_type: str
    owner_id: str
    owner_incarnation: str
    subscription: int
    node: str
    awaits_answer: bool = False
    """True where a message was offered: its answer decides what becomes of it."""
    offers: list[Offer] = []
