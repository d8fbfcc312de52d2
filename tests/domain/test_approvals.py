"""Approvals: a person is asked, claims, says something, decides; and who may do which."""

import json

import pytest

from schemas import approval_commands as c
from schemas import approval_events as e
from schemas.commands import (
    CancelInstance,
    RetryIncident,
    RunInstance,
    SetVariables,
)
from streams.domain.instance.evolve_approval import KEPT_COMMENTS, KEPT_TEXT
from streams.testing.spec import has, instance

SOURCE = """
id: refund
version: 1.0.0
nodes:
  start: {type: start, next: decide}
  decide:
    type: approval
    name: Decide
    assignee: "${boss}"
    candidate_users: [ann, "${deputy}"]
    candidate_groups: managers
    title: Refund of ${amount} €
    description: "See the letter."
    priority: "${urgent ? 90 : 20}"
    input: {amount: "${amount}"}
    documents: [{name: letter, uri: "https://example.org/${letter}", media_type: text/plain}]
    form:
      type: object
      required: [sum]
      properties: {sum: {type: integer, minimum: 1}, note: {type: string}}
    outcomes: [pay, refuse, ask]
    result_path: decision
    output: {sum: "${output.data.sum}", by: "${output.completed_by}"}
    next: [{to: pay, when: "${decision.outcome == 'pay'}"}, {to: end, default: true}]
  pay: {type: activity, activity_type: pay, next: end}
  end: {type: end}
"""
GIVEN = {"boss": "bob", "deputy": "dee", "amount": 12, "urgent": False, "letter": "l-7"}
N = 2
"""The approval's number."""
FITS = b'{"sum":5}'


def asked(source=SOURCE, **variables):
    given = json.dumps({**GIVEN, **variables}).encode()
    return instance(source).given(RunInstance("refund", "", given))


def claimed(by="ann"):
    return asked().by(by).given(c.ClaimApproval(N))


def plain(more, **variables):
    """An approval with these keys, and nothing else."""
    source = f"""
id: refund
version: 1.0.0
nodes:
  start: {{type: start, next: decide}}
  decide: {{type: approval, {more}, next: end}}
  late: {{type: boundary, on: decide, duration: P9D, next: end}}
  end: {{type: end}}
"""
    return asked(source, **variables)


def test_a_person_is_asked_with_all_that_the_author_says():
    event = asked().past[-1]
    assert event == e.ApprovalRequested(
        "decide",
        1,
        "Refund of 12 €",
        "bob",
        ["ann", "dee"],
        ["managers"],
        ["pay", "refuse", "ask"],
        "See the letter.",
        20,
        b'{"amount":12}',
        b'{"properties":{"note":{"type":"string"},"sum":{"minimum":1,"type":"integer"}},'
        b'"required":["sum"],"type":"object"}',
        [e.Document("letter", "https://example.org/l-7", "text/plain")],
    )
    assert asked(urgent=True).past[-1].priority == 90


def test_what_is_not_said_has_a_default():
    event = plain("assignee: ann").past[1]
    assert (event.title, event.priority, event.outcomes) == ("decide", 50, ["approve", "reject"])
    assert (event.form, event.input, event.documents, event.due) == (b"null", b"{}", [], 0)


@pytest.mark.parametrize(
    ("variables", "code", "word"),
    [
        ({"boss": 7}, "InvalidInput", "7 is no name"),
        ({"boss": "b" * 257}, "InvalidInput", "1 to 256 characters"),
        ({"boss": ["x", "y"]}, "InvalidInput", "the assignee is one person"),
        ({"deputy": ["dee"]}, "InvalidInput", '["dee"] is no name'),
        ({"urgent": 5}, "expression_failed", "urgent"),
        ({"letter": "l" * 3000}, "InvalidInput", "at most 2000 characters"),
        ({"amount": "x" * 5000}, "limit_exceeded", "the title has"),
    ],
)
def test_what_cannot_be_asked_is_an_incident_until_it_can(variables, code, word):
    spec = asked(**variables)
    (number,) = spec.state.incidents
    incident = spec.state.incidents[number]
    assert (incident.code, incident.node, spec.state.approvals) == (code, "decide", {})
    assert word in incident.message
    mended = json.dumps({name: GIVEN[name] for name in variables}).encode()
    spec = spec.given(SetVariables(mended), RetryIncident(number))
    assert [one.title for one in spec.state.approvals.values()] == ["Refund of 12 €"]


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ('assignee: "${boss}"', "nobody may decide"),
        ('candidate_users: "${many}"', "the limit is 100"),
        ('assignee: ann, priority: "${amount * 12}"', "the priority is 144"),
        ('assignee: ann, due: "${letter}"', "a duration or a date is needed"),
        ('assignee: ann, documents: "${letter}"', "a list of maps"),
        ("assignee: ann, documents: [{name: a}]", "no map of name, uri"),
        ("assignee: ann, documents: [{name: a, uri: u, size: 3}]", "no map of name, uri"),
        ('assignee: ann, documents: [{name: a, uri: "${amount}"}]', "must be texts"),
        ("assignee: ann, documents: [{name: a, uri: u}, {name: a, uri: v}]", "stands twice"),
    ],
)
def test_a_value_that_does_not_fit_is_an_incident(more, word):
    spec = plain(more, boss="", many=[f"u{n}" for n in range(101)])
    (incident,) = spec.state.incidents.values()
    assert word in incident.message
    assert spec.state.approvals == {}


