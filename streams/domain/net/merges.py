"""Variables whose parallel writes merge: which node writes which of them, and how."""

from __future__ import annotations

from typing import Any, Final

from streams.domain.net.approval import Approval
from streams.domain.net.model import Activity, Call, Catch, Definition, Node, Scope, WithOutput
from streams.domain.net.problem import Problems, StructureProblem
from streams.domain.net.repeat import Each
from streams.domain.net.scopes import scopes_around

LAST_WRITER: Final = "last_writer"
TYPES: Final = {"counter": "integer", "add_wins_set": "list"}
"""What a variable with a policy holds."""


def merges_of(definition: Definition) -> dict[str, dict[str, str]]:
    """Return policies by variable of each node that writes such variables."""
    if not any(holder.merges for holder in _holders(definition)):
        return {}
    found: dict[str, dict[str, str]] = {}
    for node in definition.nodes.values():
        if isinstance(node.kind, WithOutput):
            names = dict.fromkeys(path.partition(".")[0] for path in node.kind.output)
            policies = {name: policy_of(definition, node.scope, name) for name in names}
            merging = {name: policy for name, policy in policies.items() if policy in TYPES}
            if merging:
                found[node.id] = merging
    return found


def _holders(definition: Definition) -> list[Definition | Scope]:
    kinds = [node.kind for node in definition.nodes.values()]
    return [definition, *(kind for kind in kinds if isinstance(kind, Scope))]


def policy_of(definition: Definition, scope: str, name: str) -> str:
    """Return the policy of a variable as nodes of a scope see it: the nearest one's."""
    for around in scopes_around(definition, scope):
        kind = definition.nodes[around].kind
        if isinstance(kind, Scope) and (name in kind.variables or name in kind.input):
            return kind.merges.get(name, LAST_WRITER)
    return definition.merges.get(name, LAST_WRITER)


def merge_problems(definition: Definition) -> Problems:
    """Return policies of variables of another type, and writes of parts of what merges."""
    found = _types((), definition)
    for node in definition.nodes.values():
        if isinstance(node.kind, Scope):
            found.extend(_types(("nodes", node.id), node.kind))
        found.extend(_writes(definition, node))
    return found


def _types(where: tuple[str | int, ...], holder: Definition | Scope) -> Problems:
    found = []
    for name, policy in holder.merges.items():
        wanted = TYPES.get(policy)
        if wanted is not None and holder.variables[name] not in {wanted, "any"}:
            message = f"a variable that merges as {policy} is of type {wanted}: {name} is not"
            found.append(StructureProblem((*where, "variables", name), message))
    return found


def _writes(definition: Definition, node: Node) -> Problems:
    """Only an output mapping writes what merges, and writes it whole: it says what was changed."""
    where, kind = ("nodes", node.id), node.kind
    paths: dict[str, Any] = dict(kind.output) if isinstance(kind, WithOutput) else {}
    found = [
        StructureProblem((*where, "output", path), f"{name} merges: write it whole, not {path}")
        for path in paths
        for name in [path.partition(".")[0]]
        if "." in path and policy_of(definition, node.scope, name) in TYPES
    ]
    each = node.repeat
    into = each.collect.into.partition(".")[0] if isinstance(each, Each) and each.collect else ""
    if into and policy_of(definition, node.scope, into) in TYPES:
        message = f"{into} merges: a list is collected into a variable that does not"
        found.append(StructureProblem((*where, "each"), message))
    result = _result(kind)
    if result and policy_of(definition, node.scope, result) in TYPES:
        message = f"{result} merges: write it under `output`, and name another as result_path"
        found.append(StructureProblem(where, message))
    return found


def _result(kind: object) -> str:
    """Return the variable that takes a result as it is."""
    if isinstance(kind, Activity | Approval | Call):
        return (kind.result_path or "result").partition(".")[0]
    return kind.result_path.partition(".")[0] if isinstance(kind, Catch) else ""
