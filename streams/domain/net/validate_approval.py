"""Approvals: whether somebody may decide, what they may say, and whether the form is one."""

from __future__ import annotations

from typing import Any, Final

from streams.domain.expressions.json_schema import JsonSchema, SchemaError
from streams.domain.expressions.moments import moment_ms
from streams.domain.net.approval import Approval, Escalation
from streams.domain.net.expression import Expression
from streams.domain.net.model import Definition
from streams.domain.net.problem import Problems, StructureProblem

OUTCOME_LENGTH_MAX: Final = 64
_NOBODY: Final[tuple[Any, ...]] = ("", [])


def approval_problems(definition: Definition) -> Problems:
    """Return what is wrong with the approvals of a definition."""
    found: Problems = []
    for node in definition.nodes.values():
        if isinstance(node.kind, Approval):
            found.extend(
                StructureProblem(("nodes", node.id, *path), message)
                for path, message in _wrong(node.kind)
            )
    return found


def _wrong(kind: Approval) -> list[tuple[tuple[str | int, ...], str]]:
    found: list[tuple[tuple[str | int, ...], str]] = []
    if all(one.source in _NOBODY for one in (kind.assignee, *_candidates(kind))):
        message = "nobody may decide: name an assignee, candidate_users or candidate_groups"
        found.append(((), message))
    found.extend((("outcomes",), text) for text in _of_outcomes(kind.outcomes))
    if kind.form is not None:
        try:
            JsonSchema(kind.form)
        except SchemaError as error:
            found.append((("form",), f"the form is no JSON Schema: {error}"))
    if kind.due is None and kind.escalations:
        found.append((("escalation",), "an escalation needs `due`: the time that it is after"))
    if kind.due is not None and not _is_computed(kind.due):
        try:
            moment_ms(kind.due.source, 0)
        except ValueError as error:
            found.append((("due",), str(error)))
    return found + _of_escalations(kind.escalations)


def _candidates(kind: Approval) -> tuple[Expression, Expression]:
    return kind.candidate_users, kind.candidate_groups


def _is_computed(value: Expression) -> bool:
    return isinstance(value.source, str) and "${" in value.source


def _of_outcomes(outcomes: list[str]) -> list[str]:
    if not outcomes:
        return ["at least one outcome is needed"]
    found = []
    if len(set(outcomes)) < len(outcomes):
        found.append("an outcome stands twice")
    if not all(0 < len(one) <= OUTCOME_LENGTH_MAX for one in outcomes):
        found.append(f"an outcome has 1 to {OUTCOME_LENGTH_MAX} characters")
    return found


def _of_escalations(steps: list[Escalation]) -> list[tuple[tuple[Any, ...], str]]:
    found: list[tuple[tuple[Any, ...], str]] = []
    before = -1
    for number, step in enumerate(steps):
        path = ("escalation", number)
        if step.after_ms <= before:
            message = "escalations stand in the order of their times: raise its `after`"
            found.append(((*path, "after"), message))
        before = step.after_ms
        if not step.reassigns and step.notify.source in _NOBODY:
            message = "say whose it becomes (assignee, candidate_users, candidate_groups) or notify"
            found.append((path, message))
    return found
