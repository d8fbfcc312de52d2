"""The example of approvals does what its page says."""

from schemas.approval_commands import ClaimApproval, CompleteApproval
from schemas.registry import public_type as type_of
from streams.testing.steps import complete, fire, waiting
from tests.domain.test_reference import begun, value


def test_an_approval_is_claimed_and_decided_with_data_that_fit_its_form():
    spec = begun("approval", amount=12, clerk="bob").by("ann").given(ClaimApproval(2))
    spec.by("bob").when(CompleteApproval(2, "pay", b'{"sum":5}')).then_rejected("already_claimed")
    spec.when(CompleteApproval(2, "pay")).then_rejected("InvalidInput", "'sum' is a required")
    spec = spec.given(CompleteApproval(2, "pay", b'{"sum":5}'))
    assert (waiting(spec), value(spec, "sum")) == (["pay"], 5)
    assert value(spec, "decision")["completed_by"] == "ann"
    assert complete(spec, "pay").state.status == "Completed"


def test_an_approval_that_is_overdue_becomes_somebody_elses_and_ends_at_last():
    spec = fire(begun("approval", amount=12))
    assert spec.state.approvals[2].candidate_groups == ["managers"]
    assert [type_of(event) for event in spec.past[-2:]] == [
        "approval.escalated",
        "notification.requested",
    ]
    assert fire(fire(spec)).state.status == "Completed"
