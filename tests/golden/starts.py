"""Histories of definitions that start instances by themselves."""

from schemas.commands import FireTimer, PublishDefinition
from schemas.results import RecordVerdict
from streams.domain.definition.state import source_hash
from streams.testing.spec import definition

TICKS = """
id: flow
version: 1.0.0
nodes:
  heard: {type: start, message: m, next: end}
  ticks: {type: start, cycle: R/PT10S, next: end}
  end: {type: end}
"""


def ticking():
    verdict = RecordVerdict("1.0.0", source_hash(TICKS), "sound")
    return definition("flow").given(PublishDefinition(TICKS), verdict)


STARTS = {
    "schedule.fired": lambda: ticking().later(10_000).given(FireTimer(0)),
}
