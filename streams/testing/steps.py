"""Steps of a sentence about an instance, in the author's words: nodes instead of numbers.

spec = fire(fail(complete(spec, "reserve"), "charge", "CardDeclined"))
"""

from __future__ import annotations

from schemas.commands import FireTimer
from schemas.results import CompleteActivity, FailActivity
from streams.testing.spec import Spec


def waiting(spec: Spec) -> list[str]:
    """Return the nodes of the open activities, sorted."""
    return sorted(activity.node for activity in spec.state.activities.values())


def activity_of(spec: Spec, node: str) -> int:
    """Return the number of a node's only open activity; `ValueError` where there is no such."""
    (key,) = [key for key, one in spec.state.activities.items() if one.node == node]
    return int(key)


def complete(spec: Spec, node: str, output: bytes = b"{}") -> Spec:
    """Let a worker complete a node's activity."""
    key = activity_of(spec, node)
    return spec.given(CompleteActivity(key, spec.state.activities[key].attempt, output))


def fail(spec: Spec, node: str, code: str = "Boom", message: str = "it went wrong") -> Spec:
    """Let a worker fail a node's activity with an error that is not retried."""
    key = activity_of(spec, node)
    attempt = spec.state.activities[key].attempt
    return spec.given(FailActivity(key, attempt, code, message, retryable=False))


def fire(spec: Spec) -> Spec:
    """Let time pass until the next timer is due, and fire it."""
    due = spec.next_due()
    return spec.later(max(0, due - spec.now)).given(FireTimer(due))
