"""From the checked shape to the model."""

from __future__ import annotations

from streams.domain.net.model import (
    Definition,
    Flow,
    Node,
    Property,
)
from streams.forms import build_wait as build_wait  # noqa: PLC0414 - registers its kind
from streams.forms.build_kinds import kind_of
from streams.forms.build_parts import expressions, merges, recovery, retry, schemas, variables
from streams.forms.repeat import repeat_of
from streams.forms.shape import DefinitionShape, FlowShape, PropertyShape, parse_version
from streams.forms.shape_base import NodeShape


def build(shape: DefinitionShape) -> Definition:
    """Return the model of a checked shape."""
    return Definition(
        shape.id,
        parse_version(shape.version),
        {name: _node(name, node) for name, node in shape.nodes.items()},
        _flows(shape.flows),
        shape.name,
        shape.metadata,
        *variables(shape.variables),
        expressions(shape.result),
        retry(shape.retry),
        list(map(_property, shape.properties)),
        recovery(shape.on_failure),
        schemas(shape.variables),
        shape.input_schema,
        shape.result_schema,
        merges(shape.variables),
    )


def _property(shape: PropertyShape) -> Property:
    if shape.always:
        return Property("always", shape.after, shape.always)
    if shape.before:
        return Property("before", shape.never, shape.before)
    return Property("after", shape.never, shape.after)


def _node(name: str, shape: NodeShape) -> Node:
    repeat = repeat_of(shape)
    return Node(name, kind_of(shape), shape.name, shape.metadata, shape.scope, repeat)


def _flows(shapes: list[FlowShape]) -> dict[str, Flow]:
    flows: dict[str, Flow] = {}
    for shape in shapes:
        name = shape.id or f"{shape.source}->{shape.target}"
        number = 2
        while name in flows:
            name = f"{shape.source}->{shape.target}#{number}"
            number += 1
        flows[name] = Flow(
            name, shape.source, shape.target, shape.condition, shape.weight, shape.default
        )
    return flows
