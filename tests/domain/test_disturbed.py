"""Random blocks, disturbed at random moments; each command comes twice and takes effect once.

Operators suspend, resume, cancel, skip, complete, set variables; workers fail, are late, repeat
themselves; a queue goes and comes back; children fail. The history is folded once more at the end.
"""

from collections import Counter
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.commands import (
    CancelInstance,
    CompleteCall,
    CompleteNode,
    Continue,
    FailCall,
    FireTimer,
    ResumeInstance,
    RetryIncident,
    RunInstance,
    SetVariables,
    SkipNode,
    SuspendInstance,
    TerminateInstance,
)
from schemas.events import (
    ActivityCompleted,
    ActivityFailed,
    ActivityScheduled,
    NodeCompleted,
    NotificationRequested,
)
from schemas.results import (
    CompleteActivity,
    FailActivity,
    HeartbeatActivity,
    ReportActivityStarted,
)
from streams.domain.instance.lifecycle import TRANSITIONS
from streams.domain.instance.places import OUT
from streams.domain.net.model import Waiting
from streams.domain.protocol import Accepted, CancelTask, DispatchActivity, SendCommand
from streams.forms import read_definition
from streams.testing.blocks import Blocks
from streams.testing.known_definitions import KnownDefinitions
from streams.testing.spec import instance

