"""The working state of one decision of a channel, and how messages find subscriptions."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from schemas import channel_events
from schemas.commands import Correlate, SubscriptionClosed
from streams.domain.channel.evolve import evolve
from streams.domain.channel.state import DEFINITION, EMPTY, ChannelState, Subscription, is_buffered
from streams.domain.protocol import Accepted, Decision, Effect, EventPlace, SendCommand

Matching = (
    channel_events.MessagePublished
    | channel_events.MessageCorrelated
    | channel_events.MessageRejected
    | channel_events.SubscriptionOpened
    | channel_events.SubscriptionEnded
)
"""Events after which a message may find a subscription; none has offers of its own yet."""


class Work:
    """Collects the events and effects of a decision; events are applied as they are made."""

    __slots__ = ("_incarnation", "ctx", "effects", "events", "state")

    def __init__(self, state: ChannelState | None, ctx: Decision) -> None:
        """Start from the state before; None for a channel that begins."""
        self.ctx = ctx
        self.state = state or EMPTY
        self.events: list[msgspec.Struct] = []
        self.effects: list[Effect] = []
        self._incarnation = ctx.incarnation if state is None else state.incarnation

    def _after(self, event: msgspec.Struct) -> ChannelState:
        ctx = self.ctx
        sequence = self.state.sequence + 1
        place = EventPlace(
            ctx.aggregate_id, ctx.tenant, self._incarnation, sequence, ctx.now, ctx.actor
        )
        return evolve(self.state, event, place)

    def emit(self, event: msgspec.Struct) -> None:
        """Apply an event as it is, and keep it."""
        self.state = self._after(event)
        self.events.append(event)

    def match(self, event: Matching) -> None:
        """Emit an event together with the offers that are possible after it."""
        # What is published now may be taken now, even where it may not wait.
        fresh = self.state.sequence + 1
        offers = list(matches(self._after(event), self.ctx.now, fresh))
        self.emit(replace(event, offers=offers) if offers else event)
        self.ask(offers)

    def ask(self, offers: list[channel_events.Offer]) -> None:
        """Send what is offered, where no other offer is before it."""
        for offer in offers:
            if self.state.subscriptions[offer.subscription].offers[0] == offer.message:
                self.correlate(offer.subscription)

    def correlate(self, ref: str) -> None:
        """Send a subscription's first offer to its owner."""
        found = self.state.subscriptions[ref]
        message = self.state.messages[found.offers[0]]
        channel = self.ctx.aggregate_id
        body = Correlate(found.subscription, channel, message.id, message.name, message.payload)
        self.tell(found, body)

    def tell(self, found: Subscription, body: msgspec.Struct) -> None:
        """Send a command to a subscription's owner."""
        owner = found.owner_type, found.owner_id, found.owner_incarnation
        self.effects.append(SendCommand(*owner, body))

    def confirm(self, found: Subscription) -> None:
        """Tell an owner that its subscription is closed."""
        self.tell(found, SubscriptionClosed(found.subscription))

    def expire(self) -> None:
        """Let go of the messages whose time is over; those that are offered wait for an answer."""
        now = self.ctx.now
        for number, message in self.state.messages.items():
            if message.expires_at <= now and is_buffered(message):
                if len(self.events) >= self.ctx.limits.events_per_command - 2:
                    break
                self.emit(channel_events.MessageExpired(number, message.id))

    def accepted(self, result: bytes = b"null") -> Accepted:
        """Return what was decided."""
        return Accepted(self.events, self.effects, self.state, result)


def matches(state: ChannelState, now: int, fresh: int) -> Iterator[channel_events.Offer]:
    """Yield what finds together: messages as published, each with the subscription opened first.

    What has expired finds nothing, save the `fresh` one.
    """
    if not state.messages:
        return
    free = {
        ref: None
        for ref, s in state.subscriptions.items()
        if not (s.offers or s.closed or s.owner_type == DEFINITION)
    }
    if not free:
        return
    waiting = [
        (number, message)
        for number, message in state.messages.items()
        if (message.expires_at > now or number == fresh) and is_buffered(message)
    ]
    for number, message in waiting:
        if not free:
            return
        ref = next((one for one in free if one not in message.rejected), "")
        if ref:
            del free[ref]
            yield channel_events.Offer(number, ref)
