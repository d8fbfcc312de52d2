"""Histories of merging variables, and of sections that hold a lock."""

from schemas.commands import FireTimer, LockGranted, LockLost, RunInstance
from streams.testing.spec import NOW, instance

LOCKING = """
id: locking
version: 1.0.0
nodes:
  start: {type: start, next: part}
  part:
    type: scope
    lock: {name: red, ttl: PT9S}
    nodes:
      in: {type: start, next: wait}
      wait: {type: timer, duration: PT1H, next: out}
      out: {type: end}
    next: end
  end: {type: end}
"""
MERGING = """
id: merging
version: 1.0.0
variables: {n: {type: integer, default: 5, merge: counter}}
nodes:
  start: {type: start, next: work}
  work: {type: activity, activity_type: job, output: {n: "${output}"}, next: end}
  end: {type: end}
"""


def locking():
    return instance(LOCKING).given(RunInstance("locking"))


DATA = {
    "variables.observed": lambda: instance(MERGING).given(RunInstance("merging")),
    "section.awaited": locking,
    "section.locked": lambda: instance(LOCKING).given(
        *locking().given(LockGranted("red", 2, 77, NOW + 9_000)).past[:3]
    ),
    "section.extended": lambda: (
        locking().given(LockGranted("red", 2, 77, NOW + 9_000)).later(3_000).given(FireTimer(0))
    ),
    "section.ended": lambda: instance(LOCKING).given(
        *locking()
        .given(LockGranted("red", 2, 77, NOW + 9_000), LockLost("red", 2, 77, "expired"))
        .past[:-1]
    ),
}
