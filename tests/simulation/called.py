"""A caller on one partition, and its child on another or beside it."""

from schemas import commands as c
from schemas.ids import base32
from streams.testing.committed import faults_of
from streams.testing.stepped import Stepped

CALLER = """
id: caller
version: 1.0.0
nodes:
  start: {type: start, next: ask}
  ask: {type: call, definition: child, placement: PLACE, result_path: got, next: after}
  after: {type: activity, activity_type: t, next: end}
  end: {type: end}
"""
CHILD = """
id: child
version: 1.0.0
nodes:
  start: {type: start, next: work}
  work:
    type: activity
    activity_type: t
    retry: {max_attempts: 0}
    on_failure: fail_workflow
    next: end
  end: {type: end}
"""


class Called(Stepped):
    """A caller on one partition; its child on another, or beside it."""

    def __init__(self, place, caller=CALLER, child=CHILD):
        super().__init__([caller.replace("PLACE", place), child], partitions=2)
        self.spread = place == "spread"
        self.caller = self._caller()
        self.say(self.caller, c.RunInstance("caller"))
        (self.child,) = self.children()

    def _caller(self):
        """A name whose child lives elsewhere, which hangs on the moment of the start."""
        for number in range(99):
            name = f"c{number}"
            child = f"{name}.{base32(self.now)}.2"
            if self.home(child) != self.home(name):
                return name
        raise AssertionError("no such name")

    def started(self):
        if self.spread:
            self.hop(c.StartChild, self.child)
        assert self.kinds(self.child)[0] == "workflow.started"

    def rest(self):
        self.settle()
        assert faults_of(self) == []
        assert self.waits(self.caller) == self.waits(self.child) == []

    def last(self):
        """How caller and child stand."""
        return self.kinds(self.caller)[-1], self.kinds(self.child)[-1]

    def children(self):
        """The ids of all that were called."""
        events = self.events(self.caller)
        return {body.child_id for one, body in events if one.type == "call.started"}

    def gone(self, target):
        """How often an instance ended."""
        ends = {"completed", "failed", "cancelled", "terminated"}
        return sum(one in {f"workflow.{end}" for end in ends} for one in self.kinds(target))
