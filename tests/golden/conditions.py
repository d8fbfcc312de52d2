"""Histories of conditional events and escalations."""

from schemas.commands import RunInstance, SetVariables
from streams.testing.spec import instance

CONDITIONAL = """
id: conditional
version: 1.0.0
nodes:
  start: {type: start, next: work}
  work: {type: activity, activity_type: job, next: end}
  many: {type: boundary, on: work, condition: "${n > 5}", interrupting: false, next: told}
  told: {type: end}
  end: {type: end}
"""
ESCALATING = """
id: escalating
version: 1.0.0
nodes:
  start: {type: start, next: shout}
  shout: {type: throw, escalation: Late, payload: {n: 1}, next: end}
  end: {type: end}
"""


def ended():
    """A condition that was true from the start, and is no longer."""
    spec = instance(CONDITIONAL).given(RunInstance("conditional", "", b'{"n":9}'))
    return spec.given(SetVariables(b'{"n":1}'))


def raised():
    """A throw at which its token now rests."""
    return instance(ESCALATING).given(
        *instance(ESCALATING).given(RunInstance("escalating")).past[:2]
    )


CONDITIONS = {"condition.ended": ended, "escalation.raised": raised}
