"""Random definitions of every construct, proved sound, then played with failures and repeats.

The spec checks each step: deciding is deterministic, the events give the decided state, the state
survives its encoding. Here: a proved definition never gets stuck, a command that comes twice has
one effect, each token waits for something, none is left at the end, and none is lost or made from
nothing on the way.
"""

from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from streams.domain.net.soundness import soundness
from streams.forms import read_definition, write_definition
from streams.testing.all_blocks import AllBlocks, random_tree
from streams.testing.ledger import Ledger
from streams.testing.play import Play

STEPS_MAX = 2_000
SEEDS = st.integers(0, 2**32 - 1)
# All follows from a seed: a smaller seed is no simpler run.
DRAWN = {
    "deadline": None,
    "phases": [Phase.explicit, Phase.reuse, Phase.generate],
    "suppress_health_check": [HealthCheck.too_slow],
}


def drawn(seed):
    random = Random(seed)
    return random, random_tree(random, random.randint(1, 3))


def check_conservation(spec):
    """No token is lost or made from nothing: a ledger of the events has those of every state."""
    past, ledger = zip(spec.past, spec.times, spec.actors, strict=True), Ledger()
    spec = replace(spec, state=None, past=(), times=(), actors=())
    for event, now, actor in past:
        spec = replace(spec, now=now, actor=actor).happened(event)
        ledger.enter(event)
        ledger.hold_against(spec.state.tokens)
    assert not ledger.here


def play(seed):
    """Play a definition to its end: some steps with what disturbs, then gently."""
    random, tree = drawn(seed)
    print(tree)
    run = Play(AllBlocks().source(tree), random.choice, random.randint(0, 3))
    wild = random.randint(0, 40)
    verdict = soundness(run.definition, 50_000)
    assert verdict.sound is not False, list(map(str, verdict.violations))
    for number in range(STEPS_MAX):
        run.check()
        if run.ended:
            break
        run.step(gently=number >= wild)
    else:
        raise AssertionError(f"it has not ended after {STEPS_MAX} steps: {run.spec.state}")
    run.settle()
    assert run.left_over() == []
    spec, early = run.spec, run.snapshot
    assert spec.replayed() == spec.state
    check_conservation(spec)
    assert spec.state.status in {"Completed", "Cancelled"}
    assert (spec.state.tokens, spec.state.activities, spec.state.incidents) == ({}, {}, {})
    tail = zip(spec.past, spec.times, spec.actors, strict=True)
    for event, now, actor in list(tail)[len(early.past) :]:
        early = early.later(now - early.now).by(actor).happened(event)
    assert early.state == spec.state, "a snapshot and its tail"


@settings(max_examples=250, **DRAWN)
@given(SEEDS)
def test_what_is_proved_sound_never_gets_stuck_whatever_it_is_made_of(seed):
    play(seed)


@pytest.mark.slow
@pytest.mark.timeout(900)
@settings(max_examples=5_000, **DRAWN)
@given(SEEDS)
def test_many_more_never_get_stuck_either(seed):
    play(seed)


@settings(max_examples=100, **DRAWN)
@given(SEEDS)
def test_a_definition_of_every_construct_comes_back_as_the_same_model(seed):
    definition = read_definition(AllBlocks().source(drawn(seed)[1]))
    assert read_definition(write_definition(definition)) == definition
