"""Mutual exclusion, for any commands at any times: an exact model beside the aggregate."""

import json
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.commands import (
    AcquireLock,
    ExtendLock,
    FireTimer,
    ForceReleaseLock,
    LockGranted,
    LockRefused,
    ReleaseLock,
    RequestLock,
    ReturnLock,
)
from schemas.lock_events import (
    LockAcquired,
    LockExtended,
    LockReleased,
    LockRequested,
    LockRequestRefused,
)
from streams.domain.protocol import Accepted, AnswerCommand, SendCommand
from streams.testing.spec import lock

OWNERS = st.sampled_from("abcd")
SECTIONS = st.integers(1, 3)
TTL = st.sampled_from([1, 10, 100])
TOKEN_BACK = st.integers(0, 2)
"""How many grants before the last one a token is of; 0 is the present one."""
STEPS = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 1, 5, 20, 150]),
        st.one_of(
            st.builds(AcquireLock, OWNERS, TTL, st.sampled_from([0, 1, 30, 500])),
            st.builds(ExtendLock, OWNERS, TOKEN_BACK, TTL),
            st.builds(ReleaseLock, OWNERS, st.just(0) | TOKEN_BACK),
            st.builds(ForceReleaseLock),
            st.builds(
                lambda section, ttl, wait: RequestLock("instance", "i", "l", section, ttl, wait),
                SECTIONS,
                st.just(0) | TTL,
                st.sampled_from([-1, 0, 30]),
            ),
            st.builds(lambda section: ReturnLock("instance", "i", "l", section), SECTIONS),
        ),
    ),
    max_size=40,
)


class Model:
    """The lock as its events tell it."""

    def __init__(self):
        self.holder, self.queue, self.tokens = None, [], [0]
        self.until = 0
        self.open = Counter()
        """Requests of clients that are to be answered later."""

    def see(self, event, now):
        owner = event.owner.name
        if isinstance(event, LockAcquired):
            assert self.holder is None, "two holders"
            assert event.token > self.tokens[-1], "a token that does not grow"
            first = self.queue.pop(0) if self.queue else owner
            assert owner == first, "the queue is not served in order"
            self.holder, self.until = owner, event.expires_at
            self.tokens.append(event.token)
        elif isinstance(event, LockRequested):
            assert self.holder is not None
            if owner not in self.queue:
                self.queue.append(owner)
            self.open[event.command_id] += bool(event.reply_to)
        elif isinstance(event, LockExtended):
            assert (self.holder, self.tokens[-1]) == (owner, event.token)
            self.until = event.expires_at
        elif isinstance(event, LockReleased):
            assert (self.holder, self.tokens[-1]) == (owner, event.token)
            assert event.how != "expired" or 0 < self.until <= now, "it ended before its time"
            self.holder = None
        else:
            assert isinstance(event, LockRequestRefused)
            self.queue.remove(owner)

    def hear(self, effect):
        if isinstance(effect, AnswerCommand):
            self.open[effect.command_id] -= 1
            assert self.open[effect.command_id] == 0, "an answer too many"
            if not effect.code:
                token = json.loads(effect.result)["token"]
                assert token in self.tokens


def go(spec, model, command):
    decided = spec.when(command)
    if not isinstance(decided.outcome, Accepted):
        return spec
    for event in decided.events:
        model.see(event, spec.now)
    for effect in decided.effects:
        model.hear(effect)
    spec = decided.accepted()
    holder = spec.state.holder if spec.state else None
    assert (holder.owner.name if holder else None) == model.holder
    assert holder or not spec.state or not spec.state.waiters, "a free lock has no queue"
    return spec


def tokens_in(command, model):
    """Put tokens that were given out in the place of how long ago they were."""
    if isinstance(command, ExtendLock):
        return ExtendLock(command.owner, model.tokens[-1 - command.token :][0], command.ttl_ms)
    if isinstance(command, ReleaseLock) and command.token:
        return ReleaseLock(command.owner, model.tokens[-1 - command.token :][0])
    return command


def sections_told(spec):
    """How often each section asked, and how often it was granted or refused."""
    found = Counter()
    for effect in spec.effects:
        if isinstance(effect, SendCommand) and isinstance(effect.body, LockGranted | LockRefused):
            found[effect.body.section] += 1
    return found


@settings(max_examples=120, deadline=None)
@given(STEPS)
def test_there_is_never_a_second_holder_and_every_waiter_is_answered_once(steps):
    spec, model = lock(), Model()
    for pause, command in steps:
        spec = spec.later(pause)
        due = spec.state is not None and 0 < spec.next_due() <= spec.now
        if due and pause % 2 == 0:  # Now and then a command comes before the timer.
            spec = go(spec, model, FireTimer(spec.next_due()))
        spec = go(spec, model, tokens_in(command, model))
    waited = {e.owner.section for e in spec.past if isinstance(e, LockRequested)} - {0}
    while spec.state is not None and (spec.state.waiters or spec.next_due()):
        spec = spec.later(max(1, spec.next_due() - spec.now))
        command = FireTimer(0) if spec.next_due() else ForceReleaseLock()
        spec = go(spec, model, command)
    assert all(count == 0 for count in model.open.values()), "who waited was not answered"
    assert set(sections_told(spec)) >= waited, "a section that waited was not told"
    assert spec.state == spec.replayed()
