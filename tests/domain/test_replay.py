"""Random definitions of nested blocks run to their end, with random completions.

The spec checks each step: two decisions alike, `evolve` over the events gives the decided
state, the state survives its encoding. Here the whole history is folded once more.
"""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.commands import Continue, FireTimer, ResumeInstance, RunInstance, SuspendInstance
from schemas.events import ActivityCompleted, ActivityScheduled, WorkflowCompleted
from schemas.results import CompleteActivity, FailActivity
from streams.domain.instance.places import OUT, SPENT
from streams.domain.net.model import Waiting
from streams.domain.protocol import SendCommand
from streams.forms import read_definition, write_definition
from streams.testing.blocks import Blocks
from streams.testing.spec import instance

STEPS_MAX = 3_000

BLOCKS = st.recursive(
    st.sampled_from([("task",), ("timer",), ("pass",)]),
    lambda inner: st.one_of(
        st.tuples(st.just("sequence"), st.lists(inner, min_size=1, max_size=3)),
        st.tuples(st.just("parallel"), st.lists(inner, min_size=2, max_size=3)),
        st.tuples(st.just("exclusive"), st.lists(inner, min_size=1, max_size=3)),
        st.tuples(st.just("loop"), inner),
        st.tuples(st.just("inclusive"), st.lists(inner, min_size=1, max_size=3)),
    ),
    max_leaves=8,
)
# What a partial join does not wait for would be begun again in a loop before it is done.
TREES = BLOCKS | st.tuples(st.just("partial"), st.lists(BLOCKS, min_size=2, max_size=3))
"""Trees of blocks; each has one way in and one way out."""


def check_tokens(spec, definition):
    """Every token rests at a place where one may rest, and every wait has its token."""
    state = spec.state
    joins = {flow.id: flow.target for flow in definition.flows.values()}
    waits = {n.id for n in definition.nodes.values() if isinstance(n.kind, Waiting)}
    for place in state.tokens.values():
        assert place in waits or place in joins or place.endswith((OUT, SPENT))
    held = [a.token for a in state.activities.values()] + list(state.timers)
    assert len(held) == len(set(held))
    assert {state.tokens[token] for token in held} <= waits
    assert all(token < state.next_token for token in state.tokens)
    # Blocks are sound: no place ever has two tokens.
    assert not state.tokens or max(Counter(state.tokens.values()).values()) == 1


def step(data, spec):
    """Do one thing that can happen next."""
    state = spec.state
    open_now = [key for key, activity in state.activities.items() if not activity.retry_at]
    if state.status == "Suspended" and (not open_now or data.draw(st.booleans())):
        return spec.given(ResumeInstance())
    choices = ["complete"] * 6 * bool(open_now) + ["fail"] * bool(open_now)
    if state.status == "Running":
        choices += ["wait"] * 3 * bool(spec.next_due()) + ["suspend"]
    what = data.draw(st.sampled_from(choices))
    if what == "suspend":
        return spec.given(SuspendInstance())
    if what == "wait":
        due = spec.next_due()
        return spec.later(max(0, due - spec.now)).given(FireTimer(due))
    key = data.draw(st.sampled_from(open_now))
    attempt = state.activities[key].attempt
    if what == "fail" and attempt <= 2:
        return spec.given(FailActivity(key, attempt, "Boom"))
    output = b"%d" % data.draw(st.integers(0, 9))
    return spec.given(CompleteActivity(key, attempt, output))


def run_to_the_end(data, spec, definition):
    asked = 0
    for _ in range(STEPS_MAX):
        check_tokens(spec, definition)
        if spec.state.status == "Completed":
            return spec
        effects = spec.effects
        asked, before = len(effects), asked
        told = [e for e in effects[before:] if isinstance(e, SendCommand)]
        assert all(isinstance(e.body, Continue) for e in told)
        spec = spec.given(*(e.body for e in told)) if told else step(data, spec)
    raise AssertionError(f"it has not ended after {STEPS_MAX} steps")


@settings(max_examples=200, deadline=None)
@given(TREES, st.integers(0, 3), st.sampled_from([1_000, 3]), st.data())
def test_sound_blocks_run_to_their_end_and_replay_to_the_same_state(tree, pick, steps, data):
    source = Blocks().source(tree)
    definition = read_definition(source)
    assert not isinstance(definition, list), [str(problem) for problem in definition]
    spec = instance(source).with_limits(steps_per_command=steps)
    spec = spec.given(RunInstance("random", "", b'{"pick":%d}' % pick))
    spec = run_to_the_end(data, spec, definition)
    assert spec.state.incidents == {}
    assert spec.state.tokens == {}
    assert sum(isinstance(event, WorkflowCompleted) for event in spec.past) == 1
    assert spec.state.sequence == len(spec.past)
    assert spec.replayed() == spec.state
    scheduled = {e.activity for e in spec.past if isinstance(e, ActivityScheduled)}
    completed = [e.activity for e in spec.past if isinstance(e, ActivityCompleted)]
    assert sorted(scheduled) == sorted(completed)


@settings(max_examples=100, deadline=None)
@given(TREES)
def test_every_definition_comes_back_as_the_same_model(tree):
    definition = read_definition(Blocks().source(tree))
    assert read_definition(write_definition(definition)) == definition
