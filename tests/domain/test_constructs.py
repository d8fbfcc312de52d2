"""Random definitions of every construct, proved sound, then played with failures and repeats.

The spec checks each step: deciding is deterministic, the events give the decided state, the state
survives its encoding. Here: a proved definition never gets stuck, a command that comes twice has
one effect, each token waits for something, and none is left at the end.
"""

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from streams.domain.net.soundness import soundness
from streams.forms import read_definition, write_definition
from streams.testing.all_blocks import PART_KINDS, SINGLE_KINDS, AllBlocks
from streams.testing.play import Play

STEPS_MAX = 2_000
SINGLE = [("task",), ("timer",), ("call",), ("pass",), ("skip",), ("undo",)]
TREES = st.recursive(
    st.sampled_from([*SINGLE, *((kind,) for kind in SINGLE_KINDS)]),
    lambda inner: st.one_of(
        st.tuples(st.just("sequence"), st.lists(inner, min_size=1, max_size=3)),
        st.tuples(st.just("parallel"), st.lists(inner, min_size=2, max_size=3)),
        st.tuples(st.just("exclusive"), st.lists(inner, min_size=1, max_size=2)),
        st.tuples(st.just("inclusive"), st.lists(inner, min_size=1, max_size=2)),
        *(st.tuples(st.just(kind), inner) for kind in PART_KINDS),
    ),
    max_leaves=6,
)
RUNS = (TREES, st.integers(0, 3), st.integers(0, 40), st.data())
# A run that fails is long: to make it shorter takes minutes, and its tree says enough.
SEEDS = {"deadline": None, "phases": [Phase.explicit, Phase.reuse, Phase.generate]}


def play(tree, pick, wild, choose):
    """Play a definition to its end: `wild` steps with what disturbs, then gently."""
    source = AllBlocks().source(tree)
    run = Play(source, choose, pick)
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
    assert spec.state.status in {"Completed", "Cancelled"}
    assert (spec.state.tokens, spec.state.activities, spec.state.incidents) == ({}, {}, {})
    tail = zip(spec.past, spec.times, spec.actors, strict=True)
    for event, now, actor in list(tail)[len(early.past) :]:
        early = early.later(now - early.now).by(actor).happened(event)
    assert early.state == spec.state, "a snapshot and its tail"


def chosen_by(data):
    return lambda choices: data.draw(st.sampled_from(choices))


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], **SEEDS)
@given(*RUNS)
def test_what_is_proved_sound_never_gets_stuck_whatever_it_is_made_of(tree, pick, wild, data):
    play(tree, pick, wild, chosen_by(data))


@pytest.mark.slow
@pytest.mark.timeout(900)
@settings(max_examples=4_000, suppress_health_check=[HealthCheck.too_slow], **SEEDS)
@given(*RUNS)
def test_many_more_never_get_stuck_either(tree, pick, wild, data):
    play(tree, pick, wild, chosen_by(data))


@settings(max_examples=60, **SEEDS)
@given(TREES)
def test_a_definition_of_every_construct_comes_back_as_the_same_model(tree):
    definition = read_definition(AllBlocks().source(tree))
    assert read_definition(write_definition(definition)) == definition
