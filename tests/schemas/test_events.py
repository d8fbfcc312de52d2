"""Public event types: their names, what they say, and what every event says about itself."""

import pytest

from schemas.envelope import Context, Envelope
from schemas.registry import BODIES, EVENT_TYPES

FIELDS = {
    "workflow.created": {"definition_id", "metadata"},
    "workflow.started": {"definition_id", "metadata"},
    "workflow.suspended": {"reason"},
    "workflow.resumed": {"reason"},
    "workflow.completed": {"result"},
    "workflow.failed": {"code", "message"},
    "workflow.cancelled": {"reason"},
    "workflow.terminated": {"reason"},
    "workflow.deleted": {"reason"},
    "activity.scheduled": {"activity_id", "activity_type"},
    "activity.started": {"activity_id", "activity_type", "worker", "started_at"},
    "activity.completed": {"activity_id", "activity_type", "output", "worker", "started_at"},
    "activity.failed": {"activity_id", "activity_type", "code", "message", "worker", "started_at"},
    "node.executed": {"node", "node_type"},
    "node.skipped": {"node", "incident", "reason", "moves"},
    "node.completed": {"node", "node_type", "output", "incident", "work", "reason", "moves"},
    "variables.set": {"reason", "moves"},
    "error.occurred": {"code", "message", "node"},
    "approval.requested": {"node", "title", "assignee", "candidate_users", "candidate_groups"},
    "approval.claimed": {"approval", "node", "claimant"},
    "approval.completed": {"approval", "node", "outcome", "data", "completed_by"},
    "approval.cancelled": {"approval", "node", "reason"},
    "message.published": {"message_id", "name", "key", "payload", "expires_at"},
    "message.correlated": {"message_id", "owner_type", "owner_id", "owner_incarnation", "node"},
    "message.rejected": {"message_id", "owner_id", "reason", "retry_at"},
    "message.expired": {"message_id"},
    "signal.broadcast": {"signal_id", "name", "payload"},
    "subscription.opened": {"owner_type", "owner_id", "owner_incarnation", "node", "once"},
    "watch.opened": {"owner_type", "owner_id", "owner_incarnation", "node", "once", "awaits"},
    "watch.matched": {"matches"},
    "watch.taken": {"match_id", "owner_type", "owner_id", "owner_incarnation", "node"},
    "watch.rejected": {"match_id", "owner_id", "reason", "retry_at"},
    "watch.ended": {"owner_type", "owner_id", "owner_incarnation", "node", "code", "message"},
    "subscription.ended": {"owner_type", "owner_id", "owner_incarnation", "node"},
}
"""What consumers count on, by type; `tests/golden` holds that it stays."""


@pytest.mark.parametrize("name", FIELDS)
def test_an_event_says_what_its_consumers_count_on(name):
    assert name in EVENT_TYPES
    assert FIELDS[name] <= set(BODIES[name].__struct_fields__)


def test_every_event_says_which_instance_when_by_whom_and_why():
    assert {"id", "type", "time", "aggregate_id", "sequence", "position"} <= set(
        Envelope.__struct_fields__
    )
    assert {"actor", "tenant", "causation_id", "correlation_id", "trace", "metadata", "key_id"} == {
        *Context.__struct_fields__
    }


IRREGULAR = {"broadcast", "set", "taken"}


def test_event_types_are_dotted_and_in_the_past():
    for name in EVENT_TYPES:
        noun, dot, verb = name.partition(".")
        past = verb.endswith("d") or verb in IRREGULAR
        assert (dot, noun.islower(), past) == (".", True, True)
