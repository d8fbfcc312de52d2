"""What a child tells its caller, and how it is told to undo, crossed with all else on purpose."""

import pytest

from schemas import commands as c
from schemas.escalation_commands import EscalateCall
from streams.testing.simulated_log import Fault, Step
from tests.simulation.called import Called

TOLD = """
id: caller
version: 1.0.0
nodes:
  start: {type: start, next: ask}
  ask: {type: call, definition: child, placement: PLACE, next: end}
  heard: {type: boundary, on: ask, escalation: Much, interrupting: STOPS, next: boss}
  boss: {type: activity, activity_type: t, next: told}
  told: {type: end}
  end: {type: end}
"""
TELLS = """
id: child
version: 1.0.0
nodes:
  start: {type: start, next: tell}
  tell: {type: throw, escalation: Much, next: work}
  work: {type: activity, activity_type: t, next: end}
  end: {type: end}
"""
SAGA = """
id: caller
version: 1.0.0
nodes:
  start: {type: start, next: ask}
  ask: {type: call, definition: child, placement: PLACE, next: work}
  work: {type: activity, activity_type: t, next: undo}
  undo: {type: throw, compensate: ask, next: end}
  end: {type: end}
"""
UNDOES = """
id: child
version: 1.0.0
nodes:
  start: {type: start, next: work}
  work: {type: activity, activity_type: t, compensate_with: undo, next: end}
  undo: {type: activity, activity_type: t}
  end: {type: end}
"""
PLACES = pytest.mark.parametrize("place", ["spread", "together"])
ENDS = pytest.mark.parametrize("end", [c.CancelInstance("enough"), c.TerminateInstance("now")])


def telling(place="spread", *, stops=False):
    """A caller whose child begins, and has something to tell."""
    made = Called(place, TOLD.replace("STOPS", str(stops).lower()), TELLS)
    made.started()
    return made


def undoing(place="spread"):
    """A caller whose child is done, and which is about to have it undone."""
    made = Called(place, SAGA, UNDOES)
    made.started()
    made.result(made.child)
    if made.spread:
        made.hop(c.CompleteCall, made.caller)
    return made


def raised(made):
    return made.kinds(made.caller).count("event.triggered")


@PLACES
def test_what_a_child_tells_begins_a_way_beside_it(place):
    made = telling(place)
    if made.spread:
        made.hop(EscalateCall, made.caller)
    assert raised(made) == 1
    made.result(made.child)
    made.result(made.caller)
    made.rest()
    assert made.last() == ("workflow.completed", "workflow.completed")


@ENDS
def test_a_caller_that_ends_hears_nothing_of_what_was_under_way(end):
    made = telling()
    assert made.waits(made.caller) == ["EscalateCall"]
    made.say(made.caller, end)
    before = made.kinds(made.caller)
    made.rest()
    assert made.kinds(made.caller) == before
    assert made.gone(made.caller) == made.gone(made.child) == 1


def test_a_child_that_is_done_before_it_was_heard_is_stopped_no_more():
    made = telling(stops=True)
    made.result(made.child)
    assert made.waits(made.caller) == ["EscalateCall", "CompleteCall"]
    made.hop(EscalateCall, made.caller)
    assert raised(made) == 1
    made.rest()
    made.result(made.caller)
    made.rest()
    assert made.last() == ("workflow.completed", "workflow.completed")
    assert made.kinds(made.caller).count("activity.scheduled") == 1
    assert made.gone(made.child) == 1


@PLACES
def test_a_child_that_is_heard_in_time_is_stopped(place):
    made = telling(place, stops=True)
    made.rest()
    assert made.last() == ("activity.scheduled", "workflow.cancelled")


def test_a_suspended_caller_hears_it_when_it_is_resumed():
    made = telling()
    made.say(made.caller, c.SuspendInstance())
    made.rest()
    assert "activity.scheduled" not in made.kinds(made.caller)
    made.say(made.caller, c.ResumeInstance())
    made.rest()
    assert made.kinds(made.caller).count("activity.scheduled") == 1


