"""The workflows that are measured."""

from __future__ import annotations

from typing import Final

NONE: Final = """
id: bench-none
version: 1.0.0
nodes:
  start: {type: start, next: end}
  end: {type: end}
"""
ONE: Final = """
id: bench-one
version: 1.0.0
variables: {n: {type: number, default: 1}}
nodes:
  start: {type: start, next: a}
  a: {type: activity, activity_type: echo, input: {n: "${n}"}, next: end}
  end: {type: end}
"""
WAITING: Final = """
id: bench-waiting
version: 1.0.0
nodes:
  start: {type: start, next: wait}
  wait: {type: timer, duration: P30D, next: end}
  end: {type: end}
"""


def sequence(count: int) -> str:
    """Return a workflow of so many activities, one after the other."""
    lines = ["id: bench-ten", "version: 1.0.0", "nodes:", "  start: {type: start, next: a1}"]
    for number in range(1, count + 1):
        after = f"a{number + 1}" if number < count else "end"
        lines.append(f"  a{number}: {{type: activity, activity_type: echo, next: {after}}}")
    return "\n".join([*lines, "  end: {type: end}", ""])
