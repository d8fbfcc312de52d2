"""A version is judged with those that it calls, that call it, and with which it speaks."""

import json

import pytest

from streams.verifier.request import answer, failed
from tests.verifier.talk import Desk, call, catch, flow, throw

ASKS = flow("asks", throw("question"), catch("answer"))
ANSWERS = flow("answers", catch("question"), throw("answer"))
MUTE = """
id: answers
version: 1.0.0
variables: {known: boolean}
nodes:
  start: {type: start, next: listen}
  listen: {type: catch, message: question, next: choose}
  choose: {type: exclusive, next: [{to: tell, when: known}, {to: end, default: true}]}
  tell: {type: throw, message: answer, next: end}
  end: {type: end}
"""
CALLER = flow("caller", call("callee"), throw("go"))
CALLEE = flow("callee", catch("go"))
ENDLESS = flow("loop", call("other"))
OTHER = flow("other", call("loop"))
LOST = """
id: callee
version: 1.0.0
nodes:
  start: {type: start, next: check}
  check: {type: exclusive, next: [{to: a, when: known}, {to: b, default: true}]}
  a: {type: timer, duration: 1, next: meet}
  b: {type: timer, duration: 1, next: meet}
  meet: {type: parallel, next: end}
  end: {type: end}
variables: {known: boolean}
"""
BEFORE = flow("caller", throw("go"), call("callee"))


def properties(verdict):
    return [(one["property"], one["severity"]) for one in json.loads(verdict.violations)]


def test_who_speaks_with_nobody_is_judged_alone():
    verdict = Desk(ASKS, ANSWERS).submit(flow("quiet", "type: timer, duration: PT1S"))
    assert (verdict.verdict, verdict.message, verdict.violations) == ("sound", "", b"[]")


def test_a_protocol_that_fits_leaves_nothing_to_say():
    verdict = Desk(ASKS).submit(ANSWERS)
    assert (verdict.verdict, verdict.message) == ("sound", "")
    assert verdict.states > Desk().submit(ANSWERS).states


def test_messages_with_a_published_neighbour_that_do_not_fit_are_a_warning_with_the_run():
    verdict = Desk(ASKS).submit(MUTE)
    assert verdict.verdict == "sound"
    assert "asks@1.0.0:6:3 nodes.n2: warning: option to complete together" in verdict.message
    assert properties(verdict) == [("option to complete together", "warning")]
    (found,) = json.loads(verdict.violations)
    assert (found["definition"], found["node"], found["line"]) == ("asks", "n2", 6)
    assert "answers: choose (choose->end)" in found["trace"]


def test_what_a_call_needs_is_certain_so_that_it_is_refused_with_the_run():
    verdict = Desk(CALLEE).submit(CALLER)
    assert (verdict.verdict, properties(verdict)) == (
        "unsound",
        [("option to complete together", "error")],
    )
    assert "callee@1.0.0:5:3 nodes.n1: option to complete together" in verdict.message
    (found,) = json.loads(verdict.violations)
    assert found["trace"] == ["caller: start", "caller: n1", "caller/n1: start"]


def test_it_is_refused_on_the_callees_side_too():
    verdict = Desk(CALLER).submit(CALLEE)
    assert (verdict.verdict, properties(verdict)[0][1]) == ("unsound", "error")
    assert Desk(BEFORE).submit(CALLEE).verdict == "sound"


@pytest.mark.parametrize(("first", "second"), [(ENDLESS, OTHER), (OTHER, ENDLESS)])
def test_calls_that_never_end_are_refused_whichever_comes_last(first, second):
    desk = Desk()
    assert desk.submit(first).verdict == "sound"
    verdict = desk.submit(second)
    assert (verdict.verdict, {name for name, _ in properties(verdict)}) == (
        "unsound",
        {"calls end"},
    )


def test_a_workflow_that_always_calls_itself_is_refused():
    assert Desk().submit(flow("loop", call("loop"))).verdict == "unsound"


def test_a_caller_of_a_caller_is_looked_at_too():
    outer = flow("outer", call("caller"), throw("go"))
    middle = flow("caller", call("callee"))
    verdict = Desk(outer, middle).submit(CALLEE)
    assert (verdict.verdict, "outer" in verdict.message) == ("unsound", True)


