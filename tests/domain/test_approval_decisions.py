"""Approvals: a person decides, or it is over without a decision."""

import json

import pytest

from schemas import approval_commands as c
from schemas import approval_events as e
from schemas.commands import (
    CancelInstance,
    CompleteNode,
    ResumeInstance,
    RetryIncident,
    SetVariables,
    SkipNode,
    SuspendInstance,
    TerminateInstance,
)
from schemas.events import ErrorOccurred, Moves, NodeCompleted
from streams.testing.spec import has
from streams.testing.steps import complete, fire, waiting
from tests.domain.test_approvals import FITS, SOURCE, N, asked, claimed, plain


def test_who_has_claimed_it_decides():
    spec = (
        claimed()
        .when(c.CompleteApproval(N, "pay", b'{ "sum": 5 }', "fine"))
        .then(
            e.ApprovalCompleted(
                N,
                "decide",
                "pay",
                FITS,
                "ann",
                "fine",
                Moves(
                    [1],
                    [],
                    ["decide", "decide->pay"],
                    {
                        "decision": b'{"completed_by":"ann","data":{"sum":5},"outcome":"pay"}',
                        "sum": b"5",
                        "by": b'"ann"',
                    },
                ),
            ),
            "activity.scheduled",
        )
    )
    assert (waiting(spec), spec.state.approvals) == (["pay"], {})
    spec.when(c.CompleteApproval(N, "pay", FITS)).then_rejected("already_closed", "open are: none")


def test_its_assignee_decides_without_a_claim_and_nobody_else_does():
    spec = asked()
    spec.by("bob").when(c.CompleteApproval(N, "refuse", FITS)).then(
        "approval.completed", "workflow.completed"
    )
    spec.by("dee").when(c.CompleteApproval(N, "pay", FITS)).then_rejected(
        "Authorization", "dee has not claimed approval 2"
    )
    claimed().by("bob").when(c.CompleteApproval(N, "pay", FITS)).then_rejected(
        "already_claimed", "claimed by ann"
    )


def test_a_decision_may_expect_who_has_claimed_it():
    spec = claimed()
    spec.when(c.CompleteApproval(N, "pay", FITS, claimant="ann")).then(
        "approval.completed", "activity.scheduled"
    )
    spec = spec.given(c.ReleaseApproval(N))
    spec.by("bob").when(c.CompleteApproval(N, "pay", FITS, claimant="ann")).then_rejected(
        "version_conflict", "claimed by nobody", "expects ann"
    )


@pytest.mark.parametrize(
    ("outcome", "data", "words"),
    [
        ("approve", FITS, ['"approve" is no outcome of decide: it has pay, refuse, ask']),
        ("pay", b"{}", ["the form of decide: $: 'sum' is a required property"]),
        (
            "pay",
            b'{"sum":"5","note":7}',
            ["$.note: string is needed, this is integer; $.sum: integer is needed, this is string"],
        ),
        ("pay", b'{"sum":0}', ["$.sum: 0 is less than the minimum of 1"]),
        ("pay", b"{", ["not valid JSON"]),
    ],
)
def test_what_is_no_decision_is_refused(outcome, data, words):
    claimed().when(c.CompleteApproval(N, outcome, data)).then_rejected("InvalidInput", *words)


def test_without_a_form_the_data_are_any_object():
    spec = plain("assignee: ann").by("ann")
    spec.when(c.CompleteApproval(N, "approve", b"[1]")).then_rejected("InvalidInput", "$: object")
    spec.when(c.CompleteApproval(N, "approve", b'{"any":1}')).then(
        "approval.completed", "workflow.completed"
    )


def test_data_above_the_limit_are_refused_and_the_approval_stays():
    spec = plain("assignee: ann").with_limits(variable=99).by("ann")
    data = json.dumps({"x": "y" * 99}).encode()
    spec.when(c.CompleteApproval(N, "reject", data)).then_rejected("limit_exceeded", "'result'")
    long = c.CompleteApproval(N, "reject", comment="x" * 4001)
    spec.when(long).then_rejected("limit_exceeded", "4001")