@PLACES
@pytest.mark.parametrize("step", Step)
def test_a_crash_at_any_step_of_telling_changes_nothing(place, step):
    made = Called(place, TOLD.replace("STOPS", "false"), TELLS)
    moves = [lambda: made.result(made.child), lambda: made.result(made.caller)]
    if made.spread:
        moves = [made.started, lambda: made.hop(EscalateCall, made.caller), *moves]
    for move in moves:
        made.fault = step, Fault.CRASH
        move()
    assert made.struck == len(moves)
    made.redeliver()
    made.rest()
    assert raised(made) == 1
    assert made.last() == ("workflow.completed", "workflow.completed")


@PLACES
def test_a_child_undoes_what_it_did_and_its_caller_goes_on(place):
    made = undoing(place)
    made.result(made.caller)
    if made.spread:
        assert made.waits(made.child) == ["CompensateInstance"]
        made.hop(c.CompensateInstance, made.child)
    made.result(made.child)
    made.rest()
    assert made.kinds(made.caller)[-1] == "workflow.completed"
    assert made.kinds(made.child)[-1] == "workflow.compensated"


def test_a_caller_that_is_terminated_while_its_child_undoes_hears_nothing():
    made = undoing()
    made.result(made.caller)
    made.hop(c.CompensateInstance, made.child)
    made.say(made.caller, c.TerminateInstance("now"))
    before = made.kinds(made.caller)
    made.result(made.child)
    made.rest()
    assert made.kinds(made.caller) == before
    assert made.kinds(made.child).count("workflow.compensated") == 1


def test_a_caller_that_is_cancelled_while_its_child_undoes_waits_for_it():
    made = undoing()
    made.result(made.caller)
    made.hop(c.CompensateInstance, made.child)
    made.say(made.caller, c.CancelInstance("enough"))
    assert made.gone(made.caller) == 0
    made.result(made.child)
    made.rest()
    assert made.kinds(made.caller)[-1] == "workflow.cancelled"
    assert made.kinds(made.child).count("workflow.compensated") == 1


def test_a_suspended_caller_goes_on_when_it_is_resumed():
    made = undoing()
    made.result(made.caller)
    made.hop(c.CompensateInstance, made.child)
    made.say(made.caller, c.SuspendInstance())
    made.result(made.child)
    made.rest()
    assert made.gone(made.caller) == 0
    made.say(made.caller, c.ResumeInstance())
    made.rest()
    assert made.kinds(made.caller)[-1] == "workflow.completed"


@pytest.mark.parametrize("at", ["caller", "child"])
def test_of_what_is_written_twice_there_is_one_effect(at):
    made = undoing()
    made.result(made.caller)
    made.hop(c.CompensateInstance, made.child)
    if at == "child":
        made.write_twice(made.child)
    made.result(made.child)
    made.hop(c.CompleteCall, made.caller)
    if at == "caller":
        made.write_twice(made.caller)
    made.rest()
    assert made.kinds(made.caller).count("workflow.completed") == 1
    assert made.kinds(made.child).count("workflow.compensated") == 1
    assert made.kinds(made.child).count("activity.scheduled") == 2


@PLACES
@pytest.mark.parametrize("step", Step)
def test_a_crash_at_any_step_of_undoing_changes_nothing(place, step):
    made = undoing(place)
    moves = [lambda: made.result(made.caller), lambda: made.result(made.child)]
    if made.spread:
        moves.insert(1, lambda: made.hop(c.CompensateInstance, made.child))
        moves.append(lambda: made.hop(c.CompleteCall, made.caller))
    for move in moves:
        made.fault = step, Fault.CRASH
        move()
    assert made.struck == len(moves)
    made.redeliver()
    made.rest()
    assert made.kinds(made.caller).count("workflow.completed") == 1
    assert made.kinds(made.child).count("workflow.compensated") == 1
