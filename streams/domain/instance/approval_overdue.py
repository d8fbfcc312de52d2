"""Nobody has decided in time: it becomes somebody else's, and people are told."""

from __future__ import annotations

from typing import Any

from schemas.approval_events import ApprovalEscalated
from schemas.json_text import canonical
from streams.domain.expressions.cel import ExpressionError
from streams.domain.instance.approval_people import names_of, whose_of
from streams.domain.instance.enter import incident
from streams.domain.instance.notify import notify_overdue
from streams.domain.instance.places import scope_of
from streams.domain.instance.state_approval import OpenApproval
from streams.domain.instance.variables import seen_from
from streams.domain.instance.work import Work
from streams.domain.net.approval import Approval, Escalation


def escalate(work: Work, key: int) -> None:
    """Do what the author says of this moment, as it can be computed now.

    What cannot leaves the approval whose it was, with an incident: an operator assigns it.
    """
    one = work.state.approvals[key]
    kind = work.graph.nodes[one.node].kind
    assert isinstance(kind, Approval)
    step, level = kind.escalations[one.level], one.level + 1
    following = one.due + kind.escalations[level].after_ms if level < len(kind.escalations) else 0
    facts = (key, one.node, level, one.escalate_at, following)
    try:
        escalated, recipients = _computed(work, one, step, facts)
    except (ExpressionError, ValueError) as error:
        work.emit(ApprovalEscalated(*facts))
        _cannot(work, key, one, error)
        return
    work.emit(escalated)
    notify_overdue(work, key, recipients)


def _computed(
    work: Work, one: OpenApproval, step: Escalation, facts: tuple[int, str, int, int, int]
) -> tuple[ApprovalEscalated, list[str]]:
    values = work.graph.approvals[one.node].values
    seen = seen_from(work.state, scope_of(work.state.tokens[one.token]))

    def value(name: str) -> Any:
        given = values.get(("escalation", one.level, name))
        return None if given is None else given.evaluate(seen)

    recipients = names_of(value("notify"), "notify")
    if not step.reassigns:
        return ApprovalEscalated(*facts), recipients
    return ApprovalEscalated(*facts, True, *whose_of(value)), recipients  # noqa: FBT003 - a field


def _cannot(work: Work, key: int, one: OpenApproval, error: Exception) -> None:
    """Raise an incident that holds nothing up: the approval is open as before."""
    message = (
        f"escalation {one.level + 1} of {one.node} cannot be computed: {error}: assign approval "
        f"{key} by hand, then retry this incident, which closes it"
    )
    if isinstance(error, ExpressionError):
        seen = canonical(error.values)
        incident(work, one.node, 0, "expression_failed", message, error.source, seen)
        return
    incident(work, one.node, 0, "InvalidInput", message)