def test_an_output_that_cannot_be_computed_is_an_incident_of_what_is_decided():
    spec = plain('assignee: ann, output: {n: "${1 / count}"}', count=0).by("ann")
    spec = spec.when(c.CompleteApproval(N, "reject")).then(
        "approval.completed", has(ErrorOccurred, code="expression_failed", place="decide/out")
    )
    assert json.loads(spec.state.variables["result"])["outcome"] == "reject"
    (number,) = spec.state.incidents
    spec = spec.given(SetVariables(b'{"count":2}'))
    assert spec.given(RetryIncident(number)).state.status == "Completed"


@pytest.mark.parametrize("end", [CancelInstance("enough"), TerminateInstance("enough")])
def test_what_ends_with_its_instance_is_cancelled(end):
    decided = claimed().when(end)
    assert decided.events[0] == e.ApprovalCancelled(N, "decide", "enough")
    assert decided.accepted().state.approvals == {}


def test_a_boundary_event_interrupts_it():
    spec = fire(plain("assignee: ann"))
    assert [type(event).__name__ for event in spec.past[-3:]] == [
        "ApprovalCancelled",
        "EventTriggered",
        "WorkflowCompleted",
    ]
    spec.by("ann").when(c.CompleteApproval(2, "approve")).then_rejected("already_closed")


SIDE_BY_SIDE = """
id: refund
version: 1.0.0
nodes:
  start: {type: start, next: fork}
  fork: {type: parallel, next: [decide, job]}
  decide: {type: approval, assignee: ann, next: end}
  job: {type: activity, activity_type: job, next: stop}
  stop: {type: end, terminate: true}
  end: {type: end}
"""


@pytest.mark.parametrize("outcome", ["terminate: true", "error: Boom"])
def test_an_end_that_takes_every_token_cancels_it(outcome):
    spec = complete(asked(SIDE_BY_SIDE.replace("terminate: true", outcome)), "job")
    assert "ApprovalCancelled" in [type(event).__name__ for event in spec.past]
    assert spec.state.approvals == {}


def test_a_suspended_instance_takes_decisions_and_goes_on_when_it_is_resumed():
    spec = asked().given(SuspendInstance()).by("ann")
    spec = spec.given(c.ClaimApproval(N), c.CommentApproval(N, "hm"))
    spec = spec.when(c.CompleteApproval(N, "pay", FITS)).then("approval.completed")
    assert waiting(spec.given(ResumeInstance())) == ["pay"]


def test_an_operator_decides_by_hand():
    spec = claimed().by("root")
    for result, word in (
        (b'"pay"', "a map of outcome and data"),
        (b'{"outcome":"pay","more":1}', "a map of outcome and data"),
        (b'{"outcome":"pay"}', "'sum' is a required property"),
    ):
        spec.when(CompleteNode(result, approval=N)).then_rejected("InvalidInput", word)
    decided = spec.when(
        CompleteNode(b'{"outcome":"pay","data":{"sum":3}}', approval=N, reason="phone")
    ).then(
        e.ApprovalCancelled(N, "decide", "phone"),
        has(NodeCompleted, node="decide", node_type="approval", work=N),
        "activity.scheduled",
    )
    assert json.loads(decided.state.variables["decision"])["completed_by"] == "root"
    decided.when(CompleteNode(b"{}", approval=N)).then_rejected("already_closed")
    spec.when(CompleteNode(b"{}", approval=N, call=3)).then_rejected("MissingParameter")


def test_an_approval_that_could_not_begin_is_skipped_or_decided_by_hand():
    spec = asked(boss=7)
    (number,) = spec.state.incidents
    assert spec.given(SkipNode(number)).state.status == "Completed"
    assert waiting(spec.given(SkipNode(number, "decide->pay"))) == ["pay"]
    result = b'{"outcome":"pay","data":{"sum":3}}'
    assert waiting(spec.given(CompleteNode(result, incident=number))) == ["pay"]


