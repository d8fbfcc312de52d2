"""The JSON Schemas of a definition: where they stand, and compiled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

from streams.domain.expressions.json_schema import JsonSchema, SchemaError
from streams.domain.net.model import Activity, Definition, Scope
from streams.domain.net.problem import PROBLEMS_MAX, Problems, StructureProblem

OF_MERGING: Final = {
    "counter": {"type": ["integer", "null"]},
    "add_wins_set": {"type": ["array", "null"]},
}
"""What a variable that merges may hold, where it has no schema of its own."""
SHOWN_MAX: Final = 3
"""Faults of one value that a message tells."""
Where = tuple[str | int, ...]


class _Variable(NamedTuple):
    """A declared variable that has a schema."""

    scope: str
    name: str
    where: Where
    schema: Any
    default: Any


class Schemas(msgspec.Struct, frozen=True, gc=False):
    """The compiled schemas of one definition version."""

    variables: dict[str, dict[str, JsonSchema]]
    """By scope node, the workflow itself under the empty name; then by variable."""
    outputs: dict[str, JsonSchema]
    """Of what workers return, by activity node."""
    input: JsonSchema | None
    result: JsonSchema | None


def schemas_of(definition: Definition) -> Schemas | None:
    """Compile a definition's schemas; None where it has none."""
    variables: dict[str, dict[str, JsonSchema]] = {}
    for one in _variables(definition):
        variables.setdefault(one.scope, {})[one.name] = JsonSchema(one.schema)
    outputs = {node: JsonSchema(schema) for node, schema in _outputs(definition)}
    whole = [
        None if schema is None else JsonSchema(schema)
        for schema in (definition.input_schema, definition.result_schema)
    ]
    if not variables and not outputs and whole == [None, None]:
        return None
    return Schemas(variables, outputs, *whole)


def _holders(definition: Definition) -> Iterator[tuple[str, Where, Definition | Scope]]:
    """Yield what declares variables: scope node, path, and itself."""
    yield "", (), definition
    for node in definition.nodes.values():
        if isinstance(node.kind, Scope):
            yield node.id, ("nodes", node.id), node.kind


def _variables(definition: Definition) -> Iterator[_Variable]:
    for scope, where, holder in _holders(definition):
        merging = {name: OF_MERGING[policy] for name, policy in holder.merges.items()}
        for name, schema in {**merging, **holder.schemas}.items():
            yield _Variable(
                scope, name, (*where, "variables", name), schema, holder.defaults.get(name)
            )


def _outputs(definition: Definition) -> Iterator[tuple[str, Any]]:
    for node in definition.nodes.values():
        if isinstance(node.kind, Activity) and node.kind.output_schema is not None:
            yield node.id, node.kind.output_schema


def schema_problems(definition: Definition) -> Problems:
    """Return what is no schema, and the defaults that do not satisfy their own."""
    found: Problems = []
    for one in _variables(definition):
        said = _problems(one.schema, (*one.where, "schema"))
        if not said and one.default is not None:
            faults = JsonSchema(one.schema).faults(one.default)[:1]
            where = (*one.where, "default")
            said = [StructureProblem(where, f"the default is refused: {f}") for f in faults]
        found.extend(said)
        if len(found) >= PROBLEMS_MAX:
            return found
    for node, schema in _outputs(definition):
        found.extend(_problems(schema, ("nodes", node, "output_schema")))
    found.extend(_problems(definition.input_schema, ("input_schema",)))
    found.extend(_problems(definition.result_schema, ("result_schema",)))
    return found


def _problems(schema: Any, where: Where) -> Problems:
    if schema is None:
        return []
    try:
        JsonSchema(schema)
    except SchemaError as error:
        return [StructureProblem((*where, *error.path), f"this is no usable JSON Schema: {error}")]
    return []


def said_of(schema: JsonSchema | None, value: Any) -> str:
    """Return what is wrong with a value, in one line; empty where nothing is."""
    faults = schema.faults(value) if schema is not None else []
    more = f" (and {len(faults) - SHOWN_MAX} more)" if len(faults) > SHOWN_MAX else ""
    return "; ".join(map(str, faults[:SHOWN_MAX])) + more
