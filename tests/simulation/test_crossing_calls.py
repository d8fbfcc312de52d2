"""A caller and its child, on one partition and on two: each direction crossed on purpose.

Where the child is spread, each word between the two is a record that is held back until the
other has moved on; on one partition they are decided in one batch, which is struck instead.
"""

import pytest

from schemas import commands as c
from schemas.definition_commands import DeleteDefinition
from schemas.restart_commands import RestartFailed
from streams.testing.simulated_log import Fault, Step
from tests.simulation.called import Called


@pytest.fixture
def apart():
    """Caller and child on two partitions, the child not started yet."""
    return Called("spread")


@pytest.fixture(params=["spread", "together"])
def called(request):
    """The same, and on one partition."""
    return Called(request.param)


def test_a_child_answers_and_its_caller_goes_on(called):
    called.started()
    called.result(called.child)
    if called.spread:
        called.hop(c.CompleteCall, called.caller)
    called.rest()
    assert called.last() == ("activity.scheduled", "workflow.completed")


def test_a_caller_that_is_suspended_when_its_child_answers_goes_on_when_it_is_resumed(called):
    called.started()
    if not called.spread:
        called.say(called.caller, c.SuspendInstance())
    called.result(called.child)
    if called.spread:
        assert called.waits(called.caller) == ["CompleteCall"]
        called.say(called.caller, c.SuspendInstance())
    called.rest()
    assert "activity.scheduled" not in called.kinds(called.caller)
    called.say(called.caller, c.ResumeInstance())
    called.rest()
    assert called.kinds(called.caller).count("activity.scheduled") == 1


@pytest.mark.parametrize("end", [c.CancelInstance("enough"), c.TerminateInstance("now")])
def test_a_caller_that_ends_before_its_child_begins_ends_it_too(apart, end):
    apart.say(apart.caller, end)
    assert apart.waits(apart.child)[0] == "StartChild"
    apart.rest()
    assert apart.gone(apart.caller) == apart.gone(apart.child) == 1
    assert apart.kinds(apart.child)[-1] in {"workflow.cancelled", "workflow.terminated"}


@pytest.mark.parametrize("end", [c.CancelInstance("enough"), c.TerminateInstance("now")])
def test_a_caller_that_ends_while_the_answer_is_under_way_hears_nothing(apart, end):
    apart.started()
    apart.result(apart.child)
    apart.say(apart.caller, end)
    assert apart.waits(apart.caller) == ["CompleteCall"]
    before = apart.kinds(apart.caller)
    apart.hop(c.CompleteCall, apart.caller)
    apart.rest()
    assert apart.kinds(apart.caller) == before
    assert apart.last()[1] == "workflow.completed"
    assert apart.gone(apart.child) == 1


@pytest.mark.parametrize("end", [c.CancelInstance("enough"), c.TerminateInstance("now")])
def test_a_caller_that_ends_takes_its_child_with_it(called, end):
    called.started()
    called.say(called.caller, end)
    called.rest()
    assert called.gone(called.caller) == called.gone(called.child) == 1
    called.say(called.child, c.ResumeInstance())
    assert called.gone(called.child) == 1


@pytest.mark.parametrize("end", [c.CancelInstance("enough"), c.TerminateInstance("now")])
def test_a_child_that_an_operator_ends_fails_its_caller_and_a_restart_calls_another(called, end):
    called.started()
    called.say(called.child, end)
    if called.spread:
        called.hop(c.FailCall, called.caller)
    called.rest()
    assert called.kinds(called.caller)[-1] == "workflow.failed"
    called.say(called.caller, RestartFailed())
    called.rest()
    (second,) = called.children() - {called.child}
    called.result(second)
    called.rest()
    assert called.kinds(called.caller)[-1] == "activity.scheduled"


def test_an_operators_cancel_of_the_child_crosses_that_of_the_caller(apart):
    apart.started()
    apart.say(apart.child, c.CancelInstance("enough"))
    apart.say(apart.caller, c.CancelInstance("enough"))
    assert apart.waits(apart.caller) == ["FailCall"]
    assert apart.waits(apart.child) != []
    apart.rest()
    assert apart.last() == ("workflow.cancelled", "workflow.cancelled")
    assert apart.gone(apart.caller) == apart.gone(apart.child) == 1


def test_a_child_that_fails_crosses_a_suspension_of_its_caller(apart):
    apart.started()
    apart.result(apart.child, failed=True)
    assert apart.last()[1] == "workflow.failed"
    apart.say(apart.caller, c.SuspendInstance())
    apart.hop(c.FailCall, apart.caller)
    apart.rest()
    assert apart.kinds(apart.caller)[-3:] == [
        "workflow.suspended",
        "call.failed",
        "workflow.failed",
    ]


def test_a_caller_that_is_restarted_hears_nothing_of_its_former_child(apart):
    apart.started()
    apart.result(apart.child, failed=True)
    apart.hop(c.FailCall, apart.caller)
    apart.say(apart.caller, RestartFailed())
    (second,) = apart.children() - {apart.child}
    apart.write_twice(apart.caller)
    assert apart.kinds(apart.caller)[-1] == "call.started", "it was of the call before"
    apart.rest()
    apart.result(second)
    apart.rest()
    assert apart.kinds(apart.caller)[-1] == "activity.scheduled"


def test_a_child_that_cannot_start_is_an_incident_of_its_caller(apart):
    apart.say("child", DeleteDefinition("", "why"), kind="definition")
    apart.rest()
    assert apart.events(apart.child) == []
    assert apart.kinds(apart.caller)[-2:] == ["call.started", "error.occurred"]
    assert apart.gone(apart.caller) == 0


@pytest.mark.parametrize("step", Step)
def test_a_crash_at_any_step_of_a_call_changes_nothing(called, step):
    moves = [lambda: called.result(called.child)]
    if called.spread:
        moves = [called.started, *moves, lambda: called.hop(c.CompleteCall, called.caller)]
    for move in moves:
        called.fault = step, Fault.CRASH
        move()
    assert called.struck == len(moves)
    called.redeliver()
    called.rest()
    assert called.kinds(called.child).count("workflow.started") == 1
    assert called.kinds(called.caller).count("activity.scheduled") == 1


@pytest.mark.parametrize("lost", [False, True])
def test_a_rebalance_between_call_and_answer_changes_nothing(called, lost):
    called.rebalance(called.caller, lost=lost)
    called.started()
    called.rebalance(called.child, lost=lost)
    called.result(called.child)
    called.rebalance(called.caller, lost=lost)
    called.rest()
    assert called.last() == ("activity.scheduled", "workflow.completed")
    assert called.gone(called.child) == 1


def test_an_answer_that_is_written_twice_is_heard_once(apart):
    apart.started()
    apart.result(apart.child)
    apart.hop(c.CompleteCall, apart.caller)
    apart.write_twice(apart.caller)
    apart.rest()
    assert apart.kinds(apart.caller).count("activity.scheduled") == 1
