"""Channels and those that wait at them, in a simulated world.

The subscriber is a small aggregate of these tests' own: it answers what a channel offers it,
as an instance does, and says in events what it took.
"""

from collections import defaultdict

import msgspec
import pytest
from msgspec.structs import replace

from schemas import commands as c
from schemas import events as e
from schemas.ids import channel_id
from schemas.json_text import canonical, parse
from streams.domain.channel.aggregate import CHANNEL
from streams.domain.definition.aggregate import DEFINITION
from streams.domain.device.aggregate import DEVICE
from streams.domain.protocol import Accepted, EventPlace, Limits, Rejected, SendCommand
from streams.domain.watch.aggregate import WATCH
from streams.testing.committed import events_of, oracles_of
from streams.testing.world import World

NAMES = [("paid", "7"), ("paid", ""), ("news", "ü")]
MESSAGES = [channel_id("message", *name) for name in NAMES]
SIGNALS = [channel_id("signal", name) for name in ("evening", "noon")]
HOUR = 3_600_000


class Subscriber(msgspec.Struct, frozen=True, array_like=True):
    """What waits: running, suspended, closing, closed, done or gone."""

    status: str = ""
    sequence: int = 0
    incarnation: str = ""
    channel: str = ""
    once: bool = True
    polite: bool = True
    """True: it says when it is resumed; else the channel finds out."""


class SubscriberAggregate:
    """Implements `protocol.Aggregate` in the place of the instances."""

    type = "instance"
    form = 1
    has_incidents = False
    encode = staticmethod(msgspec.msgpack.Encoder().encode)
    decode = staticmethod(msgspec.msgpack.Decoder(Subscriber).decode)

    def decide(self, command, state, ctx):
        name = type(command).__name__
        if isinstance(command, c.RunInstance):
            if state is not None:
                return Rejected("already_exists", "there is one")
            started = e.WorkflowStarted("subscriber", "1.0.0", {"waits": command.variables})
            return self._after(None, ctx, [started], opens=True)
        if state is None or state.status == "gone":
            return Rejected("NotFound", f"{name} to nobody")
        if isinstance(command, c.Correlate):
            return self._correlate(command, state, ctx)
        if isinstance(command, c.SubscriptionClosed):
            assert state.status == "closing", "it is confirmed once, to who asked"
            return self._after(state, ctx, [e.NodeExecuted("closed", "subscription")])
        return self._steer(command, state, ctx)

    def _steer(self, command, state, ctx):
        if isinstance(command, c.SuspendInstance) and state.status == "running":
            return self._after(state, ctx, [e.WorkflowSuspended("")])
        if isinstance(command, c.ResumeInstance) and state.status == "suspended":
            return self._after(state, ctx, [e.WorkflowResumed("")], opens=state.polite)
        if isinstance(command, c.CancelInstance) and state.status in {"running", "suspended"}:
            after = self._after(state, ctx, [e.WorkflowCancelled("")])
            close = c.CloseSubscription(ctx.aggregate_id, state.incarnation, 1)
            return self._send(after, state.channel, close)
        if isinstance(command, c.TerminateInstance) and state.status != "gone":
            return self._after(state, ctx, [e.WorkflowTerminated("")])
        return Rejected("InvalidStateTransition", state.status)

    def _correlate(self, command, state, ctx):
        me = ctx.aggregate_id, state.incarnation, command.subscription, command.message_id
        assert command.subscription == 1
        if state.status == "suspended":
            return self._answer(state, command, c.RejectMessage(*me, "asleep", final=False))
        if state.status != "running":
            return self._answer(state, command, c.RejectMessage(*me, "over"))
        if parse(command.payload) == "unwanted" and state.polite:
            return self._answer(state, command, c.RejectMessage(*me, "no"))
        after = self._after(state, ctx, [e.NodeExecuted(command.message_id, "message")])
        return self._send(after, command.channel_id, c.AcceptMessage(*me))

    def _answer(self, state, command, body):
        return self._send(Accepted([], [], state), command.channel_id, body)

    @staticmethod
    def _send(accepted, channel, body):
        effects = [*accepted.effects, SendCommand("channel", channel, "", body)]
        return Accepted(accepted.events, effects, accepted.state)

    def _after(self, state, ctx, events, *, opens=False):
        life = ctx.incarnation if state is None else state.incarnation
        for number, event in enumerate(events, 1 if state is None else state.sequence + 1):
            place = EventPlace(ctx.aggregate_id, ctx.tenant, life, number, ctx.now, ctx.actor)
            state = self.evolve(state, event, place)
        accepted = Accepted(events, [], state)
        if not opens:
            return accepted
        body = c.OpenSubscription(ctx.aggregate_id, life, 1, "wait", state.once)
        return self._send(accepted, state.channel, body)

    @staticmethod
    def evolve(state, event, at):
        if isinstance(event, e.WorkflowStarted):
            waits = parse(event.variables["waits"])
            return Subscriber(
                "running", at.sequence, at.incarnation, waits["at"], waits["once"], waits["polite"]
            )
        statuses = {
            e.WorkflowSuspended: "suspended",
            e.WorkflowResumed: "running",
            e.WorkflowCancelled: "closing",
            e.WorkflowTerminated: "gone",
        }
        status = statuses.get(type(event), state.status)
        if isinstance(event, e.NodeExecuted) and event.node == "closed":
            status = "closed"
        elif isinstance(event, e.NodeExecuted) and state.once:
            status = "done"
        return replace(state, status=status, sequence=at.sequence)

    @staticmethod
    def sequence(state):
        return state.sequence

    @staticmethod
    def incarnation(state):
        return state.incarnation

    @staticmethod
    def next_due(_state, _beats):
        return 0

    @staticmethod
    def is_finished(state):
        return state.status in {"closed", "done", "gone"}

    @staticmethod
    def remnant(state):
        return state