@pytest.mark.parametrize(
    ("wanted", "verdict"),
    [("1.0.0", "sound"), ("^1", "sound"), ("", "unsound"), (">=1", "unsound")],
)
def test_only_who_would_call_the_new_version_is_asked(wanted, verdict):
    desk = Desk(flow("caller", call("callee", wanted), throw("go")), flow("callee"))
    assert desk.submit(flow("callee", catch("go"), version="2.0.0")).verdict == verdict


def test_a_caller_that_did_not_fit_before_is_not_this_versions_fault():
    desk = Desk(CALLER, CALLEE)
    verdict = desk.submit(flow("callee", catch("go"), version="1.0.1"))
    assert (verdict.verdict, properties(verdict)[0][1]) == ("sound", "warning")


def test_the_newest_version_that_is_not_deleted_counts():
    desk = Desk(flow("asks", throw("question"), version="2.0.0"), ASKS)
    assert desk.submit(MUTE).message == "", "the newest one asks and does not wait"
    desk = Desk(ASKS)
    desk.put(flow("asks", throw("question"), version="2.0.0"), "deleted", was_published=True)
    assert "option to complete together" in desk.submit(MUTE).message


def test_other_tenants_and_what_was_refused_are_nobodys_neighbours():
    desk = Desk()
    desk.put(ASKS, "published", "sound", tenant="acme")
    desk.put(CALLER, "refused", "unsound")
    assert desk.submit(MUTE).message == ""
    assert desk.submit(CALLEE).message == ""


def test_two_that_are_submitted_at_once_are_seen_by_the_second():
    desk = Desk()
    desk.put(ENDLESS)
    desk.put(OTHER)
    first = desk.court.next(0)
    verdict = desk.court.judge(first, 0)
    desk.court.answered(first, verdict)
    second = desk.court.judge(desk.court.next(0), 0)
    assert (verdict.verdict, second.verdict) == ("sound", "unsound")


def test_of_one_that_is_published_as_unsound_nothing_is_known_together():
    desk = Desk()
    desk.put(LOST, "published", "unsound")
    verdict = desk.submit(BEFORE)
    assert verdict.verdict == "sound"
    assert "callee@1.0.0 is not known to be sound by itself: a run can stop" in verdict.message


def test_one_that_is_marked_only_for_its_company_is_looked_at():
    desk = Desk()
    desk.put(CALLEE, "published", "unsound")
    verdict = desk.submit(BEFORE)
    assert (verdict.verdict, verdict.message) == ("sound", "")


def test_a_crowd_is_not_looked_at_and_that_is_said():
    crowd = [flow(f"w{number}", catch("open"), throw("open")) for number in range(9)]
    verdict = Desk(*crowd).submit(flow("door", throw("open")))
    assert (verdict.verdict, "there are more than 8" in verdict.message) == ("sound", True)


def test_two_versions_of_one_callee_are_not_looked_at_and_that_is_said():
    desk = Desk(flow("callee"), flow("callee", version="2.0.0"))
    verdict = desk.submit(flow("caller", call("callee", "1.0.0"), call("callee")))
    assert (verdict.verdict, "two versions of callee" in verdict.message) == ("sound", True)


def test_where_the_proof_together_breaks_down_the_one_alone_stands_with_a_warning():
    def failing(request):
        why = "the proof takes longer than 1 s"
        return failed(request, why) if request.companies else answer(request)

    verdict = Desk(ASKS, prove=failing).submit(MUTE)
    assert verdict.verdict == "sound"
    assert "is not known: the proof takes longer than 1 s" in verdict.message


def test_past_the_budget_it_is_a_warning():
    verdict = Desk(ASKS, max_states=3).submit(MUTE)
    assert verdict.verdict == "sound"
    assert "asks@1.0.0" in verdict.message
    assert "more than 3 states" in verdict.message


def test_what_cannot_be_read_and_what_is_deleted_stops_nothing():
    desk = Desk()
    desk.court.add(0, b"nonsense")
    desk.court.add(0, None)
    assert desk.submit(ASKS).verdict == "sound"
