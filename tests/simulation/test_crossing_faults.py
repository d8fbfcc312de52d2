"""What strikes while a channel and its subscriber talk: crashes, rebalances, records again.

Each script is the course of one conversation, record by record. Whatever strikes before or in
any of its batches, the conversation is the same.
"""

import pytest

from schemas import commands as c
from streams.testing.crossing import KINDS, Crossing
from streams.testing.simulated_log import Fault, Step

TAKEN = (
    lambda x: x.begin(x.one),
    lambda x: x.open(),
    lambda x: x.trigger(),
    lambda x: x.offered(x.one),
    lambda x: x.accepted(),
)
DEFERRED = (
    lambda x: x.begin(x.one),
    lambda x: x.open(),
    lambda x: x.trigger(),
    lambda x: x.say(x.one, c.SuspendInstance()),
    lambda x: x.offered(x.one),
    lambda x: x.rejected(),
    lambda x: x.say(x.one, c.ResumeInstance()),
    lambda x: x.open(),
    lambda x: x.offered(x.one),
    lambda x: x.accepted(),
)
CLOSED = (
    lambda x: x.begin(x.one),
    lambda x: x.open(),
    lambda x: x.trigger(),
    lambda x: x.too_late(x.one),
    lambda x: x.closed(),
    lambda x: x.offered(x.one),
    lambda x: x.rejected(),
    lambda x: x.confirmed(x.one),
)
PASSED_ON = (
    lambda x: x.start(x.one),
    lambda x: x.start(x.two),
    lambda x: x.trigger(),
    lambda x: x.say(x.one, c.TerminateInstance("now")),
    lambda x: x.closed(),
    lambda x: x.offered(x.one),
    lambda x: x.rejected(),
    lambda x: x.offered(x.two),
    lambda x: x.accepted(),
)
SCRIPTS = {
    "taken": (TAKEN, ["opened", "came", "taken"], (1, 0)),
    "deferred": (DEFERRED, ["opened", "came", "deferred", "asked", "taken"], (1, 0)),
    "closed": (CLOSED, ["opened", "came", "ended", "rejected"], (0, 0)),
    "passed on": (PASSED_ON, ["opened", "opened", "came", "ended", "rejected", "taken"], (0, 1)),
}


def slowly(value):
    """A parameter of which `make test` plays another."""
    return pytest.param(value, marks=pytest.mark.slow)


@pytest.fixture(params=SCRIPTS)
def script(request):
    """What happens, what the channel says of it, and how often the two took it."""
    return SCRIPTS[request.param]


@pytest.fixture(params=KINDS)
def kind(request):
    """A message, a signal, a device."""
    return request.param


def check(cross, wanted, takes):
    cross.rest()
    assert cross.said() == wanted
    assert (cross.takes(cross.one), cross.takes(cross.two)) == takes
    assert cross.subscribers() == []
    lost = cross.kind == "message" and "taken" not in wanted
    assert cross.kept() == (["m1"] if lost else [])


@pytest.mark.parametrize("step", [Step.FLUSHED, *map(slowly, [s for s in Step if s != "flushed"])])
def test_a_crash_at_any_step_of_any_batch_changes_nothing(kind, script, step):
    moves, wanted, takes = script
    for guilty in range(len(moves)):
        cross = Crossing(kind)
        for number, move in enumerate(moves):
            cross.fault = (step, Fault.CRASH) if number == guilty else None
            move(cross)
        assert (cross.struck, cross.crashes) == (1, 1), "it has struck"
        check(cross, wanted, takes)


@pytest.mark.slow
@pytest.mark.parametrize("step", [Step.FLUSHED, Step.COMMIT_LOST])
def test_an_owner_that_does_not_know_whether_it_has_committed_finds_out(kind, script, step):
    moves, wanted, takes = script
    for guilty in range(len(moves)):
        cross = Crossing(kind)
        for number, move in enumerate(moves):
            cross.fault = (step, Fault.FENCE) if number == guilty else None
            move(cross)
        assert cross.struck == 1
        check(cross, wanted, takes)


@pytest.mark.parametrize("lost", [slowly(False), True])
def test_a_rebalance_between_any_two_records_changes_nothing(kind, script, lost):
    moves, wanted, takes = script
    for moment in range(1, len(moves)):
        cross = Crossing(kind)
        for number, move in enumerate(moves):
            if number == moment:
                for target in (cross.one, cross.two, cross.channel):
                    cross.rebalance(target, lost=lost)
            move(cross)
        check(cross, wanted, takes)


@pytest.mark.parametrize("owner", ["the same", "a new one"])
def test_each_record_that_is_delivered_again_is_passed_over(kind, script, owner):
    moves, wanted, takes = script
    cross = Crossing(kind)
    for move in moves:
        move(cross)
        if owner == "a new one":
            for target in (cross.one, cross.two, cross.channel):
                cross.rebalance(target)
        before = [cross.kinds(one) for one in (cross.one, cross.two, cross.channel)]
        assert cross.redeliver() > 0
        assert [cross.kinds(one) for one in (cross.one, cross.two, cross.channel)] == before
    check(cross, wanted, takes)


@pytest.mark.slow
def test_nothing_is_taken_twice_even_if_a_record_were_written_twice(kind, script):
    """The protocol holds by itself: it does not lean on the log being free of doubles."""
    moves, _, _ = script
    doubled = 0
    for moment in range(2, len(moves)):
        cross = Crossing(kind)
        for move in moves[: moment + 1]:
            move(cross)
        for target in (cross.channel, cross.one, cross.two):
            arrived = cross.kafka.committed(cross.names.internal, cross.home(target))
            if arrived and not cross.waits(target):
                cross.write_twice(target)
                doubled += 1
        cross.rest()
        taken = [cross.takes(cross.one), cross.takes(cross.two)]
        assert max(taken) <= 1
        assert sum(taken) == cross.said().count("taken")
    assert doubled > 0


def test_what_is_opened_twice_waits_once(kind):
    cross = Crossing(kind)
    cross.start(cross.one)
    cross.write_twice(cross.channel)
    cross.rebalance(cross.channel, lost=True)
    cross.write_twice(cross.channel)
    assert cross.said() == ["opened"]
    cross.trigger()
    cross.rest()
    assert (cross.takes(cross.one), cross.subscribers()) == (1, [])
