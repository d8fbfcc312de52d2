"""How many states a net has, against the closed form, and how fast they are seen."""

import time

import pytest

from streams.domain.net.explore import explore
from streams.domain.net.petri import petri_net
from streams.domain.net.soundness import soundness
from streams.forms import read_definition
from streams.testing.blocks import Blocks


def side_by_side(branches, tasks):
    return Blocks().source(("parallel", [("sequence", [("task",)] * tasks)] * branches))


def drawn(branches, tasks):
    return petri_net(read_definition(side_by_side(branches, tasks)))


@pytest.mark.parametrize(("branches", "tasks"), [(1, 1), (2, 3), (3, 4), (4, 5), (2, 30)])
def test_branches_side_by_side_have_the_states_of_the_closed_form(branches, tasks):
    found = explore(drawn(branches, tasks), 100_000)
    # A branch has done 0 to all of its tasks. Before it: at the start, at the split; after it:
    # at the end, ended.
    assert found.states == (tasks + 1) ** branches + 4
    one_branch_moves = branches * tasks * (tasks + 1) ** (branches - 1)
    assert found.arcs == one_branch_moves + 4
    assert (found.clash, found.stuck, found.endless()) == (None, None, None)


@pytest.mark.slow
def test_a_million_states_are_decided_within_two_minutes_without_reduction():
    net = drawn(6, 9)
    begun = time.monotonic()
    found = explore(net, 2_000_000)
    assert found.complete
    assert (found.clash, found.stuck, found.endless()) == (None, None, None)
    assert found.states == 1_000_004
    assert time.monotonic() - begun < 120


def test_the_reduction_leaves_next_to_nothing_of_them():
    verdict = soundness(read_definition(side_by_side(6, 9)))
    assert verdict.sound
    assert verdict.states < 10
