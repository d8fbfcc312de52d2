"""A workflow that waits for a message, a signal or a device, and what may cross on the way.

The one that waits, the other one and the channel each live on a partition of their own, so that
each step of the protocol is a record that a test lets arrive when it likes.
"""

from __future__ import annotations

from typing import Any, Final

from schemas import commands as c
from schemas.channel_events import MessageRejected
from schemas.events import EventTriggered
from schemas.ids import channel_id
from schemas.json_text import canonical
from schemas.watch_commands import OpenWatch
from schemas.watch_events import WatchRejected
from streams.domain.channel.aggregate import CHANNEL
from streams.domain.channel.state import ChannelState
from streams.domain.watch.aggregate import WATCH
from streams.domain.watch.state import WatchState
from streams.runtime.records import decode_state
from streams.testing.committed import faults_of
from streams.testing.stepped import Stepped

KINDS: Final = ("message", "signal", "device")
HOUR: Final = 3_600_000
LATE_MS: Final = 600_000
"""After so long each workflow waits no longer."""
_SOURCE: Final = """
id: waits
version: 1.0.0
nodes:
  start: {type: start, next: first}
  first: {type: event_gateway, next: [got, late]}
  got: {type: catch, TRIGGER, result_path: got, next: work}
  late: {type: timer, duration: PT10M, next: work}
  work: {type: activity, activity_type: t, next: end}
  end: {type: end}
"""
_TRIGGERS: Final = {
    "message": 'message: paid, key: "${key}"',
    "signal": "signal: SIGNAL",
    "device": 'device: "${key}", metric: t, above: 30',
}
_WORDS: Final = {
    "subscription.opened": "opened",
    "watch.opened": "opened",
    "message.published": "came",
    "signal.broadcast": "came",
    "watch.matched": "came",
    "message.offered": "asked",
    "watch.asked": "asked",
    "message.correlated": "taken",
    "watch.taken": "taken",
    "message.expired": "expired",
    "subscription.ended": "ended",
    "watch.ended": "ended",
    "error.occurred": "stalled",
    "incident.resolved": "retried",
}


class Crossing(Stepped):
    """Two workflows and what they wait for, each on its own partition."""

    def __init__(self, kind: str) -> None:
        """Publish the workflow; `kind` is of `KINDS`."""
        self.kind = kind
        self.partitions = 3
        self.key, self.channel = self._places()
        source = _SOURCE.replace("TRIGGER", _TRIGGERS[kind]).replace("SIGNAL", self.key)
        super().__init__([source])
        self.one, self.two = self.named(1, "one"), self.named(2, "two")
        self.sent = self.sent.__class__()
        self._count = 0

    def _places(self) -> tuple[str, str]:
        """Return a key and its channel, on partition 0."""
        for number in range(99):
            key = f"k{number}"
            names = {
                "message": channel_id("message", "paid", key),
                "signal": channel_id("signal", key),
                "device": key,
            }
            if self.home(names[self.kind]) == 0:
                return key, names[self.kind]
        raise AssertionError("no such key")

    # What is done.

    def start(self, name: str) -> None:
        """Let a workflow begin to wait, known to the channel."""
        self.begin(name)
        self.open()

    def begin(self, name: str) -> None:
        """Let a workflow begin to wait; its word to the channel is under way."""
        self.say(name, c.RunInstance("waits", "", canonical({"key": self.key})))

    def open(self) -> None:
        """Let an opening arrive at the channel."""
        self.hop(OpenWatch if self.kind == "device" else c.OpenSubscription, self.channel)

    def trigger(self, ttl: int = HOUR) -> None:
        """Let what is waited for come about."""
        self._count += 1
        name = f"m{self._count}"
        if self.kind == "message":
            body: Any = c.PublishMessage("paid", self.key, name, b"1", ttl)
            self.say(self.channel, body, kind="channel")
        elif self.kind == "signal":
            body = c.BroadcastSignal(self.key, name, b"1")
            self.say(self.channel, body, kind="channel")
        else:
            if self._count > 1:  # The first is judged by its level, the others by a crossing.
                self.read(self.channel, 20)
            self.read(self.channel, 31)

    def offered(self, name: str) -> None:
        """Let an offer arrive."""
        self.hop(c.Correlate, name)

    def accepted(self) -> None:
        """Let an accept arrive at the channel."""
        self.hop(c.AcceptMessage, self.channel)

    def rejected(self) -> None:
        """Let a reject arrive at the channel."""
        self.hop(c.RejectMessage, self.channel)

    def closed(self) -> None:
        """Let a close arrive at the channel."""
        self.hop(c.CloseSubscription, self.channel)

    def confirmed(self, name: str) -> None:
        """Let a confirmation of a close arrive."""
        self.hop(c.SubscriptionClosed, name)

    def too_late(self, name: str) -> None:
        """Let so much time pass that a workflow waits no longer: it closes what it opened."""
        self.tick(name, LATE_MS)
        assert "event.triggered" in self.kinds(name), "its timer has come"

    # What came of it.

    def said(self) -> list[str]:
        """Return what the channel said, in one word for each event."""
        return [self._word(*one) for one in self.events(self.channel)]

    def _word(self, envelope: Any, body: Any) -> str:
        if isinstance(body, MessageRejected | WatchRejected):
            return "deferred" if body.retry_at else "rejected"
        return _WORDS[envelope.type]

    def takes(self, name: str) -> int:
        """Return how often a workflow took what came."""
        found = [body for _, body in self.events(name) if isinstance(body, EventTriggered)]
        return sum(body.kind == self.kind for body in found)

    def state(self) -> ChannelState | WatchState:
        """Return the channel's state as it is stored."""
        kind = WATCH if self.kind == "device" else CHANNEL
        record = self.stores[0].get(f"{kind.type}/default/{self.channel}".encode())
        assert record is not None, "nothing is stored of it"
        state: ChannelState | WatchState = kind.decode(decode_state(record).domain)
        return state

    def subscribers(self) -> list[str]:
        """Return who is still known to the channel."""
        state = self.state()
        waits = state.waits if isinstance(state, WatchState) else state.subscriptions
        return sorted(one.owner_id for one in waits.values())

    def kept(self) -> list[str]:
        """Return the ids of what the channel still has."""
        state = self.state()
        if isinstance(state, ChannelState):
            return [one.id for one in state.messages.values()]
        return [one.id for pending in state.pending.values() for one in pending.matches]

    def rest(self) -> None:
        """Let all arrive that is under way, in whatever order; nothing may be wrong then."""
        self.settle()
        assert faults_of(self) == []
        for target in (self.one, self.two, self.channel):
            assert self.waits(target) == [], f"to {target} something is under way"
