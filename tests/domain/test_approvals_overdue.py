"""Approvals that nobody decides in time, and what happens at the same moment."""

import itertools
import json

import pytest

from schemas import approval_commands as c
from schemas import approval_events as e
from schemas.commands import (
    CancelInstance,
    FireTimer,
    ResumeInstance,
    RetryIncident,
    RunInstance,
    SuspendInstance,
)
from schemas.events import ErrorOccurred, NotificationFailed, NotificationRequested
from schemas.json_text import parse
from schemas.results import CompleteActivity, FailActivity
from streams.domain.protocol import Rejected
from streams.testing.spec import has, instance
from streams.testing.steps import fire

SOURCE = """
id: leave
version: 1.0.0
nodes:
  start: {type: start, next: decide}
  decide:
    type: approval
    title: Two weeks in May
    assignee: "${boss}"
    due: "${due}"
    escalation:
      - {notify: "${boss}@example.org"}
      - {after: P1D, candidate_groups: [managers], notify: [hr@example.org, ceo@example.org]}
      - {after: P3D, assignee: "${ceo}"}
    next: end
  end: {type: end}
"""
DAY = 86_400_000
N = 2


def asked(due="P2D", source=SOURCE, **variables):
    given = {"boss": "bob", "ceo": "cleo", "due": due, **variables}
    return instance(source).given(RunInstance("leave", "", json.dumps(given).encode()))


def test_its_moments_are_counted_from_when_it_is_due():
    spec = asked()
    begin = spec.now
    assert (spec.past[-1].due, spec.past[-1].escalate_at) == (begin + 2 * DAY, begin + 2 * DAY)
    spec = (
        spec.later(2 * DAY)
        .when(FireTimer(0))
        .then(
            e.ApprovalEscalated(N, "decide", 1, begin + 2 * DAY, begin + 3 * DAY),
            NotificationRequested(4, 0, "bob@example.org", "default", approval=N),
        )
    )
    spec = fire(spec)
    assert spec.past[-3:] == (
        e.ApprovalEscalated(
            N, "decide", 2, begin + 3 * DAY, begin + 5 * DAY, True, "", [], ["managers"]
        ),
        NotificationRequested(6, 0, "hr@example.org", "default", approval=N),
        NotificationRequested(7, 0, "ceo@example.org", "default", approval=N),
    )
    spec = fire(spec)
    assert spec.past[-1] == e.ApprovalEscalated(
        N, "decide", 3, begin + 5 * DAY, 0, True, "cleo", [], []
    )
    assert spec.next_due() == 0
    spec.by("bob").when(c.CompleteApproval(N, "approve")).then_rejected("Authorization")
    spec.by("cleo").when(c.CompleteApproval(N, "approve")).then(
        "approval.completed", "workflow.completed"
    )


@pytest.mark.parametrize("due", ["2023-11-14T23:13:20+01:00", 0, "PT0S"])
def test_it_is_due_at_a_date_or_after_a_while(due):
    spec = asked(due)
    assert spec.past[-1].due == spec.now
    spec.when(FireTimer(0)).then("approval.escalated", "notification.requested")


def test_a_claim_stays_unless_it_becomes_somebody_elses():
    spec = asked().by("bob").given(c.ClaimApproval(N), c.DelegateApproval(N, "ann"))
    spec = fire(spec)
    assert (spec.state.approvals[N].claimant, spec.state.approvals[N].owner) == ("ann", "bob")
    spec = fire(spec)
    assert (spec.state.approvals[N].claimant, spec.state.approvals[N].owner) == ("", "")
    spec.by("ann").when(c.ClaimApproval(N)).then_rejected("Authorization", "the groups managers")
    spec.by("eve").when(c.ClaimApproval(N, ["managers"])).then("approval.claimed")


def test_who_is_told_gets_a_mail_that_says_what_waits_for_whom():
    spec = fire(asked())
    (effect,) = spec.effects
    given = parse(effect.task.input)
    assert (effect.queue, effect.task.activity_type) == ("default", "notification_activity")
    assert given["subject"] == "Overdue: Two weeks in May"
    assert "waits for bob" in given["body_template"]
    assert given["recipients"] == ["bob@example.org"]
    assert given["approval"] == {
        "instance": "one",
        "tenant": "default",
        "approval": N,
        "node": "decide",
        "title": "Two weeks in May",
        "due": spec.now,
        "level": 1,
    }
    spec = fire(spec)
    assert "waits for the group managers" in parse(spec.effects[-1].task.input)["body_template"]


