"""The working state of one decision of a watch: events are applied as they are made."""

from __future__ import annotations

import msgspec

from schemas.commands import Correlate, SubscriptionClosed
from schemas.ids import device_channel
from schemas.telemetry import Reading
from schemas.watch_commands import UnwatchDevice, WatchDevice
from streams.domain.protocol import Accepted, Decision, Effect, EventPlace, SendCommand
from streams.domain.watch.evolve import evolve
from streams.domain.watch.state import EMPTY, Wait, WatchState

NAME = "device"
"""What an owner is told that came to it, where a channel gives a message's name."""


class Work:
    """Collects the events and effects of a decision."""

    __slots__ = ("_incarnation", "ctx", "effects", "events", "state")

    def __init__(self, state: WatchState | None, ctx: Decision) -> None:
        """Start from the state before; None for a watch that begins."""
        self.ctx = ctx
        self.state = state or EMPTY
        self.events: list[msgspec.Struct] = []
        self.effects: list[Effect] = []
        self._incarnation = ctx.incarnation if state is None else state.incarnation

    def emit(self, event: msgspec.Struct) -> int:
        """Apply an event and keep it; return its sequence."""
        ctx = self.ctx
        sequence = self.state.sequence + 1
        place = EventPlace(
            ctx.aggregate_id, ctx.tenant, self._incarnation, sequence, ctx.now, ctx.actor
        )
        self.state = evolve(self.state, event, place)
        self.events.append(event)
        return sequence

    def ask(self, ref: str) -> None:
        """Offer an owner the first of what came about for it."""
        wait, match = self.state.waits[ref], self.state.pending[ref].matches[0]
        channel, name = device_channel(self.ctx.aggregate_id), wait.awaits.start or NAME
        self.tell(wait, Correlate(wait.subscription, channel, match.id, name, match.payload))

    def tell(self, wait: Wait, body: msgspec.Struct) -> None:
        """Send a command to a wait's owner."""
        owner = wait.owner_type, wait.owner_id, wait.owner_incarnation
        self.effects.append(SendCommand(*owner, body))

    def confirm(self, wait: Wait, code: str = "", message: str = "") -> None:
        """Tell an owner that its wait is over."""
        self.tell(wait, SubscriptionClosed(wait.subscription, code, message))

    def tell_device(self, body: WatchDevice | UnwatchDevice | Reading) -> None:
        """Let the device judge a wait, or no longer, or the reading that it gave out of hand."""
        self.effects.append(SendCommand("device", self.ctx.aggregate_id, "", body))

    def accepted(self) -> Accepted:
        """Return what was decided."""
        return Accepted(self.events, self.effects, self.state)
