"""Values and mappings of a definition: what cannot be compiled, moments that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator

from streams.domain.expressions.cel import CompileError
from streams.domain.expressions.values import compile_value
from streams.domain.net.approval import Approval, values_of
from streams.domain.net.condition import ConditionTrigger
from streams.domain.net.device import DeviceTrigger, device_values
from streams.domain.net.locking import locking_problems
from streams.domain.net.model import (
    Activity,
    Call,
    Definition,
    End,
    Expression,
    Host,
    MessageTrigger,
    Node,
    Scope,
    Throw,
    Wait,
    WithOutput,
)
from streams.domain.net.problem import PROBLEMS_MAX, Problems, StructureProblem
from streams.domain.net.scopes import declared_in, waits_in
from streams.domain.net.timing import timing_of, timing_problems
from streams.domain.net.validate_repeat import repeat_expressions
from streams.domain.net.validate_wait import wait_problems, wait_values

Where = tuple[str | int, ...]


def value_problems(definition: Definition) -> Problems:
    """Return the expressions that cannot be compiled, and the moments that cannot be read."""
    found: Problems = []
    for where, expression, scope in expressions_of(definition):
        if len(found) >= PROBLEMS_MAX:
            break
        try:
            compile_value(expression, declared_in(definition, scope))
        except CompileError as error:
            found.append(StructureProblem(where, str(error)))
    for node in definition.nodes.values():
        found.extend(timing_problems(node.id, node.kind))
        if isinstance(node.kind, Host):
            found.extend(locking_problems(("nodes", node.id), node.kind.lock))
        found.extend(wait_problems(node))
    return found


def expressions_of(definition: Definition) -> Iterator[tuple[Where, Expression, str]]:
    """Iterate over all mappings, each with its path in the source and the scope that it sees."""
    for name, expression in definition.result.items():
        yield ("result", name), expression, ""
    for node in definition.nodes.values():
        where = ("nodes", node.id)
        for path, expression in _of_node(node):
            inner = isinstance(node.kind, Scope) and path[0] == "output"
            own = node.scope if path[0] == "output" else waits_in(definition, node)
            yield (*where, *path), expression, node.id if inner else own
        for path, expression in (*_lock_values(node.kind), *repeat_expressions(node)):
            yield (*where, *path), expression, node.scope


def _lock_values(kind: object) -> Iterator[tuple[Where, Expression]]:
    """Iterate over what is computed of a section's lock."""
    if isinstance(kind, Host) and kind.lock is not None:
        yield from ((("lock", key), value) for key, value in kind.lock.values())


def _of_node(node: Node) -> Iterator[tuple[Where, Expression]]:
    kind = node.kind
    single: dict[str, Expression | None] = {**timing_of(kind)}
    if isinstance(kind, Activity):
        single = {"input": kind.input}
    elif isinstance(kind, Approval):
        yield from values_of(kind)
    elif isinstance(kind, Throw):
        single = {"payload": kind.payload}
    elif isinstance(kind, End) and kind.error is not None:
        single = {"error": kind.error.message}
    elif isinstance(kind, Wait):
        yield from wait_values(kind)
    elif isinstance(kind, Call | Scope):
        yield from ((("input", name), given) for name, given in kind.input.items())
    single |= _of_trigger(getattr(kind, "trigger", None))
    yield from (((name,), one) for name, one in single.items() if one is not None)
    if isinstance(kind, WithOutput):
        yield from ((("output", path), value) for path, value in kind.output.items())


def _of_trigger(trigger: object) -> dict[str, Expression | None]:
    if isinstance(trigger, MessageTrigger):
        return {"key": trigger.key}
    if isinstance(trigger, ConditionTrigger):
        return {"condition": Expression(f"${{{trigger.condition}}}")}
    if isinstance(trigger, DeviceTrigger):
        return {"hold" if word == "for" else word: v for word, v in device_values(trigger).items()}
    return {}
