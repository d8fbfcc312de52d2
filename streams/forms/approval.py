"""Approvals: from the shape to the model, and back."""

from __future__ import annotations

from typing import Any

from streams.domain.net.approval import OUTCOMES, Approval, Escalation
from streams.domain.net.expression import Expression
from streams.forms.build_parts import expressions, optional
from streams.forms.lock import locking, plain_lock
from streams.forms.shape_approval import ApprovalShape, EscalationShape
from streams.forms.write_parts import given, seconds, source, sources


def build_approval(shape: ApprovalShape) -> Approval:
    """Return the kind of a shape."""
    return Approval(
        Expression(shape.assignee),
        Expression(shape.candidate_users),
        Expression(shape.candidate_groups),
        Expression(shape.title),
        Expression(shape.description),
        Expression(shape.priority),
        optional(shape.due),
        list(map(_escalation, shape.escalation)),
        Expression(shape.input),
        Expression(shape.documents),
        shape.form,
        shape.outcomes,
        shape.result_path,
        expressions(shape.output),
        shape.compensate_with,
        locking(shape.lock),
    )


def _escalation(shape: EscalationShape) -> Escalation:
    return Escalation(
        shape.after,
        optional(shape.assignee),
        optional(shape.candidate_users),
        optional(shape.candidate_groups),
        Expression(shape.notify),
    )


def write_approval(kind: Approval) -> dict[str, Any]:
    """Return a kind's type and keys."""
    return {
        "type": "approval",
        **given(
            assignee=kind.assignee.source,
            candidate_users=kind.candidate_users.source,
            candidate_groups=kind.candidate_groups.source,
            title=kind.title.source,
            description=kind.description.source,
            priority=None if kind.priority == Approval().priority else kind.priority.source,
            due=source(kind.due),
            escalation=list(map(_written, kind.escalations)),
            input=kind.input.source,
            documents=kind.documents.source,
            outcomes=None if kind.outcomes == list(OUTCOMES) else kind.outcomes,
            result_path=kind.result_path,
            output=sources(kind.output),
            compensate_with=kind.compensate_with,
            lock=plain_lock(kind.lock),
        ),
        # An empty schema is a form too: any value fits it.
        **({} if kind.form is None else {"form": kind.form}),
    }


def _written(step: Escalation) -> dict[str, Any]:
    whose = ("assignee", "candidate_users", "candidate_groups")
    named = {name: source(getattr(step, name)) for name in whose}
    return {
        **given(after=seconds(step.after_ms), notify=step.notify.source),
        **{name: value for name, value in named.items() if value is not None},
    }