AGGREGATES = (SubscriberAggregate(), CHANNEL, DEFINITION, DEVICE, WATCH)


class Play(World):
    """One seed's world, with what was published and who waits."""

    MESSAGES, SIGNALS = MESSAGES, SIGNALS

    def __init__(self, seed):
        super().__init__(
            seed,
            [],
            partitions=1 + seed % 3,
            aggregates=AGGREGATES,
            limits=Limits(fan_out=2, message_window=24 * HOUR),
        )
        self.subscribers = []
        self.published = []

    def subscribe(self):
        name = f"i{len(self.subscribers)}"
        waits = {
            "at": self.random.choice([*MESSAGES, *SIGNALS]),
            "once": self.random.random() < 0.6,
            "polite": self.random.random() < 0.5,
        }
        self.command(name, c.RunInstance("subscriber", "", canonical(waits)))
        self.subscribers.append(name)

    def publish(self):
        message = f"m{len(self.published)}"
        payload = self.random.choice([b"1", b'"unwanted"'])
        if self.random.random() < 0.3:
            name = self.random.choice(SIGNALS).removeprefix("signal:")
            channel, body = channel_id("signal", name), c.BroadcastSignal(name, message, payload)
        else:
            name, key = self.random.choice(NAMES)
            ttl = self.random.choice([0, 100, 5_000, 90_000, HOUR])
            channel = channel_id("message", name, key)
            body = c.PublishMessage(name, key, message, payload, ttl)
        command = self.command(channel, body, kind="channel")
        self.published.append((channel, message, command, body))

    def repeat(self):
        """A client is not sure that it has published: the same command, or a new one."""
        channel, _, command, body = self.random.choice(self.published)
        if self.random.random() < 0.5:
            self.resend(command, channel, body, kind="channel")
        else:
            self.command(channel, body, kind="channel")

    def steer(self):
        bodies = [c.SuspendInstance(), c.ResumeInstance(), c.ResumeInstance(), c.CancelInstance()]
        body = self.random.choice([*bodies, c.TerminateInstance()])
        self.command(self.random.choice(self.subscribers), body)

    def act(self):
        chance = self.random.random()
        if chance < 0.25 or not self.subscribers:
            self.subscribe()
        elif chance < 0.6 or not self.published:
            self.publish()
        elif chance < 0.75:
            self.repeat()
        else:
            self.steer()

    def disturbed(self):
        """Everything at once, and whatever strikes."""
        for _ in range(self.random.randint(10, 60)):
            for _ in range(self.random.randint(0, 3)):
                self.act()
            self.go_on([0, 1, 50, 800, 4_000], share=0.7, restarts=0.05)

    def rest(self):
        """Nobody is suspended any more, and nothing is under way."""
        self.calm()
        for name in self.subscribers:
            self.command(name, c.ResumeInstance())
        for _ in range(3):
            self.settle()
            self.sleep(61_000)
        self.settle()

    def end(self):
        """All time is over, and nobody waits any longer."""
        self.sleep(HOUR)
        self.settle()
        for name in self.subscribers:
            self.command(name, c.CancelInstance())
        self.settle()
        # Who went without a word is found out by the next message.
        for name, key in NAMES:
            last = c.PublishMessage(name, key, "", b"1", 1_000)
            self.command(channel_id("message", name, key), last, kind="channel")
        for channel in SIGNALS:
            last = c.BroadcastSignal(channel.removeprefix("signal:"))
            self.command(channel, last, kind="channel")
        self.settle()
        self.sleep(1_000)
        self.settle()

    def events(self):
        """Every committed event, by aggregate."""
        found = defaultdict(list)
        for envelope, body in events_of(self):
            found[envelope.aggregate_id].append((envelope, body))
        return found

    def channels(self):
        return {
            key.decode().removeprefix("channel/default/"): state
            for oracle in oracles_of(self)
            for key, state in oracle.states().items()
            if key.startswith(b"channel/")
        }


@pytest.fixture
def play():
    """Make the world of a seed."""
    return Play
