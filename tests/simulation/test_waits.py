"""Seeds through combined waits and repeating timers, on a log that crashes and repeats."""

import os
from itertools import pairwise

import pytest

from schemas import commands as c
from schemas.channel_events import MessageCorrelated
from schemas.events import EventTriggered, WorkflowCompleted
from schemas.ids import channel_id
from schemas.json_text import canonical
from schemas.wait_events import WaitProgressed
from streams.testing.committed import proved_events
from streams.testing.world import World

SEEDS = int(os.environ.get("TIDEMILL_SEEDS", "12"))
WAITS = """
id: waits
version: 1.0.0
nodes:
  start: {type: start, next: part}
  part:
    type: scope
    nodes:
      in: {type: start, next: both}
      both:
        type: wait
        all:
          - {message: a, key: "${key}"}
          - any: [{message: b, key: "${key}"}, {message: c, key: "${key}"}]
          - sequence: [{message: d, key: "${key}"}, {message: e, key: "${key}"}]
          - not: {message: never, key: "${key}", within: PT1S}
        result_path: got
        next: out
      out: {type: end}
    next: end
  tick: {type: boundary, on: part, cycle: R3/PT1S, interrupting: false, next: ticked}
  ticked: {type: end}
  end: {type: end}
"""


class Play(World):
    """One seed: some waits, and their messages in any order, disturbed."""

    def __init__(self, seed):
        super().__init__(seed, [WAITS], partitions=1 + seed % 3)
        self.count = self.random.randint(1, 4)
        self.todo = [(n, "") for n in range(self.count)]
        self.todo += [(n, name) for n in range(self.count) for name in "abcde"]
        self.random.shuffle(self.todo)

    def send(self, n, name):
        if not name:
            self.command(f"w-{n}", c.RunInstance("waits", "", canonical({"key": f"k{n}"})))
            return
        body = c.PublishMessage(name, f"k{n}", f"{name}-{n}", canonical(name), 36_000_000)
        self.command(channel_id("message", name, f"k{n}"), body, kind="channel")

    def disturbed(self):
        for _ in range(25):
            if self.todo and self.random.random() < 0.7:
                self.send(*self.todo.pop())
            elif self.random.random() < 0.3:
                body = self.random.choice([c.SuspendInstance(), c.ResumeInstance()])
                self.command(f"w-{self.random.randrange(self.count)}", body)
            self.go_on([0, 1, 700])

    def rest(self):
        self.calm()
        while self.todo:
            self.send(*self.todo.pop())
        self.settle()
        for n in range(self.count):
            self.command(f"w-{n}", c.ResumeInstance())
        for _ in range(3):
            self.settle()
            self.sleep(61_000)
        self.settle()

    def committed(self):
        """Return the events of each aggregate; what is stored must be what they fold to."""
        found = {}
        for envelope, body in proved_events(self):
            found.setdefault(envelope.aggregate_id, []).append(body)
        return found


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_wait_takes_each_event_once_and_a_repeating_timer_each_of_its_times(seed):
    play = Play(seed)
    play.disturbed()
    play.rest()
    found = play.committed()
    taken = [body.message_id for events in found.values() for body in of(MessageCorrelated, events)]
    assert len(taken) == len(set(taken)) == 4 * play.count
    for n in range(play.count):
        events = found[f"w-{n}"]
        assert isinstance(events[-1], WorkflowCompleted)
        came = [body.name for body in of(WaitProgressed, events)]
        assert sorted(came) in (["", "a", "b", "d", "e"], ["", "a", "c", "d", "e"])
        assert came.index("d") < came.index("e")
        ticks = of(EventTriggered, events)
        dues = [body.due for body in ticks]
        assert dues == sorted(set(dues))
        assert sum(1 + body.missed for body in ticks) <= 3
        for one, other in pairwise(ticks):
            assert other.due == one.next_due == one.due + 1_000 * (1 + one.missed)


def of(kind, events):
    return [body for body in events if type(body) is kind]
