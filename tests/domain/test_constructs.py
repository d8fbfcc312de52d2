"""Random definitions of every construct, proved sound, then played with failures and repeats.

The spec checks each step: deciding is deterministic, the events give the decided state, the state
survives its encoding. Here: a proved definition never gets stuck, a command that comes twice has
one effect, each token waits for something, and none is left at the end.
"""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.approval_commands import CompleteApproval
from schemas.commands import (
    CancelInstance,
    CompleteCall,
    Continue,
    FireTimer,
    ResumeInstance,
    RunInstance,
    SuspendInstance,
)
from schemas.results import CompleteActivity, FailActivity
from streams.domain.instance.places import bare
from streams.domain.net.model import Waiting
from streams.domain.net.soundness import soundness
from streams.domain.protocol import Accepted, SendCommand
from streams.forms import read_definition, write_definition
from streams.testing.all_blocks import PART_KINDS, SINGLE_KINDS, AllBlocks
from streams.testing.spec import instance

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


class Play:
    """One run: the spec, and who does what next."""

    def __init__(self, source, data, pick):
        self.data = data
        self.definition = read_definition(source)
        self.waits = {n.id for n in self.definition.nodes.values() if isinstance(n.kind, Waiting)}
        self.told = 0
        self.spec = instance(source).given(RunInstance("random", "", b'{"pick":%d}' % pick))

    def do(self, command):
        """Let a command come twice: the second has no effect of its own."""
        decided = self.spec.when(command)
        if isinstance(decided.outcome, Accepted):
            self.spec = decided.accepted()
        if not isinstance(command, FireTimer | Continue):
            again = self.spec.when(command)
            if isinstance(again.outcome, Accepted):
                again.then_nothing()

    def choose(self, *choices):
        return self.data.draw(st.sampled_from(choices))

    def owed(self):
        """What the engine has told itself and not heard yet."""
        sent = [e for e in self.spec.effects if isinstance(e, SendCommand)]
        own = [e.body for e in sent if e.aggregate_type == "instance" and e.aggregate_id == "one"]
        return own[self.told :]

    def step(self, *, gently):
        state = self.spec.state
        if self.owed():
            body = self.owed()[0]
            self.told += 1
            self.do(body)
            return
        open_now = [key for key, one in state.activities.items() if not one.retry_at]
        due = self.spec.next_due() if state.status == "Running" else 0
        what = self.choose(
            *["complete"] * 5 * bool(open_now),
            *["fail"] * bool(open_now and not gently),
            *["call"] * 2 * bool(state.calls),
            *["approve"] * 2 * bool(state.approvals),
            *["wait"] * 2 * bool(due),
            *["resume"] * 2 * (state.status == "Suspended"),
            *["suspend"] * (not gently and state.status == "Running"),
            *["cancel"] * (not gently and not self.data.draw(st.integers(0, 30))),
        )
        getattr(self, what)(open_now, due)

    def complete(self, open_now, _):
        key = self.choose(*open_now)
        self.do(CompleteActivity(key, self.spec.state.activities[key].attempt, b"1"))

    def fail(self, open_now, _):
        key = self.choose(*open_now)
        one = self.spec.state.activities[key]
        kind = self.definition.nodes[one.node].kind
        if one.attempt <= 2 or kind.on_failure is not None:
            self.do(FailActivity(key, one.attempt, "Boom"))

    def call(self, _open, _due):
        self.do(CompleteCall(self.choose(*self.spec.state.calls), b'{"n":1}'))

    def approve(self, _open, _due):
        key = self.choose(*self.spec.state.approvals)
        spec = self.spec.by("ann") if hasattr(self.spec, "by") else self.spec
        self.spec = spec
        self.do(CompleteApproval(key, "approve"))

    def wait(self, _open, due):
        self.spec = self.spec.later(max(0, due - self.spec.now))
        self.do(FireTimer(due))

    def suspend(self, _open, _due):
        self.do(SuspendInstance())

    def resume(self, _open, _due):
        self.do(ResumeInstance())

    def cancel(self, _open, _due):
        self.do(CancelInstance("enough"))

    def check(self):
        """Hold what is true between any two commands."""
        state = self.spec.state
        if state.status != "Running" or self.owed():
            return
        assert state.incidents == {}, "a sound definition with good data has none"
        busy = {*state.timers, *state.rollbacks, *state.waits}
        for ones in (
            state.activities,
            state.calls,
            state.subscriptions,
            state.scopes,
            state.approvals,
            state.iterations,
        ):
            busy |= {one.token for one in ones.values()}
        for token, place in state.tokens.items():
            if bare(place) in self.waits:
                assert token in busy, f"token {token} waits at {place} for nothing"
        assert busy <= set(state.tokens), "something waits without a token"


@pytest.mark.timeout(240)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TREES, st.integers(0, 3), st.integers(0, 40), st.data())
def test_what_is_proved_sound_never_gets_stuck_whatever_it_is_made_of(tree, pick, wild, data):
    source = AllBlocks().source(tree)
    play = Play(source, data, pick)
    assert not isinstance(play.definition, list), [str(one) for one in play.definition]
    verdict = soundness(play.definition, 50_000)
    assert verdict.sound is not False, list(map(str, verdict.violations))
    for number in range(STEPS_MAX):
        play.check()
        if play.spec.state.status not in {"Running", "Suspended"}:
            break
        play.step(gently=number >= wild)
    else:
        raise AssertionError(f"it has not ended after {STEPS_MAX} steps")
    spec = play.spec
    assert spec.replayed() == spec.state
    assert spec.state.status in {"Completed", "Cancelled"}
    assert (spec.state.tokens, spec.state.activities, spec.state.incidents) == ({}, {}, {})


@settings(max_examples=60, deadline=None)
@given(TREES)
def test_a_definition_of_every_construct_comes_back_as_the_same_model(tree):
    definition = read_definition(AllBlocks().source(tree))
    assert read_definition(write_definition(definition)) == definition
