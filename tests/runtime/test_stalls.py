"""A defect that stops a channel, a watch, a lock, a definition: kept, told, and tried again."""

import pytest

from schemas.codec import decode, encode
from schemas.commands import (
    AcquireLock,
    BroadcastSignal,
    ForceReleaseLock,
    PublishDefinition,
    PublishMessage,
    RetryIncident,
    RunInstance,
)
from schemas.envelope import Envelope
from schemas.ids import channel_id
from schemas.telemetry import Reading
from streams.domain.channel.aggregate import CHANNEL
from streams.domain.definition.aggregate import DEFINITION
from streams.domain.device.aggregate import DEVICE
from streams.domain.lock.aggregate import LOCK
from streams.domain.watch.aggregate import WATCH
from streams.runtime.ports import Out
from streams.testing.oracle import Oracle

FLOW = """
id: {name}
version: 1.0.0
nodes:
  start: {{type: start, next: got}}
  got: {{{node}, next: end}}
  end: {{type: end}}
"""
HEARS = FLOW.format(name="hears", node="type: catch, message: paid, key: '7'")
WATCHES = FLOW.format(name="watches", node="type: catch, device: d1, metric: t, above: 30")
SILENT = FLOW.format(name="silent", node="type: catch, device: d1, silent: PT1M")
LOCKED = """
id: locked
version: 1.0.0
nodes:
  start: {type: start, next: part}
  part:
    type: scope
    lock: {name: printer}
    nodes: {in: {type: start, next: out}, out: {type: end}}
    next: end
  end: {type: end}
"""
RUNG = (
    "id: rung\nversion: 1.0.0\nnodes:\n  s: {type: start, signal: bell, next: e}\n  e: {type: end}"
)
PAID = channel_id("message", "paid", "7")
HOUR = 3_600_000


@pytest.fixture
def break_(monkeypatch):
    """Let an aggregate's `decide` raise for commands of a type; returns what mends it."""

    def broken(aggregate, kind):
        original = aggregate.decide

        def decide(command, state, ctx):
            if type(command).__name__ == kind:
                raise ZeroDivisionError("a defect of the engine")
            return original(command, state, ctx)

        patch = monkeypatch.context()
        entered = patch.__enter__()
        entered.setattr(type(aggregate), "decide", staticmethod(decide))
        return lambda: patch.__exit__(None, None, None)

    return broken


def publish(lab, source, name):
    lab.command(name, PublishDefinition(source), kind="definition")
    lab.settle()


def read(lab, value, number=[0]):  # noqa: B006 - readings are numbered
    number[0] += 1
    reading = Reading(f"r{number[0]}", b'{"t":%d}' % value, 0, lab.now)
    envelope = Envelope(reading.reading_id, "Reading", lab.now, "device", "d1")
    lab.kafka.append(Out(lab.names.telemetry, -1, b"d1", encode(envelope, reading)))
    lab.settle()


def retry(lab, target, kind):
    """What an operator does; returns the reply."""
    name = lab.command(target, RetryIncident(0), kind=kind)
    lab.settle()
    (reply,) = lab.answers(name)
    return reply


def check(lab):
    oracle = Oracle(0, lab.aggregates)
    for entry in lab.kafka.committed(lab.names.events, 0):
        oracle.see(entry.value)
    oracle.compare(lab.stores[0].states())
    assert oracle.faults == []


def stalled(lab, target):
    """The one command that is kept, by its type."""
    assert lab.kinds(target)[-1] == "error.occurred"
    error = next(body for one, body in reversed(lab.events()) if one.aggregate_id == target)
    assert (error.code, "ZeroDivisionError" in error.message) == ("engine_error", True)
    assert lab.dead() == [], "nothing is lost"
    check(lab)
    return decode(error.command).envelope.type


def test_an_answer_that_a_channel_cannot_take_is_kept_and_taken_at_a_retry(lab, break_):
    publish(lab, HEARS, "hears")
    lab.command("i-1", RunInstance("hears"))
    lab.settle()
    mend = break_(CHANNEL, "AcceptMessage")
    lab.command(PAID, PublishMessage("paid", "7", "m1", b"1", HOUR), kind="channel")
    lab.settle()
    assert stalled(lab, PAID) == "AcceptMessage"
    assert lab.kinds("i-1")[-1] == "workflow.completed", "the subscriber has it"
    mend()
    lab.reopen()
    assert retry(lab, PAID, "channel").accepted
    assert lab.kinds(PAID)[-2:] == ["incident.resolved", "message.correlated"]
    check(lab)


def test_a_channel_whose_timer_is_stopped_lets_its_messages_expire_after_a_retry(lab, break_):
    lab.command(PAID, PublishMessage("paid", "7", "m1", b"1", 1_000), kind="channel")
    lab.settle()
    mend = break_(CHANNEL, "FireTimer")
    lab.sleep(2_000)
    lab.settle()
    assert stalled(lab, PAID) == "FireTimer"
    assert not lab.shards[0].has_work(), "it is not tried for ever"
    mend()
    retry(lab, PAID, "channel")
    assert lab.kinds(PAID)[-2:] == ["incident.resolved", "message.expired"]
    check(lab)


