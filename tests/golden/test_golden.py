"""Golden states: what events of released versions fold to, for ever.

`<event>.v<version>.json` holds a history that ends with that event, and the encoded state
that it gives. Stored logs and stores hold such events and states, so that neither may
come to mean something else.
"""

import json
from functools import partial

import msgspec
import pytest

from schemas.activity_type_commands import RegisterActivityType, RemoveActivityType
from schemas.commands import (
    AcceptMessage,
    AcquireLock,
    BroadcastSignal,
    CancelInstance,
    CloseSubscription,
    CompleteNode,
    Correlate,
    CreateInstance,
    DeleteInstance,
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
    SuspendInstance,
    TerminateInstance,
)
from schemas.definition_commands import DeleteDefinition
from schemas.events import ActivityCancelled, CompensationStarted
from schemas.registry import EVENT_TYPES
from schemas.restart_commands import RestartFailed
from schemas.results import CompleteActivity, FailActivity, RecordVerdict, ReportActivityStarted
from schemas.start_commands import EndSingle, StartSingle
from schemas.telemetry import Reading
from streams.domain.definition.state import source_hash
from streams.testing.spec import activity_type, channel, definition, device, instance, lock
from tests.golden.approvals import APPROVALS
from tests.golden.calls import CALLS
from tests.golden.compensation import COMPENSATION
from tests.golden.conditions import CONDITIONS
from tests.golden.data import DATA
from tests.golden.starts import STARTS
from tests.golden.states import HERE, cut, file_of, folded, golden_of, must_hold
from tests.golden.watches import OF_WATCHES

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


def restarted():
    return running().given(FailActivity(2, 1, "Boom", retryable=False), RestartFailed())


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


REPEATED = (HERE / "repeated.yaml").read_text()
REPEATED_UNTIL = {
    "iteration.started": 2,
    "items.listed": 3,
    "item.started": 4,
    "item.completed": 9,
    "iteration.completed": 16,
}


def repeated(count):
    spec = instance(REPEATED).given(RunInstance("repeated", "", b'{"orders":["a",7,null]}'))
    worked = [CompleteActivity(key, 1, b'{"x":4}') for key in (7, 5, 11)]
    return instance(REPEATED).given(*spec.given(*worked).past[:count])


STARTED = """
id: flow
version: 1.0.0
nodes: {paid: {type: start, message: paid, single: true, next: end}, end: {type: end}}
"""
WATCHED = """
id: watched
version: 1.0.0
nodes:
  start: {type: start, next: work}
  work: {type: activity, activity_type: job, next: end}
  again: {type: boundary, on: work, cycle: R9/PT5S, interrupting: false, next: done}
  done: {type: end}
  end: {type: end}
"""


COMBINED = """
id: combined
version: 1.0.0
nodes:
  start: {type: start, next: both}
  both:
    type: wait
    all: [{any: [{message: paid}, {duration: PT1H}]}, {signal: evening}]
    next: end
  end: {type: end}
"""


def watched():
    return instance(WATCHED).given(RunInstance("watched"))


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


def single():
    """A message starts an instance, which ends: the one that waited is offered to nobody here."""
    publish = [PublishMessage("paid", "", name, b"1", 60_000) for name in ("m1", "m2")]
    asked = channel("message:paid", STARTED).given(*publish)
    start = StartSingle("flow", "", 2, "m1", "flow.1", "1.0.0", "paid")
    return asked.given(start, EndSingle("flow", "flow.1"))


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


def registered():
    """A type as a worker says it, then as its owner does."""
    worker = RegisterActivityType("default", "Charges a card.", b'{"type":"object"}', worker="w")
    owner = RegisterActivityType(
        output_schema=b"true",
        schedule_to_start_ms=1,
        start_to_close_ms=2,
        heartbeat_ms=3,
        on_failure="skip",
        owner="payments",
    )
    return activity_type("charge").given(worker, owner)


