"""Work that holds a lock: an activity, an approval, a call; begun with it, and it is returned."""

import json

import pytest

from schemas.commands import (
    CancelInstance,
    CompleteCall,
    FailCall,
    LockGranted,
    LockLost,
    LockRefused,
    RequestLock,
    ResumeInstance,
    RetryIncident,
    ReturnLock,
    RunInstance,
    SkipNode,
    SuspendInstance,
    TerminateInstance,
)
from schemas.results import CompleteActivity, FailActivity
from schemas.section_events import SectionAwaited, SectionEnded, SectionLocked
from streams.domain.net.soundness import soundness
from streams.domain.protocol import DispatchActivity, SendCommand
from streams.forms import examine, read_definition, write_definition
from streams.testing.spec import has, instance
from streams.testing.steps import complete, fail, fire, waiting

MINUTE = 60_000
LOCK = '{name: "stock-${article}", ttl: PT5M, wait: PT1M}'
KINDS = {
    "activity": 'type: activity, activity_type: a, input: {t: "${lock_token}"}',
    "call": 'type: call, definition: other, input: {t: "${lock_token}"}',
    "approval": 'type: approval, assignee: ann, input: {t: "${lock_token}"}',
}
SOURCE = """
id: flow
version: 1.0.0
nodes:
  start: {type: start, next: work}
  work: {KIND, lock: LOCK, MORE next: end}
  late: {type: boundary, on: work, duration: PT1H, next: end}
  end: {type: end}
EVENTS
"""


def source(kind="activity", more="", events=""):
    text = SOURCE.replace("KIND", KINDS[kind]).replace("LOCK", LOCK).replace("MORE", more)
    return text.replace("EVENTS", "").replace("  end: {type: end}", f"{events}  end: {{type: end}}")


def asked(kind="activity", more="", events=""):
    spec = instance(source(kind, more, events))
    return spec.given(RunInstance("flow", "", b'{"article":"pen"}'))


def granted(spec, fence=77):
    waits = [number for number, one in spec.state.sections.items() if not one.fence]
    return spec.given(LockGranted("stock-pen", min(waits), fence, spec.now + 5 * MINUTE))


def held(kind="activity", more="", events=""):
    return granted(asked(kind, more, events))


def sent(spec, kind):
    return [e for e in spec.effects if isinstance(e, SendCommand) and isinstance(e.body, kind)]


def returns(spec):
    return [one.body.section for one in sent(spec, ReturnLock)]


def work_of(spec):
    return [*spec.state.activities, *spec.state.calls, *spec.state.approvals]


@pytest.mark.parametrize("kind", KINDS)
def test_it_begins_when_it_has_its_lock_and_its_input_has_the_token(kind):
    spec = instance(source(kind)).when(RunInstance("flow", "", b'{"article":"pen"}'))
    spec = spec.then("workflow.started", has(SectionAwaited, lock="stock-pen", ttl_ms=5 * MINUTE))
    (request,) = sent(spec, RequestLock)
    assert (request.aggregate_id, request.body.wait_ms) == ("stock-pen", MINUTE)
    # What its boundary events wait for begins with the work, not with the wait.
    assert (work_of(spec), spec.state.subscriptions) == ([], {})
    spec = granted(spec)
    assert isinstance(spec.past[2], SectionLocked)
    assert (len(work_of(spec)), len(spec.state.subscriptions)) == (1, 1)
    assert json.loads(spec.past[3].input) == {"t": 77}


@pytest.mark.parametrize("begun", [asked, held])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", [CancelInstance(), TerminateInstance()])
def test_an_instance_that_ends_returns_what_it_has_or_has_asked_for(begun, kind, end):
    assert returns(begun(kind).given(end)) == [2]


def test_what_is_done_or_has_failed_or_is_interrupted_returns_its_lock():
    assert returns(complete(held(), "work")) == [2]
    failed = fail(held(), "work")
    assert (failed.state.status, returns(failed)) == ("Failed", [2])
    (key,) = held("call").state.calls
    for answer in (CompleteCall(key, b"{}"), FailCall(key, "Boom", "no")):
        assert returns(held("call").given(answer)) == [2]
    late = held().later(61 * MINUTE)
    assert returns(late.given()) == []
    while late.state.status == "Running":
        late = fire(late)
    assert (late.past[-2].node, returns(late)) == ("late", [2])


