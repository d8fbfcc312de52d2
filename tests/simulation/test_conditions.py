"""Seeds through conditions, event sub-processes and escalations, on a log that crashes."""

import os

import pytest

from schemas import commands as c
from schemas.condition_events import ConditionEnded
from schemas.escalation_events import EscalationRaised
from schemas.events import EventTriggered, ScopeStarted, VariablesSet, WorkflowCompleted
from schemas.json_text import canonical
from streams.testing.committed import proved_events
from streams.testing.world import World

SEEDS = int(os.environ.get("TIDEMILL_SEEDS", "10"))
PARENT = """
id: parent
version: 1.0.0
variables: {n: {type: integer, default: 0}}
nodes:
  start: {type: start, next: sub}
  sub: {type: call, definition: child, next: last}
  heard: {type: boundary, on: sub, escalation: Late, interrupting: false, next: told}
  many: {type: boundary, on: sub, condition: "${n > 1}", interrupting: false, next: noted}
  last: {type: catch, condition: "${n == 3}", next: end}
  told: {type: end}
  noted: {type: end}
  aside:
    type: scope
    event: true
    nodes:
      begin: {type: start, condition: "${n == 2}", interrupting: false, next: pause}
      pause: {type: timer, duration: PT0.1S, next: done}
      done: {type: end}
  stop:
    type: scope
    event: true
    nodes:
      four: {type: start, condition: "${n == 4}", next: over}
      over: {type: end}
  end: {type: end}
"""
CHILD = """
id: child
version: 1.0.0
nodes:
  start: {type: start, next: shout}
  shout: {type: throw, escalation: Late, payload: 1, next: pause}
  pause: {type: timer, duration: PT1S, next: cry}
  cry: {type: end, escalation: Late}
"""


class Play(World):
    """One seed: some parents, whose variables change while they are called out to, disturbed."""

    def __init__(self, seed):
        super().__init__(seed, [PARENT, CHILD], partitions=1 + seed % 3)
        self.names_of = [f"w-{n}" for n in range(self.random.randint(1, 4))]

    def disturbed(self):
        for name in self.names_of:
            self.command(name, c.RunInstance("parent"))
        for _ in range(25):
            name = self.random.choice(self.names_of)
            value = canonical({"n": self.random.randrange(3)})
            self.command(
                name,
                self.random.choice(
                    [c.SetVariables(value), c.SetVariables(value), c.SuspendInstance()]
                ),
            )
            if self.random.random() < 0.4:
                self.command(name, c.ResumeInstance())
            self.go_on([0, 1, 200])

    def rest(self):
        self.calm()
        self.settle()
        for name in self.names_of:
            self.command(name, c.ResumeInstance())
        for _ in range(3):
            self.settle()
            self.sleep(2_000)
        for place, name in enumerate(self.names_of):
            self.command(name, c.SetVariables(canonical({"n": 3 + place % 2})))
        self.settle()

    def committed(self):
        """Return the events of each aggregate; what is stored must be what they fold to."""
        found = {}
        for envelope, body in proved_events(self):
            found.setdefault(envelope.aggregate_id, []).append(body)
        return found


@pytest.mark.parametrize("seed", range(SEEDS))
def test_each_escalation_is_heard_once_and_a_condition_acts_once_each_time(seed):
    play = Play(seed)
    play.disturbed()
    play.rest()
    found = play.committed()
    for place, name in enumerate(play.names_of):
        events = found[name]
        assert isinstance(events[-1], WorkflowCompleted)
        raised = [body for body in events if isinstance(body, EscalationRaised)]
        assert [(body.node, body.caught_by) for body in raised] == [("sub", "heard")] * 2
        heard = [body for body in events if acted(body, "heard")]
        assert [body.payload for body in heard] == [
            b'{"code":"Late","node":"sub","payload":1}',
            b'{"code":"Late","node":"sub","payload":null}',
        ]
        for node in ("many", "begin"):
            turns = [type(body) for body in events if ended_or_acted(body, node)]
            half, odd = divmod(len(turns), 2)
            assert turns == [EventTriggered, ConditionEnded] * half + [EventTriggered] * odd
        runs = [body for body in events if isinstance(body, ScopeStarted)]
        assert len(runs) == len([b for b in events if acted(b, "begin") or acted(b, "four")])
        ended = [body.node for body in events if acted(body, "last") or acted(body, "four")]
        assert ended == [["last", "four"][place % 2]]


def acted(body, node):
    return isinstance(body, EventTriggered) and body.node == node


def ended_or_acted(body, node):
    return (isinstance(body, ConditionEnded) and body.node == node) or acted(body, node)


def test_the_seeds_do_reach_what_they_are_about():
    play = Play(1)
    play.disturbed()
    play.rest()
    events = [body for one in play.committed().values() for body in one]
    assert {VariablesSet, ConditionEnded, EscalationRaised, ScopeStarted} <= {
        type(body) for body in events
    }
