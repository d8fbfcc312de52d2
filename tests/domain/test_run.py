"""Starting an instance: in one step, in two, as a child."""

import pytest

from schemas.commands import (
    CreateInstance,
    RunInstance,
    StartChild,
    StartInstance,
    SuspendInstance,
)
from schemas.events import (
    ActivityScheduled,
    Moves,
    Parent,
    WorkflowCompleted,
    WorkflowCreated,
    WorkflowStarted,
)
from schemas.results import CompleteActivity
from streams.domain.protocol import SendCommand
from streams.testing.spec import INCARNATION, NOW, has, instance

HELLO = """
id: hello
version: 1.0.0
variables:
  who: {type: string, default: world}
nodes:
  start: {type: start, next: greet}
  greet: {type: activity, activity_type: greet, input: {who: "${who}"}, next: end}
  end: {type: end}
"""
NEWER = HELLO.replace("1.0.0", "1.10.0")
EMPTY = """
id: empty
version: 1.0.0
nodes:
  start: {type: start, next: end}
  end: {type: end}
"""


def test_running_schedules_the_first_activity_with_its_input():
    instance(HELLO).when(RunInstance("hello", "", b'{"who":"you"}')).then(
        WorkflowStarted(
            "hello",
            "1.0.0",
            {"who": b'"you"'},
            moves=Moves(path=["start", "start->greet"]),
        ),
        ActivityScheduled(2, "greet", "greet", "default", 1, 1, b'{"who":"you"}'),
    )


def test_a_variable_that_is_not_given_takes_its_default():
    spec = instance(HELLO).given(RunInstance("hello"))
    assert spec.state.variables == {"who": b'"world"'}
    assert spec.state.activities[2].input == b'{"who":"world"}'


def test_one_activity_is_four_events():
    spec = instance(HELLO).given(RunInstance("hello"), CompleteActivity(2, 1, b'"hi"'))
    assert [type(event).__name__ for event in spec.past] == [
        "WorkflowStarted",
        "ActivityScheduled",
        "ActivityCompleted",
        "WorkflowCompleted",
    ]
    assert spec.past[-1] == WorkflowCompleted(b'{"result":"hi","who":"world"}')
    assert spec.state.status == "Completed"


def test_a_workflow_without_waits_completes_at_once():
    instance(EMPTY).when(RunInstance("empty")).then(
        has(WorkflowStarted, moves=Moves(path=["start", "start->end", "end"])),
        WorkflowCompleted(b"{}"),
    )


@pytest.mark.parametrize(("wanted", "taken"), [("", "1.10.0"), ("1.0.0", "1.0.0")])
def test_the_newest_version_is_taken_unless_one_is_named(wanted, taken):
    spec = instance(HELLO, NEWER).given(RunInstance("hello", wanted))
    assert spec.state.definition_version == taken


def test_who_when_and_which_life_stand_in_the_state():
    state = instance(HELLO).given(RunInstance("hello")).state
    assert (state.created_at, state.created_by, state.incarnation) == (NOW, "tester", INCARNATION)


@pytest.mark.parametrize(
    ("command", "code", "word"),
    [
        (RunInstance("nowhere"), "NotFound", "'nowhere' is not published"),
        (RunInstance("hello", "9.0.0"), "NotFound", "version 9.0.0"),
        (RunInstance("hello", "", b"[]"), "InvalidInput", "JSON object"),
        (RunInstance("hello", "", b"{"), "InvalidInput", "variables"),
        (RunInstance("hello", "", b'{"n":9223372036854775808}'), "InvalidInput", "variables"),
        (CreateInstance("nowhere"), "NotFound", "'nowhere'"),
        (StartInstance(), "NotFound", "'one' does not exist"),
    ],
)
def test_a_start_that_cannot_be_is_rejected(command, code, word):
    instance(HELLO).when(command).then_rejected(code, word)


@pytest.mark.parametrize(
    "again",
    [RunInstance("hello"), CreateInstance("hello"), StartChild("hello", "", b"{}", "p", "i", 3)],
)
def test_an_instance_that_exists_is_not_started_again(again):
    spec = instance(HELLO).given(RunInstance("hello"))
    spec.when(again).then_rejected("already_exists", "'one'", "Running")


