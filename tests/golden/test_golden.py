"""Golden states: what events of released versions fold to, for ever.

`<event>.v<version>.json` holds a history that ends with that event, and the encoded state
that it gives. Stored logs and stores hold such events and states, so that neither may
come to mean something else.
"""

import json
import os
from pathlib import Path

import msgspec
import pytest

from schemas.commands import (
    AcceptMessage,
    AcquireLock,
    BroadcastSignal,
    CancelInstance,
    CloseSubscription,
    CompleteNode,
    CreateInstance,
    DeleteInstance,
    FailCall,
    FireTimer,
    OpenSubscription,
    PublishDefinition,
    PublishMessage,
    RejectMessage,
    ReleaseLock,
    RequestLock,
    ResumeInstance,
    RetryIncident,
    RunInstance,
    SetVariables,
    SkipNode,
    StartChild,
    SuspendInstance,
    TerminateInstance,
)
from schemas.events import (
    ActivityCancelled,
    CompensationStarted,
)
from schemas.registry import BODIES, EVENT_TYPES, VERSIONS, public_type
from schemas.results import (
    CompleteActivity,
    FailActivity,
    RecordVerdict,
    ReportActivityStarted,
)
from schemas.telemetry import Reading
from streams.domain.definition.state import source_hash
from streams.testing.spec import channel, definition, device, instance, lock, watch
from tests.golden.watches import WATCHED

HERE = Path(__file__).parent
WRITE = "TIDEMILL_WRITE_GOLDEN"
SOURCE = """
id: flow
version: 1.0.0
retry: {fixed: {attempts: 1, delay: PT5S}}
nodes:
  start: {type: start, next: fork}
  fork: {type: parallel, next: [work, pause, sub]}
  work:
    type: activity
    activity_type: job
    input: {n: "${n}"}
    schedule_to_start: PT1M
    start_to_close: PT2M
    heartbeat: PT10S
    output: {twice: "${output.x * 2}"}
    next: join
  pause: {type: timer, duration: PT1S, next: join}
  sub: {type: call, definition: other, input: {n: "${n}"}, next: join}
  join: {type: parallel, next: end}
  end: {type: end}
"""
BARE = """
id: bare
version: 1.0.0
nodes:
  start: {type: start, next: wait}
  wait: {type: timer, duration: 0, next: end}
  end: {type: end}
"""
RUN = RunInstance("flow", "", b'{"n":1}', b'{"who":"us"}')
# Keys: started 1, work 2, pause 3 (token 2), sub 4.


def one():
    return instance(SOURCE, BARE)


def running():
    return one().given(RUN)


def broken():
    return running().given(CompleteActivity(2, 1, b'{"x":"y"}'))


SCOPED = """
id: scoped
version: 1.0.0
nodes:
  start: {type: start, next: part}
  part:
    type: scope
    variables: {x: {type: integer, default: 2}}
    nodes:
      in: {type: start, next: fork}
      fork: {type: parallel, next: [work, both]}
      work: {type: activity, activity_type: job, output: {x: "${x + 1}"}, next: both}
      both: {type: parallel, next: out}
      out: {type: end}
    next: end
  late: {type: boundary, on: part, duration: PT5S, next: end}
  wrong: {type: boundary, on: part, error: "*", output: {why: "${error.code}"}, next: end}
  end: {type: end}
"""
# Keys: started 1, scope 2, subscription 3, work 4.


def scoped():
    return instance(SCOPED).given(RunInstance("scoped"))


def waiting():
    """A message channel that two wait at, the second for many."""
    return channel("message:paid:7").given(
        OpenSubscription("one", "life", 3, "wait"),
        OpenSubscription("two", "life", 5, "listen", once=False),
    )


def offered():
    """The first of them has a message, the second another."""
    return waiting().given(
        PublishMessage("paid", "7", "m1", b'{"amount":5}', 60_000),
        PublishMessage("paid", "7", "m2", b"2", 60_000),
    )


def listening():
    """A signal channel that three wait at; one command serves two of them."""
    waits = [OpenSubscription("one", "life", n, "wait", once=n > 2) for n in (2, 3, 4)]
    return channel("signal:evening").with_limits(fan_out=2).given(*waits)


def verdict():
    return RecordVerdict("1.0.0", source_hash(SOURCE), "unsound", "why", b'[{"line":3}]', 7)


RECOVERED = """
id: recovered
version: 1.0.0
on_failure: {strategy: manual_intervention, notification_recipients: [ann@example.org]}
nodes:
  start: {type: start, next: [work, sub, other]}
  work:
    type: activity
    activity_type: job
    on_failure: {compensation_activity: undo, fallback: end}
    next: end
  undo: {type: activity, activity_type: undo}
  sub: {type: call, definition: other, on_failure: skip, next: end}
  other: {type: activity, activity_type: job, next: end}
  end: {type: end}
"""
# Keys: started 1, work 2, sub 3, other 4.