def test_an_input_above_the_limit_is_an_incident():
    spec = instance(SOURCE).with_limits(variable=64)
    given = json.dumps({**GIVEN, "amount": "x" * 60}).encode()
    (incident,) = spec.given(RunInstance("refund", "", given)).state.incidents.values()
    assert (incident.code, incident.node) == ("limit_exceeded", "decide")
    assert "as documents" in incident.message


@pytest.mark.parametrize(
    ("who", "groups"), [("bob", []), ("ann", []), ("dee", []), ("eve", ["staff", "managers"])]
)
def test_who_is_named_may_claim(who, groups):
    asked().by(who).when(c.ClaimApproval(N, groups)).then(e.ApprovalClaimed(N, "decide", who))


def test_who_is_not_named_may_not_claim():
    asked().by("eve").when(c.ClaimApproval(N, ["staff"])).then_rejected(
        "Authorization", "eve may not claim approval 2", "bob; ann, dee; the groups managers"
    )


def test_a_claim_is_one_persons():
    spec = claimed()
    spec.when(c.ClaimApproval(N)).then_nothing()
    spec.by("bob").when(c.ClaimApproval(N)).then_rejected("already_claimed", "claimed by ann")


@pytest.mark.parametrize(
    "command",
    [
        c.ClaimApproval(N),
        c.ReleaseApproval(N),
        c.CompleteApproval(N, "pay"),
        c.DelegateApproval(N, "eve"),
        c.AssignApproval(N, "eve"),
        c.CommentApproval(N, "hm"),
        c.AttachDocument(N, e.Document("a", "u")),
        c.DetachDocument(N, "letter"),
    ],
)
def test_every_command_says_who_gives_it_and_which_approval_it_is(command):
    spec = asked()
    spec.by("").when(command).then_rejected("MissingParameter", "actor", "envelope")
    spec.by("x" * 257).when(command).then_rejected("limit_exceeded", "256")
    fields = {name: getattr(command, name) for name in command.__struct_fields__}
    unknown = type(command)(**{**fields, "approval": 99})
    spec.when(unknown).then_rejected("NotFound", "no approval 99", "open are: 2 (decide)")
    spec.given(CancelInstance()).when(command).then_rejected("already_closed", "Cancelled")


def test_a_claim_is_released_by_who_has_it():
    asked().by("ann").when(c.ReleaseApproval(N)).then_rejected("InvalidState", "by nobody")
    spec = claimed()
    spec.by("bob").when(c.ReleaseApproval(N)).then_rejected("Authorization", "claimed by ann")
    spec = spec.when(c.ReleaseApproval(N)).then(e.ApprovalReleased(N, "decide", "ann"))
    spec.by("dee").when(c.ClaimApproval(N)).then("approval.claimed")


