"""A token reaches an approval: a person is asked."""

from __future__ import annotations

from typing import Any

from schemas.approval_events import ApprovalRequested
from schemas.json_text import canonical
from streams.domain.expressions.moments import moment_ms
from streams.domain.instance.approval_people import documents_of, whose_of
from streams.domain.instance.limits import LimitError
from streams.domain.instance.merging import observe
from streams.domain.instance.sections import seen_at
from streams.domain.instance.work import Work
from streams.domain.net.approval import Approval


def request_approval(work: Work, node: str, kind: Approval, token: int, scope: int) -> None:
    """Ask; raises one of `enter.UNBEGUN` where a value cannot be computed or does not fit."""
    compiled, seen = work.graph.approvals[node], seen_at(work, node, token, scope)

    def value(name: str) -> Any:
        return compiled.values[name,].evaluate(seen)

    whose = whose_of(value)
    due = max(1, moment_ms(value("due"), work.ctx.now)) if kind.due is not None else 0
    work.emit(
        ApprovalRequested(
            node,
            token,
            _text(work, value("title"), "title") or work.graph.nodes[node].name or node,
            *whose,
            kind.outcomes,
            _text(work, value("description"), "description"),
            _priority(value("priority")),
            _input(work, node, canonical(value("input"))),
            canonical(kind.form),
            documents_of(value("documents")),
            due,
            due + kind.escalations[0].after_ms if due and kind.escalations else 0,
        )
    )
    observe(work, node, token, scope)


def _text(work: Work, value: Any, what: str) -> str:
    text = value if isinstance(value, str) else "" if value is None else canonical(value).decode()
    limit = work.ctx.limits.text
    if len(text) > limit:
        raise LimitError(f"the {what} has {len(text)} characters, the limit is {limit}")
    return text


def _priority(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        text = canonical(value).decode()[:80]
        raise ValueError(f"the priority is {text}: a number from 0 to 100 is needed")
    return round(value)


def _input(work: Work, node: str, given: bytes) -> bytes:
    limit = work.ctx.limits.variable
    if len(given) > limit:
        raise LimitError(
            f"the input of {node} has {len(given)} bytes, the limit is {limit} "
            "(variable_bytes_max): pass large data by reference, as documents"
        )
    return given
