"""A definition's versions change while a channel asks it to start an instance, on purpose.

Random ones are in `test_starts.py`.
"""

import pytest

from schemas import commands as c
from schemas.definition_commands import DeleteDefinition
from schemas.events import WorkflowStarted
from schemas.ids import channel_id
from streams.domain.channel.aggregate import CHANNEL
from streams.domain.definition.ids import started_id
from streams.runtime.inbox import COMMANDS, RESULTS
from streams.runtime.records import decode_state
from streams.testing.committed import faults_of
from streams.testing.simulated_log import Fault, Step
from streams.testing.stepped import Stepped

HOUR = 3_600_000
LISTENS = """
id: NAME
version: VERSION
nodes:
  by-hand: {type: start, next: end}
  heard: {type: start, message: order, next: end}
  rung: {type: start, signal: order, next: end}
  end: {type: end}
"""
DEAF = """
id: NAME
version: VERSION
nodes: {by-hand: {type: start, next: end}, end: {type: end}}
"""


class Starts(Stepped):
    """A definition on one partition, the channel that asks it on another."""

    def __init__(self, kind):
        super().__init__([])
        self.kind = kind
        self.channel = "signal:order" if kind == "signal" else channel_id("message", "order", "7")
        self.name = self.named((self.home(self.channel) + 1) % 3, "d")
        self.instance = started_id(self.name, self.channel, "m1")

    def publish(self, version, source):
        text = source.replace("NAME", self.name).replace("VERSION", version)
        self.command(self.name, c.PublishDefinition(text), kind="definition")
        self.apply(COMMANDS, self.home(self.name))
        self.verify()
        self.apply(RESULTS, self.home(self.name))
        assert self.kinds(self.name)[-1] == "definition.published"

    def send(self):
        body = c.PublishMessage("order", "7", "m1", b"1", HOUR)
        if self.kind == "signal":
            body = c.BroadcastSignal("order", "m1", b"1")
        self.say(self.channel, body, kind="channel")

    def rest(self):
        self.settle()
        assert faults_of(self) == []

    def started(self):
        """The version that was started, if one was."""
        events = [body for _, body in self.events(self.instance)]
        found = [body for body in events if isinstance(body, WorkflowStarted)]
        assert len(found) <= 1
        return found[0].definition_version if found else ""

    def left(self):
        """What the channel keeps, once nobody is asked any longer."""
        key = f"channel/default/{self.channel}".encode()
        record = self.stores[self.home(self.channel)].get(key)
        state = CHANNEL.decode(decode_state(record).domain)
        assert state.subscriptions == {}
        return [one.id for one in state.messages.values()]


@pytest.fixture(params=["message", "signal"])
def starts(request):
    """By a message, and by a signal."""
    return Starts(request.param)


def test_a_version_that_listens_is_started(starts):
    starts.publish("1.0.0", LISTENS)
    starts.send()
    assert starts.waits(starts.name) == ["Correlate"]
    starts.rest()
    assert (starts.started(), starts.left()) == ("1.0.0", [])


def test_a_version_that_comes_while_it_is_asked_is_the_one_that_is_started(starts):
    starts.publish("1.0.0", LISTENS)
    starts.send()
    starts.publish("1.1.0", LISTENS)
    assert starts.waits(starts.name) == ["Correlate"], "it was asked before"
    starts.rest()
    assert (starts.started(), starts.left()) == ("1.1.0", [])


def test_a_version_that_no_longer_listens_turns_down_what_is_under_way(starts):
    starts.publish("1.0.0", LISTENS)
    starts.send()
    starts.publish("1.1.0", DEAF)
    starts.hop(c.Correlate, starts.name)
    starts.hop(c.RejectMessage, starts.channel)
    starts.rest()
    assert starts.started() == ""
    assert starts.left() == ([] if starts.kind == "signal" else ["m1"])


def test_a_version_that_is_deleted_turns_down_what_is_under_way(starts):
    starts.publish("1.0.0", LISTENS)
    starts.send()
    starts.say(starts.name, DeleteDefinition("1.0.0", "why"), kind="definition")
    assert starts.kinds(starts.name)[-1] == "definition.deleted"
    starts.rest()
    assert starts.started() == ""
    assert starts.left() == ([] if starts.kind == "signal" else ["m1"])


def test_what_was_accepted_starts_the_version_that_accepted_it(starts):
    starts.publish("1.0.0", LISTENS)
    starts.send()
    starts.hop(c.Correlate, starts.name)
    starts.publish("1.1.0", DEAF)
    assert starts.started() == "" or starts.home(starts.instance) == starts.home(starts.name)
    starts.rest()
    assert (starts.started(), starts.left()) == ("1.0.0", [])


def test_what_came_before_a_version_listens_does_not_start_it(starts):
    starts.publish("1.0.0", DEAF)
    starts.send()
    starts.publish("1.1.0", LISTENS)
    starts.rest()
    assert starts.started() == ""
    assert starts.left() == ([] if starts.kind == "signal" else ["m1"])


@pytest.mark.parametrize("step", Step)
def test_a_crash_at_any_step_starts_one_instance(starts, step):
    starts.publish("1.0.0", LISTENS)
    starts.send()
    for move in ("Correlate", "AcceptMessage"):
        starts.fault = step, Fault.CRASH
        target = starts.name if move == "Correlate" else starts.channel
        assert starts.waits(target)[0] == move
        starts.hop(getattr(c, move), target)
    assert starts.struck == 2
    starts.redeliver()
    starts.rest()
    assert (starts.started(), starts.left()) == ("1.0.0", [])
    assert starts.kinds(starts.instance).count("workflow.started") == 1


def test_who_waits_goes_on_in_its_own_version_while_a_newer_one_comes():
    waits = DEAF.replace("next: end}", "next: got}").replace(
        ", end:", ", got: {type: catch, message: order, key: '7', next: end}, end:"
    )
    starts = Starts("message")
    starts.publish("1.0.0", waits)
    waiter = starts.named((starts.home(starts.channel) + 2) % 3, "w")
    starts.say(waiter, c.RunInstance(starts.name))
    starts.hop(c.OpenSubscription, starts.channel)
    starts.send()
    assert starts.waits(waiter) == ["Correlate"]
    starts.publish("2.0.0", LISTENS)
    starts.rest()
    assert starts.kinds(waiter)[-2:] == ["event.triggered", "workflow.completed"]
    assert (starts.started(), starts.left()) == ("", [])