HISTORIES = {
    **CONDITIONS,
    **COMPENSATION,
    **DATA,
    **STARTS,
    "workflow.created": lambda: one().given(
        CreateInstance("flow", "", b'{"n":1}', b'{"who":"them"}')
    ),
    "workflow.started": lambda: one().given(*running().past[:1]),
    "workflow.suspended": lambda: running().given(SuspendInstance("lunch")),
    "workflow.resumed": lambda: running().given(SuspendInstance(), ResumeInstance("back")),
    "workflow.completed": lambda: one().given(RunInstance("bare"), FireTimer(0)),
    "workflow.failed": lambda: running().given(FailActivity(2, 1, "Boom", retryable=False)),
    "workflow.restarted": lambda: one().given(*restarted().past[:7]),
    "workflow.cancelled": lambda: running().given(CancelInstance("enough")),
    "workflow.terminated": lambda: running().given(TerminateInstance("now")),
    "workflow.deleted": lambda: running().given(CancelInstance(), DeleteInstance("tidy")),
    "activity.scheduled": lambda: one().given(*running().past[:2]),
    "activity.started": lambda: running().later(9).given(ReportActivityStarted(2, 1, "w", 7)),
    "activity.completed": lambda: running().given(CompleteActivity(2, 1, b'{"x":4}', "w")),
    "activity.failed": lambda: running().given(FailActivity(2, 1, "Boom", "it broke")),
    "activity.cancelled": lambda: running().given(ActivityCancelled(2, "work", "why")),
    "timer.scheduled": lambda: one().given(*running().past[:3]),
    **CALLS,
    "compensation.started": lambda: cut_off(
        recovered().given(FailActivity(2, 1, "Boom", "it broke", retryable=False)),
        CompensationStarted,
    ),
    "node.executed": lambda: running().later(1_000).given(FireTimer(0)),
    "scope.started": lambda: instance(SCOPED).given(*scoped().past[:2]),
    "event.awaited": watched,
    "event.triggered": lambda: watched().later(12_000).given(FireTimer(0)),
    "wait.progressed": lambda: instance(COMBINED).given(
        RunInstance("combined"), Correlate(2, "message:paid", "m1", "paid", b'{"amount":5}')
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
    **APPROVALS,
    **{name: partial(repeated, count) for name, count in REPEATED_UNTIL.items()},
    "definition.submitted": lambda: definition("flow").given(
        PublishDefinition(SOURCE, allow_unsound=True, max_states=9, sound_with=["other@1.0.0"])
    ),
    "definition.published": lambda: definition("flow").given(
        PublishDefinition(SOURCE, allow_unsound=True), verdict()
    ),
    "activity_type.registered": registered,
    "activity_type.removed": lambda: registered().given(RemoveActivityType("old")),
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
    "single.ended": single,
    "signal.broadcast": lambda: listening().given(BroadcastSignal("evening", "s1", b"1")),
    "definition.refused": lambda: definition("flow").given(PublishDefinition(SOURCE), verdict()),
    "definition.deleted": lambda: definition("flow", SOURCE).given(
        PublishDefinition(SOURCE, allow_unsound=True), verdict(), DeleteDefinition("", "old")
    ),
    "lock.requested": lambda: taken().given(RequestLock("instance", "i", "life", 7)),
    "lock.acquired": lambda: taken().later(10).given(ReleaseLock("a")),
    "lock.extended": lambda: taken().later(20).given(AcquireLock("a", 5_000)),
    "lock.released": lambda: taken().later(30).given(ReleaseLock("b"), ReleaseLock("a")),
    "lock.refused": lambda: taken().later(40).given(ReleaseLock("b")),
    **OF_WATCHES,
}
"""How a golden history is first written; never read again while its file is there."""
READINGS = [Reading("1", b'{"t":20,"h":5}', 10, 11), Reading("2", b'{"t":21.5}', 12, 13)]


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