def test_a_defect_that_is_still_there_keeps_the_command_once_more(lab, break_):
    lab.command(PAID, PublishMessage("paid", "7", "m1", b"1", 1_000), kind="channel")
    lab.settle()
    mend = break_(CHANNEL, "FireTimer")
    lab.sleep(2_000)
    lab.settle()
    retry(lab, PAID, "channel")
    assert lab.kinds(PAID)[-2:] == ["incident.resolved", "error.occurred"]
    mend()
    retry(lab, PAID, "channel")
    assert lab.kinds(PAID)[-1] == "message.expired"
    check(lab)


def test_an_answer_that_a_watch_cannot_take_is_kept_and_taken_at_a_retry(lab, break_):
    publish(lab, WATCHES, "watches")
    lab.command("i-1", RunInstance("watches"))
    lab.settle()
    mend = break_(WATCH, "AcceptMessage")
    read(lab, 31)
    assert stalled(lab, "d1") == "AcceptMessage"
    mend()
    assert retry(lab, "d1", "watch").accepted
    assert lab.kinds("d1")[-2:] == ["incident.resolved", "watch.taken"]
    check(lab)


def test_a_request_that_a_lock_cannot_take_is_kept_and_the_section_begins_at_a_retry(lab, break_):
    publish(lab, LOCKED, "locked")
    lab.command("printer", AcquireLock("somebody", HOUR), kind="lock")
    lab.settle()
    mend = break_(LOCK, "RequestLock")
    lab.command("i-1", RunInstance("locked"))
    lab.settle()
    assert stalled(lab, "printer") == "RequestLock"
    lab.command("printer", ForceReleaseLock("why"), kind="lock")
    lab.settle()
    assert lab.kinds("i-1")[-1] != "workflow.completed"
    mend()
    lab.reopen()
    assert retry(lab, "printer", "lock").accepted
    assert lab.kinds("i-1")[-1] == "workflow.completed"
    assert lab.kinds("printer")[-3:] == ["incident.resolved", "lock.acquired", "lock.released"]
    check(lab)


def test_a_lock_whose_timer_is_stopped_is_free_after_a_retry(lab, break_):
    lab.command("printer", AcquireLock("somebody", 1_000), kind="lock")
    lab.settle()
    mend = break_(LOCK, "FireTimer")
    lab.sleep(2_000)
    lab.settle()
    assert stalled(lab, "printer") == "FireTimer"
    assert not lab.shards[0].has_work()
    mend()
    retry(lab, "printer", "lock")
    assert lab.kinds("printer")[-2:] == ["incident.resolved", "lock.released"]
    check(lab)


def test_a_verdict_that_a_definition_cannot_take_is_kept_and_publishes_it_at_a_retry(lab, break_):
    mend = break_(DEFINITION, "RecordVerdict")
    publish(lab, RUNG, "rung")
    assert stalled(lab, "rung") == "RecordVerdict"
    assert lab.book.find("default", "rung", "") is None
    mend()
    lab.reopen()
    assert retry(lab, "rung", "definition").accepted
    assert lab.kinds("rung")[-2:] == ["incident.resolved", "definition.published"]
    check(lab)


def test_an_offer_that_a_definition_cannot_take_starts_one_instance_at_a_retry(lab, break_):
    publish(lab, RUNG, "rung")
    mend = break_(DEFINITION, "Correlate")
    lab.command("signal:bell", BroadcastSignal("bell", "s1", b"1"), kind="channel")
    lab.settle()
    assert stalled(lab, "rung") == "Correlate"
    mend()
    retry(lab, "rung", "definition")
    assert lab.kinds("signal:bell")[-1] == "message.correlated"
    assert [one.type for one, _ in lab.events()].count("workflow.completed") == 1
    check(lab)


def test_a_device_whose_timer_is_stopped_is_found_silent_after_a_retry(lab, break_):
    """A device has no events: the command is a dead letter, and the retry wakes its timers."""
    publish(lab, SILENT, "silent")
    lab.command("i-1", RunInstance("silent"))
    lab.settle()
    mend = break_(DEVICE, "FireTimer")
    lab.sleep(61_000)
    lab.settle()
    ((reason, _),) = lab.dead()
    assert reason.startswith("engine_error: ZeroDivisionError")
    assert not lab.shards[0].has_work()
    mend()
    assert retry(lab, "d1", "device").accepted
    lab.sleep(1_000)
    lab.settle()
    assert lab.kinds("i-1")[-1] == "workflow.completed"
    check(lab)


@pytest.mark.parametrize(
    ("kind", "target", "sentence"),
    [
        ("lock", "printer", "lock 'printer' has no open incident"),
        ("definition", "hello", "definition 'hello' has no open incident"),
        ("channel", PAID, "the channel has no open incident"),
        ("device", "d9", "device 'd9' has said nothing yet"),
    ],
)
def test_where_nothing_is_stopped_a_retry_is_refused(lab, kind, target, sentence):
    lab.command("printer", AcquireLock("somebody", HOUR), kind="lock")
    lab.command(PAID, PublishMessage("paid", "7", "m1", b"1", HOUR), kind="channel")
    lab.settle()
    reply = retry(lab, target, kind)
    assert (reply.code, reply.message) == ("NotFound", sentence)
