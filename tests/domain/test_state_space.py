"""How many states a net has, against the closed form, and how fast they are seen."""

import random
import time
from collections import Counter, deque
from itertools import pairwise

import pytest

from streams.domain.net.explore import explore
from streams.domain.net.petri import Firing, Net, Step
from streams.domain.net.reduce import reduced
from streams.domain.net.shorten import shortened
from streams.domain.net.soundness import soundness
from streams.domain.net.translate import petri_net
from streams.forms import read_definition
from streams.testing.blocks import Blocks
from tests.domain.test_joins import anything
from tests.domain.test_soundness_scopes import drawn as drawn_one
from tests.domain.test_soundness_scopes import scopes_of


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


def split_and_joined(branches, tasks):
    """The same as a plain net: source, start, split, the branches, and a join into the sink."""
    rows = [[f"{b}/{done}" for done in range(tasks + 1)] for b in range(branches)]
    places = ("source", "begun", *(place for row in rows for place in row), "sink")
    bit = {place: 1 << number for number, place in enumerate(places)}
    works = [
        Firing((Step(after),), bit[before], bit[after])
        for row in rows
        for before, after in pairwise(row)
    ]
    begin = Firing((Step("start"),), bit["source"], bit["begun"])
    split = Firing((Step("split"),), bit["begun"], sum(bit[row[0]] for row in rows))
    join = Firing((Step("join"),), sum(bit[row[-1]] for row in rows), bit["sink"])
    return Net(places, (begin, split, *works, join), bit["source"], bit["sink"])


@pytest.mark.parametrize(
    ("branches", "tasks"), [(1, 1), (2, 3), (3, 1), (3, 4), (4, 5), (2, 30), (8, 2)]
)
def test_the_plain_net_of_branches_side_by_side_has_the_closed_form(branches, tasks):
    found = explore(split_and_joined(branches, tasks), 100_000)
    assert found.states == (tasks + 1) ** branches + 3
    # In a definition the end is a node too: a token before it, and none after it.
    assert explore(drawn(branches, tasks), 100_000).states == found.states + 1


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


def plainly(net):
    """States, arcs, whether it is safe and where it stops: breadth first, with plain means."""
    seen, queue, arcs, safe, stuck = {net.start}, deque([net.start]), set(), True, set()
    while queue:
        marking = queue.popleft()
        able = [firing for firing in net.firings if firing.enabled(marking)]
        able = [firing for firing in able if firing.urgent] or able
        if not able and marking & ~net.ends:
            stuck.add(marking)
        for firing in able:
            rest = 0 if firing.clears else marking ^ firing.pre
            if rest & firing.post:
                safe = False
                continue
            after = rest | firing.post
            arcs.add((marking, after))
            if after not in seen:
                seen.add(after)
                queue.append(after)
    return seen, arcs, safe, stuck


def any_net(chance):
    """Firings of all kinds, at random: with inhibitors, urgent ones, and such as clear."""
    places = range(chance.randint(2, 7))

    def some(share, without=0):
        return sum(1 << p for p in places if chance.random() < share) & ~without

    firings = []
    for number in range(chance.randint(2, 9)):
        pre = some(0.3) or 1 << chance.choice(places)
        firings.append(
            Firing(
                (Step(f"n{number}"),),
                pre,
                some(0.3),
                absent=some(0.2, pre) if chance.random() < 0.4 else 0,
                urgent=chance.random() < 0.1,
                clears=chance.random() < 0.1,
            )
        )
    return Net(tuple(map(str, places)), tuple(firings), some(0.4) or 1, some(0.3))


def compared(net, seed):
    """Explore and compare with the plainest search; return whether it is safe, goes on, can end."""
    found = explore(net, 10_000)
    assert found.complete
    seen, arcs, safe, stuck = plainly(net)
    assert (set(found.numbers), found.arcs) == (seen, len(arcs)), f"seed {seed}"
    assert (found.clash is None, found.stuck is None) == (safe, not stuck), f"seed {seed}"
    assert found.stuck is None or found.stuck in stuck, f"seed {seed}"
    able = {marking for marking in seen if not marking & ~net.ends}
    while more := {one for one, after in arcs if after in able} - able:
        able |= more
    assert (found.endless() is None) == (able == seen), f"seed {seed}"
    return safe, not stuck, able == seen


def test_nets_of_any_kind_are_explored_as_by_the_plainest_search():
    kinds = {compared(any_net(random.Random(seed)), seed) for seed in range(4_000)}
    assert len(kinds) >= 6


def nets_of(definition):
    for scope in scopes_of(definition):
        net = petri_net(definition, scope)
        yield from (net, reduced(net))


def special(net):
    for firing in net.firings:
        yield from ["absent"] * bool(firing.absent) + ["urgent"] * firing.urgent
        yield from ["clears"] * firing.clears


@pytest.mark.parametrize("part", range(2))
def test_definitions_of_any_kind_are_explored_as_by_the_plainest_search(part):
    seen, kinds = 0, Counter()
    for seed in range(part, 2_400, 2):
        gateways = read_definition(anything(random.Random(seed)))
        for definition in (gateways, drawn_one(seed)[1]):
            if definition is None or isinstance(definition, list):
                continue
            seen += 1
            for net in nets_of(definition):
                if explore(net, 3_000).complete:
                    kinds.update({*special(net), ("sound", *compared(net, seed))})
    assert seen > 500
    assert all(kinds[kind] > 30 for kind in ("absent", "urgent", "clears")), kinds
    assert sum(isinstance(kind, tuple) for kind in kinds) >= 3, kinds


def test_a_run_is_not_cut_where_something_happens_before_all_else():
    split, mark, work = (Step(name) for name in ("split", "mark", "work"))
    start, a, b, c, d = (1 << place for place in range(5))
    firings = (
        Firing((split,), start, a | b | c),
        Firing((mark,), a, d, urgent=True),
        Firing((work,), b, c),
    )
    net = Net(tuple("sabcd"), firings, start, 0)
    assert shortened(net, [split, mark, work], c) == [split, mark, work]
    plain = net._replace(firings=tuple(firing._replace(urgent=False) for firing in firings))
    assert shortened(plain, [split, mark, work], c) == [split, work]