STEPS_MAX = 3_000
BLOCKS = st.recursive(
    st.sampled_from(
        [
            ("task",),
            ("mail",),
            ("timer",),
            ("call",),
            ("pass",),
            ("skip",),
            ("manual",),
            ("fallback",),
            ("undo",),
        ]
    ),
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
ONCE = (
    SuspendInstance,
    ResumeInstance,
    CancelInstance,
    TerminateInstance,
    CompleteActivity,
    FailActivity,
    ReportActivityStarted,
    CompleteCall,
    FailCall,
    RunInstance,
    SkipNode,
    CompleteNode,
    SetVariables,
)
"""What a client, a worker or a child may send twice."""


class Play:
    """One run: the spec, and who does what next."""

    def __init__(self, source, data, steps):
        self.data = data
        gone = KnownDefinitions((source,), frozenset(["mail"]))
        self.known = {False: KnownDefinitions((source,), frozenset()), True: gone}
        self.definition = read_definition(source)
        self.spec = instance(source).with_limits(steps_per_command=steps)
        self.told = 0
        self.mail_is_gone = False
        self.gently = False

    def do(self, command):
        """Let a command come, sometimes twice; the second has no effect of its own."""
        decided = self.spec.when(command)
        if isinstance(decided.outcome, Accepted):
            self.spec = decided.accepted()
        if isinstance(command, ONCE):
            again = self.spec.when(command)
            if isinstance(again.outcome, Accepted):
                again.then_nothing()

    def choose(self, *choices):
        return self.data.draw(st.sampled_from(choices))

    def queue(self, gone):
        self.mail_is_gone = gone
        self.spec = replace(self.spec, definitions=self.known[gone])

    def owed(self):
        """How often the engine has told itself to go on, and has not come to it."""
        sent = [e.body for e in self.spec.effects if isinstance(e, SendCommand)]
        return sum(isinstance(body, Continue) for body in sent) - self.told

    def go_on(self, _open, _due):
        self.told += 1
        self.do(Continue())

    def step(self, *, gently):
        self.gently = gently
        state = self.spec.state
        open_now = [key for key, one in state.activities.items() if not one.retry_at]
        due = self.spec.next_due() if state.status == "Running" else 0
        what = self.choose(
            *["go_on"] * 6 * bool(self.owed()),
            *["complete"] * 6 * bool(open_now),
            *["call"] * 3 * bool(state.calls),
            *["mailed"]
            * 2
            * bool([one for one in state.notifications.values() if not one.retry_at]),
            *["wait"] * 3 * bool(due),
            *["retry"] * 2 * bool(state.incidents and state.status == "Running"),
            *["resume"] * 2 * (state.status == "Suspended"),
            *["skip", "by_hand"] * bool(state.incidents),
            *["by_hand"] * bool(state.activities or state.calls),
            *([] if gently else ["fail", "stale", "suspend", "queue_", "start", "beat", "set"]),
            *([] if gently or self.data.draw(st.integers(0, 40)) else ["cancel", "terminate"]),
        )
        getattr(self, what)(open_now, due)

    def complete(self, open_now, _):
        key = self.choose(*open_now)
        attempt = self.spec.state.activities[key].attempt
        late = self.data.draw(st.integers(1, attempt))
        self.do(CompleteActivity(key, late, b"%d" % self.data.draw(st.integers(0, 9))))

    def fail(self, open_now, _):
        for key in open_now[:1]:
            attempt = self.spec.state.activities[key].attempt
            node = self.definition.nodes[self.spec.state.activities[key].node]
            # The third would end the workflow where no recovery is said.
            if attempt <= 2 or node.kind.on_failure is not None:
                self.do(FailActivity(key, attempt, "Boom"))

    def mailed(self, _open, _due):
        key = self.choose(*(k for k, o in self.spec.state.notifications.items() if not o.retry_at))
        attempt = self.spec.state.notifications[key].attempt
        if self.gently or self.data.draw(st.booleans()):
            self.do(CompleteActivity(key, attempt, b"{}"))
        else:
            self.do(FailActivity(key, attempt, "ConnectionError", "away"))

    def call(self, _open, _due):
        key = self.choose(*self.spec.state.calls)
        # A child that ran and failed would end the workflow where no recovery is said.
        refused = FailCall(key, "Boom", "no", refused=True)
        self.do(self.choose(*[CompleteCall(key, b'{"n":1}')] * 3, refused))

    def wait(self, _, due):
        self.spec = self.spec.later(max(0, due - self.spec.now))
        self.do(FireTimer(due))

    def retry(self, _open, _due):
        if self.mail_is_gone and self.data.draw(st.booleans()):
            self.queue(gone=False)
        self.do(RetryIncident(self.choose(0, *self.spec.state.incidents)))

    def skip(self, _open, _due):
        self.do(SkipNode(self.choose(*self.spec.state.incidents)))

    def by_hand(self, _open, _due):
        """Complete what waits: an incident, an open activity or a child that is under way."""
        state = self.spec.state
        open_ones = {"incident": state.incidents, "activity": state.activities, "call": state.calls}
        what = self.choose(*[name for name, ones in open_ones.items() if ones])
        result = b"%d" % self.data.draw(st.integers(0, 9))
        self.do(CompleteNode(result, **{what: self.choose(*open_ones[what])}))

    def set(self, _open, _due):
        self.do(SetVariables(b'{"pick":%d}' % self.data.draw(st.integers(0, 3))))

    def stale(self, _open, _due):
        """A report about something that was, is, or never will be."""
        key = self.data.draw(st.integers(0, len(self.spec.past) + 3))
        state = self.spec.state
        if key in state.activities or key in state.calls or key in state.notifications:
            return
        reports = [CompleteActivity(key, 1), FailActivity(key, 1, "x"), CompleteCall(key, b"{}")]
        before = self.spec
        self.do(self.choose(*reports, ReportActivityStarted(key, 1), FailCall(key, "x", "x")))
        assert self.spec.past == before.past

    def start(self, open_now, _):
        for key in open_now[:1]:
            self.do(ReportActivityStarted(key, self.spec.state.activities[key].attempt, "w"))

    def beat(self, open_now, _):
        for key in open_now[:1]:
            self.do(HeartbeatActivity(key, self.spec.state.activities[key].attempt))

    def suspend(self, _open, _due):
        self.do(SuspendInstance())

    def resume(self, _open, _due):
        self.do(ResumeInstance())

    def queue_(self, _open, _due):
        self.queue(not self.mail_is_gone)

    def cancel(self, _open, _due):
        self.do(CancelInstance("enough"))

    def terminate(self, _open, _due):
        self.do(TerminateInstance("now"))

    def check(self):
        """Hold what is true between any two commands."""
        state = self.spec.state
        waits = {n.id for n in self.definition.nodes.values() if isinstance(n.kind, Waiting)}
        busy = [one.token for one in (*state.activities.values(), *state.calls.values())]
        busy += [*state.timers, *(one.token for one in state.incidents.values())]
        assert len(busy) == len(set(busy)), "a token waits for one thing only"
        assert set(busy) <= set(state.tokens)
        for token, place in state.tokens.items():
            held = state.status == "Suspended" and token in state.compensations
            if not held and (place in waits or place.endswith(OUT)):
                assert token in busy, f"token {token} waits at {place} for nothing"
        # Blocks are sound: no place ever has two tokens.
        assert max(Counter(state.tokens.values()).values(), default=0) <= 1
        dispatched = self.dispatched()
        assert max(dispatched.values(), default=0) <= 1, "an attempt was handed out twice"
        for key, one in state.activities.items():
            assert one.retry_at or dispatched[key, one.attempt] == 1

    def dispatched(self):
        tasks = [e.task for e in self.spec.effects if isinstance(e, DispatchActivity)]
        return Counter((task.activity, task.attempt) for task in tasks)

    def check_end(self):
        """Hold what is true of a finished instance."""
        spec, past = self.spec, self.spec.past
        assert spec.replayed() == spec.state
        folded, statuses = replace(spec, state=None, past=(), times=()), []
        for event in past:
            folded = folded.happened(event)
            statuses.append(folded.state.status)
        for before, after in pairwise(statuses):
            assert before == after or after in TRANSITIONS[before]
        assert spec.state.sequence == len(past)
        assert (spec.state.tokens, spec.state.activities, spec.state.incidents) == ({}, {}, {})
        assert (spec.state.compensations, spec.state.notifications) == ({}, {})
        scheduled = {(e.activity, e.attempt) for e in past if isinstance(e, ActivityScheduled)}
        told = [e for e in past if isinstance(e, NotificationRequested)]
        assert set(self.dispatched()) == scheduled | {(e.notification, e.attempt) for e in told}
        done = {e.activity for e in past if isinstance(e, ActivityCompleted)}
        failed = {(e.activity, e.attempt) for e in past if isinstance(e, ActivityFailed)}
        told = [e.cancellation for e in spec.effects if isinstance(e, CancelTask)]
        cancelled = {(c.activity, c.attempt) for c in told}
        for activity, attempt in scheduled:
            over = activity in done or (activity, attempt) in failed | cancelled
            assert over, f"attempt {attempt} of {activity} was handed out and forgotten"
        by_hand = [e.work for e in past if isinstance(e, NodeCompleted) and e.work]
        assert len(by_hand) == len(set(by_hand)), "something was completed by hand twice"
        assert not done & set(by_hand), "a worker's result and an operator's were both taken"
        if spec.state.status == "Completed":
            over = {e.activity for e in past if isinstance(e, ActivityFailed) and not e.retry_at}
            assert done | set(by_hand) | over >= {activity for activity, _ in scheduled}


@settings(max_examples=200, deadline=None)
@given(TREES, st.integers(0, 3), st.sampled_from([1_000, 3]), st.integers(0, 60), st.data())
def test_disturbed_workflows_come_to_their_end_and_nothing_is_done_twice(
    tree, pick, steps, wild, data
):
    play = Play(Blocks().source(tree), data, steps)
    play.do(RunInstance("random", "", b'{"pick":%d}' % pick))
    for number in range(STEPS_MAX):
        play.check()
        if play.spec.state.status not in {"Running", "Suspended"}:
            break
        if number == wild:
            play.queue(gone=False)
        play.step(gently=number >= wild)
    else:
        raise AssertionError(f"it has not ended after {STEPS_MAX} steps")
    play.check_end()