def test_a_mail_is_tried_again_until_the_approval_is_over():
    spec = fire(asked())
    failed = spec.given(FailActivity(4, 1, "ConnectionError", "away"))
    again = failed.later(5_000).when(FireTimer(0))
    again = again.then(NotificationRequested(4, 0, "bob@example.org", "default", 2, N))
    again.when(CompleteActivity(4, 2, b"{}")).then("notification.completed")


def test_a_mail_about_what_is_decided_is_given_up():
    more = "next: more\n  more: {type: timer, duration: P9D, next: end}\n  end: {"
    source = SOURCE.replace("next: end\n  end: {", more)
    spec = fire(asked(source=source)).given(FailActivity(4, 1, "ConnectionError", "away"))
    spec = spec.by("bob").given(c.CompleteApproval(N, "approve")).later(5_000)
    given_up = has(NotificationFailed, message="the approval is over", retry_at=0)
    spec.when(FireTimer(0)).then(given_up)


def test_an_escalation_that_cannot_be_computed_leaves_it_whose_it_was():
    spec = asked(ceo="")
    begin = spec.now
    spec = fire(fire(spec))
    spec = (
        spec.later(2 * DAY)
        .when(FireTimer(0))
        .then(
            e.ApprovalEscalated(N, "decide", 3, begin + 5 * DAY),
            has(ErrorOccurred, node="decide", token=0, code="InvalidInput"),
        )
    )
    (number,) = spec.state.incidents
    assert "assign approval 2 by hand" in spec.state.incidents[number].message
    assert spec.state.approvals[N].candidate_groups == ["managers"]
    spec = spec.given(c.AssignApproval(N, "dee")).when(RetryIncident(number))
    spec = spec.then("incident.resolved")
    spec.by("dee").when(c.CompleteApproval(N, "approve")).then(
        "approval.completed", "workflow.completed"
    )


def test_while_it_is_suspended_nothing_is_overdue():
    spec = asked().given(SuspendInstance()).later(9 * DAY)
    assert spec.next_due() == 0
    spec = spec.given(ResumeInstance())
    levels = []
    while spec.next_due():
        spec = spec.given(FireTimer(spec.next_due()))
        levels.append(spec.state.approvals[N].level)
    assert levels == [1, 2, 3]


DUE = FireTimer(0)
INTERRUPTED = SOURCE.replace(
    "  end: {type", "  late: {type: boundary, on: decide, duration: P2D, next: end}\n  end: {type"
)
STEPS = {
    "claim": c.ClaimApproval(N, ["managers"]),
    "complete": c.CompleteApproval(N, "approve"),
    "cancel": CancelInstance(),
    "due": DUE,
    "release": c.ReleaseApproval(N),
}
REFUSALS = {"already_closed", "InvalidState", "InvalidStateTransition"}


def played(spec, order):
    """Return the spec after commands in an order, and what ended the approval."""
    for name in order:
        decided = spec.when(STEPS[name])
        if isinstance(decided.outcome, Rejected):
            assert decided.outcome.code in REFUSALS, (order, decided.outcome)
        else:
            spec = decided.accepted()
    ends = [one for one in spec.past if isinstance(one, e.ApprovalCompleted | e.ApprovalCancelled)]
    assert len(ends) + len(spec.state.approvals) == 1, order
    return spec, [type(one) for one in ends]


@pytest.mark.parametrize("interrupted", [False, True])
def test_in_whatever_order_things_come_it_ends_at_most_once(interrupted):
    begun = asked(source=INTERRUPTED if interrupted else SOURCE).by("bob").later(2 * DAY)
    ending = {"complete": e.ApprovalCompleted, "cancel": e.ApprovalCancelled}
    if interrupted:
        ending["due"] = e.ApprovalCancelled
    for order in itertools.permutations(STEPS, 4):
        spec, ends = played(begun, order)
        assert ends == [ending[name] for name in order if name in ending][:1], order
        assert spec.replayed() == spec.state


def test_who_claims_and_who_cancels_at_once_leave_one_story():
    cancelled = asked().given(CancelInstance())
    cancelled.by("bob").when(c.ClaimApproval(N)).then_rejected("already_closed", "Cancelled")
    claimed = asked().by("bob").given(c.ClaimApproval(N))
    claimed.when(CancelInstance()).then(
        e.ApprovalCancelled(N, "decide", "the workflow was cancelled"), "workflow.cancelled"
    )