def test_a_moment_without_an_escalation_is_no_timer():
    spec = asked(SOURCE.replace("priority:", "due: P1D\n    priority:"))
    assert (spec.past[-1].due, spec.past[-1].escalate_at) == (spec.now + 86_400_000, 0)
    assert spec.next_due() == 0


MERGED = """
id: refund
version: 1.0.0
variables: {sum: {type: integer, default: 0, merge: counter}}
nodes:
  start: {type: start, next: [one, other]}
  one: {type: approval, assignee: ann, output: {sum: "${sum + output.data.n}"}, next: end}
  other: {type: approval, assignee: ann, output: {sum: "${sum + output.data.n}"}, next: end}
  end: {type: end}
"""


def test_what_two_people_add_at_once_is_merged():
    spec = asked(MERGED).by("ann")
    for number in list(spec.state.approvals):
        spec = spec.given(c.CompleteApproval(number, "approve", b'{"n":5}'))
    assert (spec.state.status, spec.state.variables["sum"]) == ("Completed", b"10")


WITHIN = """
id: refund
version: 1.0.0
nodes:
  start: {type: start, next: part}
  part:
    type: scope
    input: {who: "${boss}"}
    nodes:
      in: {type: start, next: decide}
      decide: {type: approval, assignee: "${who}", result_path: who, next: out}
      out: {type: end}
    next: end
  late: {type: boundary, on: part, duration: P1D, next: end}
  end: {type: end}
"""


def test_in_a_scope_it_sees_and_writes_local_variables_and_is_stopped_with_it():
    spec = asked(WITHIN)
    (number,) = spec.state.approvals
    decided = spec.by("bob").given(c.CompleteApproval(number, "approve"))
    assert (decided.state.status, decided.state.variables["boss"]) == ("Completed", b'"bob"')
    assert "who" not in decided.state.variables
    stopped = fire(spec)
    assert e.ApprovalCancelled(number, "decide", "late interrupted it") in stopped.past
    assert stopped.state.status == "Completed"


EACH = """
id: refund
version: 1.0.0
variables: {people: list}
nodes:
  start: {type: start, next: decide}
  decide:
    type: approval
    each: {items: "${people}", as: person}
    title: For ${person}
    assignee: "${person}"
    next: end
  late: {type: boundary, on: decide, duration: P1D, next: end}
  end: {type: end}
"""


def test_of_several_people_each_is_asked():
    spec = asked(EACH, people=["ann", "bob"])
    whose = {one.assignee: number for number, one in spec.state.approvals.items()}
    assert sorted(whose) == ["ann", "bob"]
    decided = spec.by("ann").given(c.CompleteApproval(whose["ann"], "approve"))
    assert decided.state.status == "Running"
    late = fire(decided)
    assert [one.approval for one in late.past if isinstance(one, e.ApprovalCancelled)] == [
        whose["bob"]
    ]
    decided = decided.by("bob").given(c.CompleteApproval(whose["bob"], "reject"))
    assert decided.state.status == "Completed"


UNDONE = """
id: refund
version: 1.0.0
nodes:
  start: {type: start, next: decide}
  decide: {type: approval, assignee: ann, compensate_with: recall, next: undo}
  recall: {type: approval, assignee: bob, title: "Recall ${result.outcome}"}
  undo: {type: throw, compensate: decide, next: end}
  end: {type: end}
"""


def test_what_was_decided_is_undone_by_another_decision():
    spec = asked(UNDONE).by("ann").given(c.CompleteApproval(2, "approve"))
    ((number, recall),) = spec.state.approvals.items()
    assert (recall.node, recall.title) == ("recall", "Recall approve")
    spec = spec.by("bob").given(c.CompleteApproval(number, "approve"))
    assert spec.state.status == "Completed"
