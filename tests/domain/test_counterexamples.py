"""Every counterexample of a proof, played on the engine: it leads to just what the proof says.

Random definitions of a few nodes with flows anywhere; all choices in them are a worker's.
"""

from collections import Counter
from random import Random

import pytest

from streams.domain.net.soundness import NO_DEAD, OPTION, PROPER, SAFE, soundness
from streams.forms import read_definition
from streams.testing.unsound import Staged, random_source

SEEDS = range(60)
FOUND_BUGS = (1397,)
"""A boundary event of what is at work holds an inclusive join back, too."""
WALKS = 10


def carries_two(run):
    """Tell whether two tokens are on one place, or were taken off it by an end one by one."""
    places = Counter(run.spec.state.tokens.values())
    twice = [name for name, count in run.passed.items() if count > 1]
    flows = run.definition.flows
    into_end = [name for name in twice if name in flows and flows[name].target.startswith("end")]
    return any(count > 1 for count in places.values()) or bool(into_end)


def stays_open(run, random):
    run.wander(random, 60)
    return not run.ended


def never_acts(source, definition, node, random):
    walks = [Staged(source, definition) for _ in range(WALKS)]
    for walk in walks:
        walk.wander(random, 40)
    return all(node not in walk.passed for walk in walks)


def is_shown(source, definition, violation, random):
    if violation.property == NO_DEAD:
        return never_acts(source, definition, violation.node, random)
    run = Staged(source, definition, violation.trace)
    run.play()
    if violation.property == SAFE:
        return carries_two(run)
    if violation.property == PROPER:
        return run.passed[violation.node] > 1
    assert violation.property == OPTION
    return stays_open(run, random)


def play(seed):
    """Return what was shown of a seed's definition; nothing where it has no structure."""
    random = Random(seed)
    source = random_source(random)
    definition = read_definition(source)
    if isinstance(definition, list):
        return []
    verdict = soundness(definition, 50_000)
    if verdict.sound:
        run = Staged(source, definition)
        run.wander(random, 400)
        assert run.ended, f"seed {seed}: it was proved sound and does not end: {source}"
        return ["sound"]
    for violation in verdict.violations:
        shown = is_shown(source, definition, violation, random)
        assert shown, f"seed {seed}: {violation.property}: {violation}\n{source}"
    return [violation.property for violation in verdict.violations]


def test_each_counterexample_leads_the_engine_to_what_it_says():
    found = Counter(name for seed in SEEDS for name in play(seed))
    assert set(found) == {"sound", SAFE, PROPER, OPTION, NO_DEAD}, found


@pytest.mark.parametrize("seed", FOUND_BUGS)
def test_seeds_that_once_failed(seed):
    assert play(seed)


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("thousand", range(3))
def test_many_more(thousand):
    found = Counter(name for seed in range(1_000) for name in play(1_000 * thousand + seed))
    assert found[SAFE] >= 20, found
