"""What people are told of an approval that is overdue."""

from __future__ import annotations

from streams.domain.instance.state import OpenNotification
from streams.domain.instance.state_approval import OpenApproval
from streams.domain.instance.work import Work


def overdue_mail(work: Work, one: OpenNotification, approval: OpenApproval) -> dict[str, object]:
    """Return a mail's fields, and beside them the approval for whoever can link to it."""
    ctx, state = work.ctx, work.state
    name = ctx.aggregate_id
    groups = ", ".join(approval.candidate_groups)
    waits = approval.whose or ", ".join(approval.candidate_users) or f"the group {groups}"
    return {
        "notification_type": "email",
        "recipients": [one.recipient],
        "subject": f"Overdue: {approval.title}",
        "body_template": (
            f"The approval {approval.title!r} of workflow instance {name} "
            f"({state.definition_id} {state.definition_version}, node {approval.node}) has not "
            f"been decided in time. It waits for {waits}.\n"
        ),
        "approval": {
            "instance": name,
            "tenant": ctx.tenant,
            "approval": one.approval,
            "node": approval.node,
            "title": approval.title,
            "due": approval.due,
            "level": approval.level,
        },
    }
