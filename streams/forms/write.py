"""Writing a definition: the YAML that reads back as the same model."""

from __future__ import annotations

from typing import Any

import msgspec
import yaml

from streams.domain.net.model import (
    Definition,
    Flow,
    Node,
    Property,
    Retry,
    Scope,
)
from streams.forms.repeat import plain_repeat
from streams.forms.write_kinds import written
from streams.forms.write_parts import given, recovery, retry, sources, there, variables


def write_definition(definition: Definition) -> str:
    """Return the definition's source in YAML."""
    return yaml.safe_dump(plain_definition(definition), sort_keys=False, allow_unicode=True)


def definition_json(definition: Definition) -> bytes:
    """Return the definition's source in JSON."""
    return msgspec.json.encode(plain_definition(definition))


def plain_definition(definition: Definition) -> dict[str, Any]:
    """Return the definition's source as plain data."""
    return {
        "id": definition.id,
        "version": str(definition.version),
        **given(
            name=definition.name,
            metadata=definition.metadata,
            variables=variables(definition),
            retry=retry(definition.retry) if definition.retry != Retry() else None,
            on_failure=recovery(definition.on_failure),
            result=sources(definition.result),
        ),
        **there(input_schema=definition.input_schema, result_schema=definition.result_schema),
        "nodes": _nodes(definition, ""),
        "flows": [_flow(flow) for flow in definition.flows.values()],
        **given(properties=[_property(stated) for stated in definition.properties]),
    }


def _property(stated: Property) -> dict[str, str]:
    first = "after" if stated.kind == "always" else "never"
    return {first: stated.node, stated.kind: stated.other}


def _flow(flow: Flow) -> dict[str, Any]:
    return {
        "id": flow.id,
        "source": flow.source,
        "target": flow.target,
        **given(
            condition=flow.condition,
            weight=flow.weight if flow.weight != 1 else None,
            default=flow.default or None,
        ),
    }


def _nodes(definition: Definition, scope: str) -> dict[str, Any]:
    return {
        node.id: _node(definition, node)
        for node in definition.nodes.values()
        if node.scope == scope
    }


def _node(definition: Definition, node: Node) -> dict[str, Any]:
    plain = {**written(node.kind), **given(name=node.name, metadata=node.metadata)}
    plain |= plain_repeat(node.repeat)
    if isinstance(node.kind, Scope):
        plain["nodes"] = _nodes(definition, node.id)
    return plain
