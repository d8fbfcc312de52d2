"""What the view of approvals shows."""

import pytest

from projections.approvals import STATES, Wanted
from projections.errors import PoisonEventError
from schemas import approval_events as e
from schemas.events import WorkflowStarted


def asked(written, name="i1", time=100, **more):
    fields = {"assignee": "", "candidate_users": ["ann"], "candidate_groups": ["staff"]} | more
    whose = [fields.pop(key) for key in ("assignee", "candidate_users", "candidate_groups")]
    body = e.ApprovalRequested("decide", 1, "Title", *whose, ["pay", "refuse"], **fields)
    written.add(WorkflowStarted("refund", "1.0.0", {}), name, time=1)
    return written.add(body, name, time=time).envelope.sequence


def test_an_approval_shows_what_is_asked_whose_it_is_and_what_was_said(projection, written, reader):
    letter = e.Document("letter", "file:letter")
    number = asked(written, due=900, priority=70, input=b'{"a":1}', documents=[letter])
    photo = e.Document("photo", "file:photo", "image/png", "sha256:0")
    for body, time in (
        (e.ApprovalClaimed(number, "decide", "ann"), 110),
        (e.ApprovalCommented(number, "decide", "eve", "why?"), 120),
        (e.ApprovalDocumentAttached(number, "decide", photo, "eve"), 130),
        (e.ApprovalDocumentDetached(number, "decide", "letter", "eve"), 140),
        (e.ApprovalDelegated(number, "decide", "ann", "dee"), 150),
    ):
        written.add(body, time=time)
    projection.apply(written.events, {})
    row = reader.approval("i1", number).value
    assert (row.state, row.whose, row.claimant, row.owner) == ("claimed", "dee", "dee", "ann")
    assert (row.due, row.priority, bytes(row.input), row.outcomes) == (
        900,
        70,
        b'{"a":1}',
        ["pay", "refuse"],
    )
    assert row.documents == [photo]
    assert [(one.author, one.text, one.time) for one in row.comments] == [("eve", "why?", 120)]
    assert (row.created_at, row.updated_at, row.ended_at) == (100, 150, None)
    assert reader.approval("i1", 99).value is None
    assert reader.approval("i1", number, "acme").value is None


@pytest.mark.parametrize(
    ("body", "state", "whose"),
    [
        (e.ApprovalReleased(2, "decide", "ann"), "open", ""),
        (e.ApprovalReleased(2, "decide", "ann", "bob"), "claimed", "bob"),
        (e.ApprovalAssigned(2, "decide", "eve", [], []), "open", "eve"),
        (e.ApprovalEscalated(2, "decide", 1, 5), "claimed", "ann"),
        (e.ApprovalEscalated(2, "decide", 1, 5, 0, True, "eve", [], []), "open", "eve"),
        (e.ApprovalCompleted(2, "decide", "pay", b'{"n":1}', "ann"), "completed", "ann"),
        (e.ApprovalCancelled(2, "decide", "enough"), "cancelled", "ann"),
    ],
)
def test_what_becomes_of_a_claim(projection, written, reader, body, state, whose):
    asked(written)
    written.add(e.ApprovalClaimed(2, "decide", "ann"))
    projection.apply(written.events, {})
    written.add(body, time=999)
    projection.apply(written.events[3:], {})
    row = reader.approval("i1", 2).value
    assert (row.state, row.whose) == (state, whose)
    assert (row.ended_at == 999) is (state in ("completed", "cancelled"))


def test_the_work_list_is_of_who_has_it_or_may_claim_it(projection, written, reader):
    asked(written, "shared")
    asked(written, "theirs", candidate_users=["annabel"], candidate_groups=["Staff", "st%ff"])
    asked(written, "mine", assignee="ann", candidate_users=[], candidate_groups=[], priority=90)
    asked(written, "taken", due=500)
    written.add(e.ApprovalClaimed(2, "decide", "bob"), "taken")
    asked(written, "over", assignee="ann")
    written.add(e.ApprovalCancelled(2, "decide", "x"), "over")
    projection.apply(written.events, {})

    def listed(**wanted):
        return [row.instance for row in reader.approvals(Wanted(**wanted)).value]

    assert listed() == ["mine", "taken", "shared", "theirs"]
    assert listed(person="ann") == ["mine", "shared"]
    assert listed(person="bob") == ["taken"]
    assert listed(person="annabel") == ["theirs"]
    assert listed(groups=("staff",)) == ["shared"]
    assert listed(groups=("Staff", "staff")) == ["shared", "theirs"]
    assert listed(states=("open",), person="ann", groups=("Staff",)) == [
        "mine",
        "shared",
        "theirs",
    ]
    assert listed(states=STATES, instance="over") == ["over"]
    assert (listed(due_before=501), listed(due_before=500)) == (["taken"], [])
    assert listed(tenant="acme") == []
    assert [row.instance for row in reader.approvals(Wanted(), 1).value] == ["mine"]


def test_what_has_no_beginning_is_refused(projection, written):
    written.add(WorkflowStarted("refund", "1.0.0", {}))
    written.add(e.ApprovalClaimed(2, "decide", "ann"))
    with pytest.raises(PoisonEventError, match="not in the view"):
        projection.apply(written.events, {})
