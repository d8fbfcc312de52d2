"""Nets with several tokens on a place: every marking, every bound, and growth without one."""

import random
from itertools import chain

import pytest

from streams.domain.net.bounded import reach
from streams.domain.net.weighted import Transition, WeightedNet


def net(start, *transitions):
    places = tuple(f"p{number}" for number in range(len(start)))
    made = tuple(Transition(f"t{n}", pre, post) for n, (pre, post) in enumerate(transitions))
    return WeightedNet(places, made, tuple(start))


def fired(marking, transition):
    """The marking after a transition; None where it is not enabled."""
    after = list(marking)
    for place, weight in transition.pre.items():
        after[place] -= weight
        if after[place] < 0:
            return None
    for place, weight in transition.post.items():
        after[place] += weight
    return tuple(after)


def plainly(some, most):
    """Every marking with the plainest means, and the arcs; None beyond `most`."""
    seen, arcs, queue = {some.start}, 0, [some.start]
    while queue:
        marking = queue.pop()
        for transition in some.transitions:
            after = fired(marking, transition)
            if after is None:
                continue
            arcs += 1
            if after not in seen:
                seen.add(after)
                queue.append(after)
        if len(seen) > most:
            return None
    return seen, arcs


def anything(chance):
    places = range(chance.randint(1, 5))

    def weights():
        return {place: chance.randint(1, 3) for place in places if chance.random() < 0.4}

    transitions = [(weights(), weights()) for _ in range(chance.randint(1, 5))]
    return net([chance.randint(0, 4) for _ in places], *transitions)


def grows(some, growth):
    """Play the run and what is repeated after it: whether there is more than before."""
    marking = some.start
    for number in growth.run:
        marking = fired(marking, some.transitions[number])
    after = marking
    for number in growth.again:
        after = fired(after, some.transitions[number])
    more = [place for place in range(len(after)) if after[place] > marking[place]]
    return all(map(int.__le__, marking, after)) and more == growth.places and bool(more)


def test_markings_bounds_and_growth_are_those_of_the_plainest_search():
    endless = 0
    for seed in range(3_000):
        some = anything(random.Random(seed))
        reached = reach(some, 3_000)
        if reached.growth is not None:
            endless += 1
            assert grows(some, reached.growth), f"seed {seed}"
            continue
        plain = plainly(some, 3_000)
        assert (plain is None) == (not reached.complete), f"seed {seed}"
        if plain is None:
            continue
        seen, arcs = plain
        assert {tuple(reached.tokens(marking)) for marking in reached.numbers} == seen
        assert len(reached.labels) == len(reached.followers) == arcs
        assert reached.tokens(reached.high) == [max(column) for column in zip(*seen, strict=True)]
        assert reached.tokens(reached.low) == [min(column) for column in zip(*seen, strict=True)]
        assert reached.most == max(map(sum, seen))
        assert reached.bound() == max(chain(*seen))
    assert 300 < endless < 2_700


def test_a_run_leads_to_its_marking():
    some = net([3, 0], ({0: 1}, {1: 2}))
    reached = reach(some, 100)
    for marking, number in reached.numbers.items():
        at = some.start
        for step in reached.run_to(number):
            at = fired(at, some.transitions[step])
        assert list(at) == reached.tokens(marking)


def test_tokens_that_gather_on_one_place_need_wider_fields():
    assert reach(net([9, 0], ({0: 1}, {1: 100})), 100).tokens(0) == [0, 0]
    assert reach(net([9, 0], ({0: 1}, {1: 100})), 100).bound() == 900


@pytest.mark.parametrize("start", [0, 1, 5])
def test_a_source_without_bound_is_seen_at_once(start):
    reached = reach(net([start], ({}, {0: 1})), 100)
    assert (reached.growth.run, reached.growth.again, reached.growth.places) == ([], [0], [0])


def test_past_the_budget_nothing_is_claimed():
    reached = reach(net([9, 0], ({0: 1}, {1: 1})), 5)
    assert (reached.complete, reached.growth, reached.states) == (False, None, 5)


def test_a_net_without_places_has_one_marking():
    reached = reach(net([], ({}, {})), 10)
    assert (reached.states, reached.bound(), len(reached.labels)) == (1, 0, 1)
