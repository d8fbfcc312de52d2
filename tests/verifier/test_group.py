"""A version that is to be sound together with others waits for them, and is judged with them."""

from itertools import permutations

import pytest

from tests.verifier.talk import PATIENCE, Desk, call, catch, flow, throw
from tests.verifier.test_company import ASKS, CALLER, LOST, MUTE

ANSWERS = flow("answers", catch("question"), throw("answer"))
STUCK = LOST.replace("id: callee", "id: answers")
BOSS = flow("boss", call("answers"), throw("go"))
WAITS = flow("answers", throw("answer"), catch("go"))
HEARS = flow("asks", "type: timer, duration: 1", catch("answer"))
BOTH = {"asks": ["answers@1.0.0"], "answers": ["asks@1.0.0"]}


def submitted(desk, *sources, names=BOTH, **more):
    """Submit a group, and return the verdicts by definition; it is judged after each."""
    found = {}
    for source in sources:
        name = source.split()[1]
        desk.put(source, sound_with=names.get(name, []), **more)
        found |= desk.outcomes()
    return found


def verdicts(found):
    return {name: verdict.verdict for name, verdict in found.items()}


@pytest.mark.parametrize("sources", [*permutations([ASKS, ANSWERS])])
def test_a_group_that_fits_is_published_whichever_comes_first(sources):
    assert verdicts(submitted(Desk(), *sources)) == {"asks": "sound", "answers": "sound"}


@pytest.mark.parametrize("sources", [*permutations([ASKS, MUTE])])
def test_a_group_that_does_not_fit_is_refused_whole_whichever_comes_first(sources):
    found = submitted(Desk(), *sources)
    assert verdicts(found) == {"asks": "unsound", "answers": "unsound"}
    assert all("option to complete together" in one.message for one in found.values())


@pytest.mark.parametrize("sources", [*permutations([ASKS, MUTE])])
def test_it_comes_to_the_same_when_both_wait_at_once(sources):
    desk = Desk()
    for source in sources:
        desk.put(source, sound_with=BOTH[source.split()[1]])
    assert verdicts(desk.outcomes()) == {"asks": "unsound", "answers": "unsound"}


def test_nothing_is_said_while_it_waits_and_then_what_is_missing():
    desk = Desk()
    assert submitted(desk, ASKS) == {}
    desk.now += PATIENCE - 1
    assert desk.outcomes() == {}
    desk.now += 1
    found = desk.outcomes()
    assert verdicts(found) == {"asks": "unknown"}
    said = "is to be sound together with answers@1.0.0, which nobody has submitted: waited 15 s"
    assert said in found["asks"].message


def test_a_member_that_comes_in_the_last_moment_is_waited_for():
    desk = Desk()
    submitted(desk, ASKS)
    desk.now += PATIENCE - 0.1
    assert verdicts(submitted(desk, ANSWERS)) == {"asks": "sound", "answers": "sound"}


@pytest.mark.parametrize("sources", [*permutations([ASKS, STUCK])])
def test_one_that_is_refused_by_itself_takes_the_others_with_it_and_they_say_why(sources):
    desk = Desk()
    found = submitted(desk, *sources)
    desk.now += PATIENCE  # It may have been refused before the others came: then it may come again.
    found |= desk.outcomes()
    assert verdicts(found) == {"asks": "unknown", "answers": "unsound"}
    assert "answers@1.0.0" in found["asks"].message
    assert "a run can stop for ever" in found["asks"].message


@pytest.mark.parametrize("sources", [*permutations([HEARS, WAITS])])
def test_so_does_one_that_does_not_fit_its_caller(sources):
    found = submitted(Desk(BOSS), *sources)
    assert verdicts(found) == {"asks": "unsound", "answers": "unsound"}


def test_what_was_refused_before_may_still_come_and_what_was_refused_since_does_not():
    desk = Desk()
    desk.put(ANSWERS, "refused", "sound", message="old")
    assert submitted(desk, ASKS) == {}
    desk.put(ANSWERS, "refused", "sound", message="new")
    (verdict,) = desk.outcomes().values()
    assert (verdict.verdict, "answers@1.0.0 was refused: new" in verdict.message) == (
        "unknown",
        True,
    )
    desk = Desk()
    desk.put(STUCK, "refused", "unsound", message="old")
    submitted(desk, ASKS)
    desk.now += PATIENCE
    assert "which was refused before (old)" in desk.outcomes()["asks"].message


def test_what_is_deleted_is_not_waited_for():
    desk = Desk()
    desk.put(ANSWERS, "deleted", "sound", was_published=True)
    assert "answers@1.0.0 is deleted" in submitted(desk, ASKS)["asks"].message


@pytest.mark.parametrize("name", ["answers", "answers@1.0.0"])
@pytest.mark.parametrize(("source", "verdict"), [(ANSWERS, "sound"), (MUTE, "unsound")])
def test_a_published_one_may_be_named_too(name, source, verdict):
    found = submitted(Desk(source), ASKS, names={"asks": [name]})
    assert verdicts(found) == {"asks": verdict}


def test_the_newest_published_one_is_waited_for_where_there_is_none():
    desk = Desk()
    assert submitted(desk, ASKS, names={"asks": ["answers"]}) == {}
    assert verdicts(submitted(desk, ANSWERS, names={})) == {"answers": "sound", "asks": "sound"}


def test_the_version_that_was_named_counts_though_a_newer_one_is_there():
    newer = ANSWERS.replace("1.0.0", "2.0.0")
    assert verdicts(submitted(Desk(MUTE, newer), ASKS)) == {"asks": "unsound"}
    assert verdicts(submitted(Desk(ANSWERS, MUTE.replace("1.0.0", "2.0.0")), ASKS)) == {
        "asks": "sound"
    }


def test_a_protocol_is_changed_on_both_sides_of_a_call_in_one_group():
    callee = flow("callee", catch("go"), version="2.0.0")
    caller = flow("caller", throw("go"), call("callee"), version="2.0.0")
    desk = Desk(CALLER, flow("callee"))
    assert desk.submit(callee).verdict == "unsound", "it does not fit its caller"
    names = {"callee": ["caller@2.0.0"], "caller": ["callee@2.0.0"]}
    desk = Desk(CALLER, flow("callee"))
    assert verdicts(submitted(desk, callee, caller, names=names)) == {
        "callee": "sound",
        "caller": "sound",
    }


def test_those_that_a_member_names_belong_to_the_group():
    names = {"asks": ["answers@1.0.0"], "answers": ["third@1.0.0"]}
    desk = Desk()
    assert submitted(desk, ASKS, ANSWERS, names=names) == {}
    found = submitted(desk, flow("third", "type: timer, duration: 1"), names=names)
    assert verdicts(found) == {"asks": "sound", "answers": "sound", "third": "sound"}


def test_who_allows_it_publishes_a_group_that_does_not_fit_and_it_is_marked():
    found = submitted(Desk(), ASKS, MUTE, allow_unsound=True)
    assert verdicts(found) == {"asks": "unsound", "answers": "unsound"}


def test_past_the_budget_a_group_is_not_known_to_be_sound():
    found = submitted(Desk(max_states=3), ASKS, ANSWERS)
    assert verdicts(found) == {"asks": "unknown", "answers": "unknown"}
    assert "more than 3 states" in found["asks"].message


def test_one_with_a_fault_of_its_own_need_not_wait_to_hear_it():
    names = {"answers": ["asks@1.0.0"]}
    assert verdicts(submitted(Desk(), STUCK, names=names)) == {"answers": "unsound"}