def recovered():
    return instance(RECOVERED).given(RunInstance("recovered"))


def told():
    """The other activity fails: failed 5, incident 6, notification 7."""
    return recovered().given(FailActivity(4, 1, "Boom", "it broke", retryable=False))


def cut_off(spec, last):
    """Return a spec after the events up to the last of a class."""
    count = max(n for n, event in enumerate(spec.past, 1) if isinstance(event, last))
    return instance(RECOVERED).given(*spec.past[:count])


def taken():
    return lock().given(AcquireLock("a", 1_000), AcquireLock("b", 500, 9_000))


HISTORIES = {
    "workflow.created": lambda: one().given(
        CreateInstance("flow", "", b'{"n":1}', b'{"who":"them"}')
    ),
    "workflow.started": lambda: one().given(*running().past[:1]),
    "workflow.suspended": lambda: running().given(SuspendInstance("lunch")),
    "workflow.resumed": lambda: running().given(SuspendInstance(), ResumeInstance("back")),
    "workflow.completed": lambda: one().given(RunInstance("bare"), FireTimer(0)),
    "workflow.failed": lambda: running().given(FailActivity(2, 1, "Boom", retryable=False)),
    "workflow.cancelled": lambda: running().given(CancelInstance("enough")),
    "workflow.terminated": lambda: running().given(TerminateInstance("now")),
    "workflow.deleted": lambda: running().given(CancelInstance(), DeleteInstance("tidy")),
    "activity.scheduled": lambda: one().given(*running().past[:2]),
    "activity.started": lambda: running().later(9).given(ReportActivityStarted(2, 1, "w", 7)),
    "activity.completed": lambda: running().given(CompleteActivity(2, 1, b'{"x":4}', "w")),
    "activity.failed": lambda: running().given(FailActivity(2, 1, "Boom", "it broke")),
    "activity.cancelled": lambda: running().given(ActivityCancelled(2, "work", "why")),
    "timer.scheduled": lambda: one().given(*running().past[:3]),
    "call.started": lambda: one().given(StartChild("flow", "", b'{"n":1}', "root", "life", 7)),
    "call.failed": lambda: recovered().given(FailCall(3, "Boom", "it broke")),
    "compensation.started": lambda: cut_off(
        recovered().given(FailActivity(2, 1, "Boom", "it broke", retryable=False)),
        CompensationStarted,
    ),
    "node.executed": lambda: running().later(1_000).given(FireTimer(0)),
    "scope.started": lambda: instance(SCOPED).given(*scoped().past[:2]),
    "event.triggered": lambda: instance(SCOPED).given(
        *scoped().later(5_000).given(FireTimer(0)).past[:-1]
    ),
    "error.occurred": broken,
    "incident.resolved": lambda: one().given(*broken().given(RetryIncident(0)).past[:-1]),
    "node.skipped": lambda: broken().given(SkipNode(6, reason="by phone")),
    "node.completed": lambda: running().given(
        CompleteNode(b'{"x":4}', activity=2, reason="by phone")
    ),
    "variables.set": lambda: scoped().given(SetVariables(b'{"x":5}', 2, "by phone")),
    "notification.requested": told,
    "notification.completed": lambda: told().given(CompleteActivity(7, 1, b"{}", "w")),
    "notification.failed": lambda: told().given(FailActivity(7, 1, "ConnectionError", "away")),
    "definition.submitted": lambda: definition("flow").given(
        PublishDefinition(SOURCE, allow_unsound=True, max_states=9)
    ),
    "definition.published": lambda: definition("flow").given(
        PublishDefinition(SOURCE, allow_unsound=True), verdict()
    ),
    "subscription.opened": waiting,
    "subscription.ended": lambda: offered().given(CloseSubscription("one", "life", 3)),
    "message.published": offered,
    "message.offered": lambda: (
        offered()
        .given(RejectMessage("one", "life", 3, "m1", "asleep", final=False))
        .later(1_000)
        .given(FireTimer(0))
    ),
    "message.correlated": lambda: offered().given(AcceptMessage("two", "life", 5, "m2")),
    "message.rejected": lambda: offered().given(RejectMessage("one", "life", 3, "m1", "no")),
    "message.expired": lambda: (
        channel("message:paid")
        .given(PublishMessage("paid", "", "m1", b"1", 50))
        .later(50)
        .given(FireTimer(0))
    ),
    "signal.broadcast": lambda: listening().given(BroadcastSignal("evening", "s1", b"1")),
    "definition.refused": lambda: definition("flow").given(PublishDefinition(SOURCE), verdict()),
    "lock.requested": lambda: taken().given(RequestLock("instance", "i", "life", 7)),
    "lock.acquired": lambda: taken().later(10).given(ReleaseLock("a")),
    "lock.extended": lambda: taken().later(20).given(AcquireLock("a", 5_000)),
    "lock.released": lambda: taken().later(30).given(ReleaseLock("b"), ReleaseLock("a")),
    "lock.refused": lambda: taken().later(40).given(ReleaseLock("b")),
    **WATCHED,
}
"""How a golden history is first written; never read again while its file is there."""
READINGS = [Reading("1", b'{"t":20,"h":5}', 10, 11), Reading("2", b'{"t":21.5}', 12, 13)]