def test_creating_waits_for_the_start():
    spec = (
        instance(HELLO)
        .when(CreateInstance("hello", "", b'{"who":"you"}'))
        .then(WorkflowCreated("hello", "1.0.0", {"who": b'"you"'}))
    )
    assert spec.state.status == "Created"
    assert spec.next_due() == 0
    after = spec.when(StartInstance()).then(
        WorkflowStarted("hello", "1.0.0", {}, moves=Moves(path=["start", "start->greet"])),
        has(ActivityScheduled, activity=3, input=b'{"who":"you"}'),
    )
    assert after.state.status == "Running"
    assert after.state.variables == {"who": b'"you"'}


def test_both_ways_of_starting_lead_to_the_same_marking():
    one = instance(HELLO).given(RunInstance("hello")).state
    two = instance(HELLO).given(CreateInstance("hello"), StartInstance()).state
    assert (one.tokens, one.path, one.variables) == (two.tokens, two.path, two.variables)


def test_a_child_that_completes_tells_its_parent():
    spec = instance(HELLO, aggregate_id="root~4").given(
        StartChild("hello", "", b"{}", "root", "life", 4)
    )
    assert spec.state.parent == Parent("root", "life", 4)
    done = spec.when(CompleteActivity(2, 1, b"1"))
    (answer,) = done.effects
    assert isinstance(answer, SendCommand)
    assert (answer.aggregate_id, answer.incarnation) == ("root", "life")
    assert answer.body.call == 4
    assert answer.body.result == b'{"result":1,"who":"world"}'


def test_a_declared_result_is_all_that_is_returned():
    source = EMPTY + "result: {sum: '${a + b}'}\n"
    instance(source).when(RunInstance("empty", "", b'{"a":1,"b":2}')).then(
        WorkflowStarted, WorkflowCompleted(b'{"sum":3}')
    )


# Metadata: the client's own, beside the variables.


@pytest.mark.parametrize("begin", [RunInstance, CreateInstance])
def test_metadata_are_kept_with_the_instance_and_never_seen_by_the_workflow(begin):
    metadata = '{"z": "ключ", "a": {"n": 1}}'.encode()
    spec = instance(HELLO).given(begin("hello", "", b"{}", metadata))
    assert spec.past[0].metadata == spec.state.metadata
    assert spec.state.metadata == '{"a":{"n":1},"z":"ключ"}'.encode()
    assert list(spec.state.variables) == ["who"]


def test_metadata_stay_when_a_created_instance_is_started():
    spec = instance(HELLO).given(CreateInstance("hello", "", b"{}", b'{"a":1}'), StartInstance())
    assert spec.state.metadata == b'{"a":1}'


@pytest.mark.parametrize(
    ("metadata", "code", "word"),
    [
        (b"[1]", "InvalidInput", "metadata: not a JSON object"),
        (b"{", "InvalidInput", "metadata"),
        (b'{"n":9223372036854775808}', "InvalidInput", "metadata"),
        (b'{"n":"%s"}' % (b"x" * 100), "limit_exceeded", "the metadata have 108 bytes"),
    ],
)
def test_metadata_that_cannot_be_are_refused(metadata, code, word):
    spec = instance(HELLO).with_limits(variable=100)
    spec.when(RunInstance("hello", "", b"{}", metadata)).then_rejected(code, word)


# What a client expects of the instance's sequence.


@pytest.mark.parametrize("begin", [RunInstance("hello"), CreateInstance("hello")])
def test_a_start_may_expect_that_there_is_nothing_yet(begin):
    spec = instance(HELLO)
    spec.when(begin, expected_sequence=0).accepted()
    spec.when(begin, expected_sequence=3).then_rejected("version_conflict", "at sequence 0")


def test_a_sequence_is_the_number_of_events_and_a_client_may_expect_it():
    spec = instance(HELLO).given(RunInstance("hello"))
    assert spec.state.sequence == len(spec.past) == 2
    suspend = SuspendInstance()
    spec.when(suspend, expected_sequence=1).then_rejected("version_conflict", "expects 1", "again")
    spec.when(suspend, expected_sequence=2).then("workflow.suspended")
