"""From the checked shape to the model."""

from __future__ import annotations

from typing import Any, Final

from streams.domain.net.model import (
    Activity,
    Boundary,
    Call,
    Catch,
    Channelled,
    Definition,
    End,
    ErrorTrigger,
    EventGateway,
    ExclusiveGateway,
    Expression,
    Failure,
    Flow,
    InclusiveGateway,
    MessageTrigger,
    Node,
    NodeKind,
    ParallelGateway,
    PartialJoin,
    Property,
    Recovery,
    Retry,
    Scope,
    SignalTrigger,
    Start,
    Throw,
    Timer,
    TimerTrigger,
    Trigger,
)
from streams.forms.shape import (
    ActivityShape,
    BoundaryShape,
    CallShape,
    CatchShape,
    ChannelShape,
    DefinitionShape,
    EndShape,
    EventGatewayShape,
    ExclusiveShape,
    FlowShape,
    InclusiveShape,
    JoinShape,
    NodeShape,
    ParallelShape,
    PropertyShape,
    RecoveryShape,
    RetryShape,
    ScopeShape,
    StartShape,
    ThrowShape,
    TimerShape,
    VariableShape,
    parse_version,
)

_Plain = Start | ExclusiveGateway | ParallelGateway | InclusiveGateway | EventGateway
_PLAIN: dict[type[NodeShape], type[_Plain]] = {
    StartShape: Start,
    EventGatewayShape: EventGateway,
    ExclusiveShape: ExclusiveGateway,
    ParallelShape: ParallelGateway,
    InclusiveShape: InclusiveGateway,
}


ANY_ERROR: Final = "*"
"""What an author writes for every error code."""


def build(shape: DefinitionShape) -> Definition:
    """Return the model of a checked shape."""
    return Definition(
        shape.id,
        parse_version(shape.version),
        {name: _node(name, node) for name, node in shape.nodes.items()},
        _flows(shape.flows),
        shape.name,
        shape.metadata,
        *_variables(shape.variables),
        _expressions(shape.result),
        _retry(shape.retry),
        list(map(_property, shape.properties)),
        _recovery(shape.on_failure),
    )


def _property(shape: PropertyShape) -> Property:
    if shape.always:
        return Property("always", shape.after, shape.always)
    if shape.before:
        return Property("before", shape.never, shape.before)
    return Property("after", shape.never, shape.after)


def _variables(shapes: dict[str, VariableShape]) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the types of variables, and the defaults of those that have one."""
    types: dict[str, str] = {name: shape.type for name, shape in shapes.items()}
    return types, {name: s.default for name, s in shapes.items() if s.default is not None}


def _optional(value: Any) -> Expression | None:
    return None if value is None else Expression(value)


def _expressions(values: dict[str, Any]) -> dict[str, Expression]:
    return {name: Expression(value) for name, value in values.items()}


def _retry(shape: RetryShape) -> Retry:
    return Retry(
        shape.max_attempts, shape.initial_delay, float(shape.backoff_factor), shape.max_delay
    )


def _recovery(shape: RecoveryShape | None) -> Recovery | None:
    if shape is None:
        return None
    return Recovery(shape.strategy, shape.notification_recipients, shape.compensation_activity)


def _node(name: str, shape: NodeShape) -> Node:
    return Node(name, _kind(shape), shape.name, shape.metadata, shape.scope)


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
            _recovery(shape.on_failure),
        )
    if isinstance(shape, JoinShape):
        return PartialJoin(shape.count)
    if isinstance(shape, TimerShape):
        duration, date = _optional(shape.duration), _optional(shape.date)
        return Timer(duration, date, _expressions(shape.output))
    if isinstance(shape, EndShape):
        thrown = shape.error
        error = Failure(thrown.code, Expression(thrown.message)) if thrown else None
        return End(error, shape.terminate)
    return _compound(shape)


def _compound(shape: NodeShape) -> NodeKind:
    """Return kinds that other nodes belong to, or that belong to other nodes."""
    if isinstance(shape, ScopeShape):
        types, defaults = _variables(shape.variables)
        return Scope(types, defaults, _expressions(shape.input), _expressions(shape.output))
    if isinstance(shape, BoundaryShape):
        return Boundary(
            shape.host,
            _trigger(shape),
            shape.interrupting,
            _expressions(shape.output),
            shape.fallback,
        )
    if isinstance(shape, CatchShape):
        return Catch(_channelled(shape), shape.result_path, _expressions(shape.output))
    if isinstance(shape, ThrowShape):
        return Throw(_channelled(shape), Expression(shape.payload), shape.ttl)
    assert isinstance(shape, CallShape)
    return Call(
        shape.definition,
        shape.version,
        _expressions(shape.input),
        shape.result_path,
        _expressions(shape.output),
        shape.placement == "spread",
        _recovery(shape.on_failure),
    )


def _trigger(shape: BoundaryShape) -> Trigger:
    if shape.error is not None:
        return ErrorTrigger(shape.error.removeprefix(ANY_ERROR))
    if shape.message is not None or shape.signal is not None:
        return _channelled(shape)
    return TimerTrigger(_optional(shape.duration), _optional(shape.date))


def _channelled(shape: BoundaryShape | ChannelShape) -> Channelled:
    if shape.message is not None:
        return MessageTrigger(shape.message, Expression(shape.key))
    assert shape.signal is not None
    return SignalTrigger(shape.signal)


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