def file_of(name):
    version = VERSIONS.get(BODIES[name].__name__, 1) if name in BODIES else 1
    return HERE / f"{name}.v{version}.json"


def write(path, spec):
    events = [
        {"type": public_type(event), "time": time, "body": msgspec.to_builtins(event)}
        for event, time in zip(spec.past, spec.times, strict=True)
    ]
    golden = {
        "aggregate": spec.aggregate.type,
        "form": spec.aggregate.form,
        "events": events,
        "state": spec.aggregate.encode(spec.state).hex(),
    }
    path.write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n")


def golden_of(name, make):
    path = file_of(name)
    if not path.exists():
        if not os.environ.get(WRITE):
            pytest.fail(
                f"There is no {path.name}: every event version has a golden state.\n"
                f"Run `{WRITE}=1 pytest tests/golden`, look at the file, and commit it.",
                pytrace=False,
            )
        write(path, make())
    return json.loads(path.read_text())


def must_hold(path, found, expected):
    """Fail with what to do where the two states differ."""
    if found == expected:
        return
    pytest.fail(
        f"{path.name} no longer holds.\n\n"
        f"  golden: {expected}\n"
        f"  now:    {found}\n\n"
        "Logs and stores in use hold these events and states. What to do:\n"
        "- The applier was changed: take the change back. Give the event a new version\n"
        "  (schemas/registry.py, VERSIONS), with an applier of its own and a golden of its own.\n"
        "- The state was changed: add fields at the end only, with defaults that mean what was\n"
        "  true before. For anything else raise the aggregate's `form`, so that snapshots are\n"
        "  folded again, and write this file anew.\n"
        "- Nothing with this version was ever released: delete the file and run\n"
        f"  `{WRITE}=1 pytest tests/golden`.",
        pytrace=False,
    )


def folded(golden):
    """Return a spec after the golden's events."""
    begin = {
        "definition": lambda: definition("flow"),
        "channel": lambda: channel("message:paid"),
        "lock": lock,
        "watch": lambda: watch("d-1"),
    }
    spec = begin.get(golden["aggregate"], instance)()
    for event in golden["events"]:
        body = msgspec.convert(event["body"], BODIES[event["type"]])
        spec = spec.later(event["time"] - spec.now).given(body)
    return spec


def cut(now, before):
    """Return `now` without what was added at the end of its structs."""
    if isinstance(now, list) and isinstance(before, list):
        return [cut(*pair) for pair in zip(now, before, strict=False)]
    if isinstance(now, dict) and isinstance(before, dict):
        return {key: cut(value, before.get(key)) for key, value in now.items()}
    return now


def test_every_event_has_a_golden_history():
    assert sorted(HISTORIES) == sorted(EVENT_TYPES)


@pytest.mark.parametrize("name", HISTORIES)
def test_a_golden_history_ends_with_its_event(name):
    assert golden_of(name, HISTORIES[name])["events"][-1]["type"] == name


@pytest.mark.parametrize("name", HISTORIES)
def test_golden_events_fold_to_their_golden_state(name):
    golden = golden_of(name, HISTORIES[name])
    spec = folded(golden)
    must_hold(file_of(name), spec.state, spec.aggregate.decode(bytes.fromhex(golden["state"])))


@pytest.mark.parametrize("name", HISTORIES)
def test_a_golden_state_is_written_as_it_was_but_for_fields_at_the_end(name):
    golden = golden_of(name, HISTORIES[name])
    spec = folded(golden)
    before = msgspec.msgpack.decode(bytes.fromhex(golden["state"]), strict=False)
    now = msgspec.msgpack.decode(spec.aggregate.encode(spec.state), strict=False)
    must_hold(file_of(name), cut(now, before), before)


def test_golden_readings_give_their_golden_state():
    golden = golden_of("device.readings", lambda: device("d").given(*READINGS))
    spec = device("d").given(*READINGS)
    must_hold(
        file_of("device.readings"),
        spec.state,
        spec.aggregate.decode(bytes.fromhex(golden["state"])),
    )


def test_every_golden_file_is_still_read():
    """A former version's golden stays, and its event with it."""
    for path in HERE.glob("*.json"):
        golden = json.loads(path.read_text())
        if golden["events"]:
            spec = folded(golden)
            must_hold(path, spec.state, spec.aggregate.decode(bytes.fromhex(golden["state"])))
