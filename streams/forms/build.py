"""From the checked shape to the model."""

from __future__ import annotations

from typing import Any

from streams.domain.net.model import (
    Activity,
    Call,
    Definition,
    End,
    ExclusiveGateway,
    Expression,
    Flow,
    InclusiveGateway,
    Node,
    NodeKind,
    ParallelGateway,
    PartialJoin,
    Retry,
    Start,
    Timer,
)
from streams.forms.shape import (
    ActivityShape,
    CallShape,
    DefinitionShape,
    EndShape,
    ExclusiveShape,
    FlowShape,
    InclusiveShape,
    JoinShape,
    NodeShape,
    ParallelShape,
    RetryShape,
    StartShape,
    TimerShape,
    parse_version,
)

_PLAIN: dict[
    type[NodeShape], type[Start | End | ExclusiveGateway | ParallelGateway | InclusiveGateway]
] = {
    StartShape: Start,
    EndShape: End,
    ExclusiveShape: ExclusiveGateway,
    ParallelShape: ParallelGateway,
    InclusiveShape: InclusiveGateway,
}


def build(shape: DefinitionShape) -> Definition:
    """Return the model of a checked shape."""
    return Definition(
        shape.id,
        parse_version(shape.version),
        {name: _node(name, node) for name, node in shape.nodes.items()},
        _flows(shape.flows),
        shape.name,
        shape.metadata,
        {name: variable.type for name, variable in shape.variables.items()},
        {
            name: variable.default
            for name, variable in shape.variables.items()
            if variable.default is not None
        },
        _expressions(shape.result),
        _retry(shape.retry),
    )


def _expressions(values: dict[str, Any]) -> dict[str, Expression]:
    return {name: Expression(value) for name, value in values.items()}


def _retry(shape: RetryShape) -> Retry:
    return Retry(
        shape.max_attempts, shape.initial_delay, float(shape.backoff_factor), shape.max_delay
    )


def _node(name: str, shape: NodeShape) -> Node:
    return Node(name, _kind(shape), shape.name, shape.metadata)


def _kind(shape: NodeShape) -> NodeKind:
    plain = _PLAIN.get(type(shape))
    if plain is not None:
        return plain()
    if isinstance(shape, ActivityShape):
        retry = None if shape.retry is None else _retry(shape.retry)
        return Activity(
            shape.activity_type,
            shape.queue,
            Expression(shape.input),
            shape.reads,
            shape.result_path,
            _expressions(shape.output),
            shape.schedule_to_start,
            shape.start_to_close,
            shape.heartbeat,
            retry,
        )
    if isinstance(shape, JoinShape):
        return PartialJoin(shape.count)
    if isinstance(shape, TimerShape):
        duration = None if shape.duration is None else Expression(shape.duration)
        date = None if shape.date is None else Expression(shape.date)
        return Timer(duration, date, _expressions(shape.output))
    assert isinstance(shape, CallShape)
    return Call(
        shape.definition,
        shape.version,
        _expressions(shape.input),
        shape.result_path,
        _expressions(shape.output),
        shape.placement == "spread",
    )


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