def test_the_lock_is_held_over_all_attempts_and_extended_meanwhile():
    spec = held(more="retry: {fixed: {attempts: 2, delay: PT2M}},")
    spec = spec.given(FailActivity(4, 1, "Boom"))
    assert (returns(spec), len(spec.state.sections)) == ([], 1)
    spec = fire(spec)  # The lock comes before the second attempt.
    assert [one.body.wait_ms for one in sent(spec, RequestLock)] == [MINUTE, 0]
    spec = fire(spec)
    (task,) = [e.task for e in spec.effects if isinstance(e, DispatchActivity)][1:]
    assert (task.attempt, task.input) == (2, b'{"t":77}')
    assert returns(spec.given(CompleteActivity(4, 2, b"{}"))) == [2]


@pytest.mark.parametrize("kind", KINDS)
def test_a_lost_lock_stops_the_work_with_an_error_that_may_be_caught(kind):
    lost = LockLost("stock-pen", 2, 77, "expired")
    spec = held(kind).given(lost)
    ((number, found),) = spec.state.incidents.items()
    assert (found.code, work_of(spec), spec.state.sections) == ("LockLost", [], {})
    assert spec.state.subscriptions == {}
    again = granted(spec.given(RetryIncident(number)), 90)
    assert json.loads(again.past[-2].input) == {"t": 90}
    assert spec.given(SkipNode(number)).state.status == "Completed"
    caught = held(kind, events='  bad: {type: boundary, on: work, error: "*", next: end}\n')
    caught = caught.given(lost)
    assert (caught.state.status, caught.past[-2].node) == ("Completed", "bad")


def test_a_worker_whose_lock_was_lost_is_told_and_not_heard_any_more():
    spec = held().given(LockLost("stock-pen", 2, 77, "forced"))
    assert any(getattr(e, "cancellation", None) for e in spec.effects)
    spec.when(CompleteActivity(4, 1, b"{}")).then_rejected("already_closed")


def test_a_refusal_is_an_incident_whose_retry_asks_again_or_takes_the_fallback():
    refused = LockRefused("stock-pen", 2, "LockAcquisition", "a has it")
    spec = asked().when(refused).then(has(SectionEnded, how="refused"), "error.occurred")
    assert spec.past[-1].code == "LockAcquisition"
    spec = granted(spec.given(RetryIncident(0)), 90)
    assert complete(spec, "work").state.status == "Completed"
    other = asked(more="on_failure: {fallback: end},").given(refused)
    assert other.state.status == "Completed"


def test_a_grant_while_suspended_begins_the_work_once_when_that_is_over():
    spec = granted(asked().given(SuspendInstance()))
    assert (waiting(spec), spec.next_due()) == ([], 0)
    spec = spec.given(ResumeInstance())
    assert waiting(spec) == ["work"]
    assert len(spec.given(SuspendInstance(), ResumeInstance()).state.activities) == 1


@pytest.mark.parametrize("repeat", ["each: {count: 2},", "loop: {max: 2},"])
def test_each_run_acquires_its_own(repeat):
    spec = asked(more=repeat)
    for fence in (77, 78):
        spec = granted(spec, fence)
        ((key, one),) = spec.state.activities.items()
        assert json.loads(one.input) == {"t": fence}
        spec = spec.given(CompleteActivity(key, 1, b"{}"))
    numbers = [one.body.section for one in sent(spec, RequestLock)]
    assert (spec.state.status, sorted(returns(spec))) == ("Completed", sorted(numbers))
    assert len(numbers) == 2


def test_an_incident_of_the_work_itself_keeps_the_lock():
    spec = held(more="on_failure: manual_intervention,")
    spec = fail(spec, "work")
    assert (returns(spec), len(spec.state.sections)) == ([], 1)
    spec = spec.given(RetryIncident(0))
    assert (len(sent(spec, RequestLock)), waiting(spec)) == (1, ["work"])


def test_a_compensation_activity_holds_no_lock():
    undo = "  undo: {type: activity, activity_type: undo, lock: a}\n"
    text = source(more="on_failure: {compensation_activity: undo},", events=undo)
    assert any("holds no lock" in str(problem) for problem in examine(text)[1])


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_sound_refused_with_its_line_and_written_as_it_is_read(kind):
    definition = read_definition(source(kind))
    assert definition.nodes["work"].kind.lock.wait is not None
    assert soundness(definition).sound
    assert read_definition(write_definition(definition)) == definition
    _, problems = examine(source(kind).replace("ttl: PT5M", "ttl: soon"))
    assert ["no ISO 8601 duration" in one.message for one in problems] == [True]
