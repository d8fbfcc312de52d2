"""Histories of compensation."""

from schemas.commands import CompensateInstance, DiscardCompensation, StartChild
from schemas.registry import BODIES
from schemas.results import CompleteActivity
from streams.testing.spec import instance

UNDONE = """
id: undone
version: 1.0.0
nodes:
  start: {type: start, next: work}
  work: {type: activity, activity_type: job, compensate_with: undo, next: end}
  undo: {type: activity, activity_type: job}
  end: {type: end}
"""


def undone(last, *more):
    """A child that is done, and what its parent asks then; up to the last event of a type."""
    begin = StartChild("undone", "", b"{}", "root", "life", 7), CompleteActivity(2, 1, b"4")
    child = instance(UNDONE).given(*begin, *more or (CompensateInstance("root", "life", 9, "why"),))
    child = child.given(*(CompleteActivity(key, 1) for key in child.state.activities))
    count = max(n for n, event in enumerate(child.past, 1) if isinstance(event, BODIES[last]))
    return instance(UNDONE).given(*child.past[:count])


COMPENSATION = {
    "compensation.recorded": lambda: undone("compensation.recorded"),
    "compensation.triggered": lambda: undone("compensation.triggered"),
    "handler.started": lambda: undone("handler.started"),
    "handler.completed": lambda: undone("handler.completed"),
    "workflow.compensated": lambda: undone("workflow.compensated"),
    "compensation.discarded": lambda: undone("compensation.discarded", DiscardCompensation()),
}
