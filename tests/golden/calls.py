"""Histories of calls whose child failed: another one follows."""

from schemas.commands import FailCall, FireTimer, RunInstance
from streams.testing.spec import instance

REPEATED = """
id: repeated
version: 1.0.0
nodes:
  start: {type: start, next: sub}
  sub: {type: call, definition: other, retry: {fixed: {attempts: 1, delay: PT5S}}, next: end}
  end: {type: end}
"""


def failed():
    """A child that failed, and another one that is due in five seconds."""
    return instance(REPEATED).given(RunInstance("repeated"), FailCall(2, "Boom", "it broke"))


CALLS = {
    "call.started": lambda: failed().later(5_000).given(FireTimer(0)),
    "call.failed": failed,
}