def test_what_is_delegated_stays_its_owners():
    spec = (
        claimed()
        .when(c.DelegateApproval(N, "eve", "on leave"))
        .then(e.ApprovalDelegated(N, "decide", "ann", "eve", "on leave"))
    )
    spec.by("ann").when(c.CompleteApproval(N, "pay", FITS)).then_rejected(
        "already_claimed", "claimed by eve"
    )
    further = spec.by("eve").given(c.DelegateApproval(N, "fay"))
    assert (further.state.approvals[N].owner, further.state.approvals[N].claimant) == ("ann", "fay")
    for who in ("fay", "ann"):
        back = further.by(who).when(c.ReleaseApproval(N))
        back = back.then(e.ApprovalReleased(N, "decide", "fay", "ann"))
        back.by("ann").when(c.CompleteApproval(N, "pay", FITS)).then(
            has(e.ApprovalCompleted, completed_by="ann"), "activity.scheduled"
        )
    further.by("eve").when(c.ReleaseApproval(N)).then_rejected("Authorization", "fay")
    spec.by("eve").when(c.CompleteApproval(N, "refuse", FITS)).then(
        has(e.ApprovalCompleted, completed_by="eve"), "workflow.completed"
    )


def test_an_assignee_delegates_without_a_claim_and_nobody_else_does():
    spec = asked()
    spec.by("bob").when(c.DelegateApproval(N, "eve")).then(
        e.ApprovalDelegated(N, "decide", "bob", "eve")
    )
    spec.by("ann").when(c.DelegateApproval(N, "eve")).then_rejected("Authorization", "bob has it")
    spec.by("bob").when(c.DelegateApproval(N, "bob")).then_rejected("InvalidInput", "bob already")
    spec.by("bob").when(c.DelegateApproval(N, "")).then_rejected("InvalidInput", "no name")
    shared = plain("candidate_users: [ann]")
    shared.by("ann").when(c.DelegateApproval(N, "eve")).then_rejected(
        "Authorization", "claim it first"
    )


def test_an_operator_says_whose_it_is():
    spec = claimed().by("root")
    spec.when(c.AssignApproval(N)).then_rejected("InvalidInput", "nobody may decide")
    spec.when(c.AssignApproval(N, "x" * 300)).then_rejected("InvalidInput", "no name")
    spec = spec.when(c.AssignApproval(N, "", ["eve"], ["staff"], "ann is ill")).then(
        e.ApprovalAssigned(N, "decide", "", ["eve"], ["staff"], "ann is ill")
    )
    for who in ("ann", "bob"):
        spec.by(who).when(c.ClaimApproval(N)).then_rejected("Authorization")
        spec.by(who).when(c.CompleteApproval(N, "pay", FITS)).then_rejected("Authorization")
    spec.by("eve").when(c.ClaimApproval(N)).then("approval.claimed")
    spec.by("gus").when(c.ClaimApproval(N, ["staff"])).then("approval.claimed")


def test_comments_are_kept_in_the_history_and_the_last_in_the_state():
    spec = asked().by("eve")
    spec.when(c.CommentApproval(N, "")).then_rejected("MissingParameter")
    spec.when(c.CommentApproval(N, "x" * 4001)).then_rejected("limit_exceeded", "4001", "4000")
    for number in range(KEPT_COMMENTS + 3):
        text = f"{number} " + "x" * 1000
        spec = spec.when(c.CommentApproval(N, text)).then(
            e.ApprovalCommented(N, "decide", "eve", text)
        )
    kept = spec.state.approvals[N].comments
    assert [one.text.split()[0] for one in kept] == [str(n) for n in range(3, KEPT_COMMENTS + 3)]
    assert {(one.author, len(one.text), one.time) for one in kept} == {("eve", KEPT_TEXT, spec.now)}


def test_documents_are_attached_and_detached_by_name():
    spec = asked().by("eve")
    photo = e.Document("photo", "s3://b/photo.jpg", "image/jpeg", "sha256:00")
    spec = spec.when(c.AttachDocument(N, photo)).then(
        e.ApprovalDocumentAttached(N, "decide", photo, "eve")
    )
    assert spec.state.approvals[N].documents == ["letter", "photo"]
    spec.when(c.AttachDocument(N, photo)).then_rejected("already_exists", "'photo'")
    spec.when(c.AttachDocument(N, e.Document("x", ""))).then_rejected("InvalidInput", "uri")
    spec.when(c.AttachDocument(N, e.Document("", "u"))).then_rejected("InvalidInput", "name")
    spec.when(c.DetachDocument(N, "movie")).then_rejected("NotFound", "letter, photo")
    spec = spec.when(c.DetachDocument(N, "letter")).then(
        e.ApprovalDocumentDetached(N, "decide", "letter", "eve")
    )
    for number in range(49):
        spec = spec.given(c.AttachDocument(N, e.Document(f"d{number}", "u")))
    spec.when(c.AttachDocument(N, e.Document("one more", "u"))).then_rejected("limit_exceeded")
