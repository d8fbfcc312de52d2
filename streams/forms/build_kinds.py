"""Each kind of node from its shape; a new kind registers its own function."""

from __future__ import annotations

from functools import singledispatch
from typing import Final

from streams.domain.net.condition import ConditionTrigger
from streams.domain.net.model import (
    Activity,
    Boundary,
    Call,
    Catch,
    Channelled,
    Compensate,
    End,
    ErrorTrigger,
    EventGateway,
    ExclusiveGateway,
    Expression,
    Failure,
    InclusiveGateway,
    MessageTrigger,
    NodeKind,
    ParallelGateway,
    PartialJoin,
    Scope,
    SignalTrigger,
    Start,
    Throw,
    Timer,
    TimerTrigger,
    Trigger,
)
from streams.forms.approval import build_approval
from streams.forms.build_parts import (
    expressions,
    merges,
    optional,
    recovery,
    retry,
    schemas,
    variables,
)
from streams.forms.shape_approval import ApprovalShape
from streams.forms.shape_base import NodeShape
from streams.forms.shape_events import (
    BoundaryShape,
    CatchShape,
    ChannelShape,
    EventGatewayShape,
    MomentShape,
    ThrowShape,
    TimerShape,
)
from streams.forms.shape_nodes import (
    ActivityShape,
    CallShape,
    EndShape,
    ExclusiveShape,
    InclusiveShape,
    JoinShape,
    ParallelShape,
    ScopeShape,
)
from streams.forms.shape_starts import StartShape

ANY_ERROR: Final = "*"
"""What an author writes for every error code."""

ALL: Final = "*"
"""What an author writes for all that can be undone."""

_Given = Expression | None
Moment = tuple[_Given, _Given, _Given, _Given, _Given]
"""Duration, date, cycle, cron and zone of a timer."""
_Plain = ExclusiveGateway | ParallelGateway | InclusiveGateway | EventGateway
_PLAIN: dict[type[NodeShape], type[_Plain]] = {
    EventGatewayShape: EventGateway,
    ExclusiveShape: ExclusiveGateway,
    ParallelShape: ParallelGateway,
    InclusiveShape: InclusiveGateway,
}


@singledispatch
def kind_of(shape: NodeShape) -> NodeKind:
    """Return the kind of a node."""
    return _PLAIN[type(shape)]()


@kind_of.register
def _(shape: ActivityShape) -> NodeKind:
    return Activity(
        shape.activity_type,
        shape.queue,
        Expression(shape.input),
        shape.reads,
        shape.result_path,
        expressions(shape.output),
        shape.schedule_to_start,
        shape.start_to_close,
        shape.heartbeat,
        None if shape.retry is None else retry(shape.retry),
        recovery(shape.on_failure),
        shape.compensate_with,
        output_schema=shape.output_schema,
    )


kind_of.register(ApprovalShape, build_approval)


@kind_of.register
def _(shape: StartShape) -> NodeKind:
    plain = shape.message is None and shape.signal is None
    return Start(None if plain else channelled(shape), shape.result_path, expressions(shape.output))


@kind_of.register
def _(shape: JoinShape) -> NodeKind:
    return PartialJoin(shape.count)


@kind_of.register
def _(shape: TimerShape) -> NodeKind:
    duration, date, *rest = moment(shape)
    return Timer(duration, date, expressions(shape.output), *rest)


@kind_of.register
def _(shape: EndShape) -> NodeKind:
    thrown = shape.error
    error = Failure(thrown.code, Expression(thrown.message)) if thrown else None
    return End(error, shape.terminate)


@kind_of.register
def _(shape: ScopeShape) -> NodeKind:
    types, defaults = variables(shape.variables)
    return Scope(
        types,
        defaults,
        expressions(shape.input),
        expressions(shape.output),
        shape.compensate_with,
        schemas=schemas(shape.variables),
        merges=merges(shape.variables),
    )


@kind_of.register
def _(shape: BoundaryShape) -> NodeKind:
    return Boundary(
        shape.host,
        trigger(shape),
        shape.interrupting,
        expressions(shape.output),
        shape.fallback,
    )


@kind_of.register
def _(shape: CatchShape) -> NodeKind:
    return Catch(caught(shape), shape.result_path, expressions(shape.output))


@kind_of.register
def _(shape: ThrowShape) -> NodeKind:
    if shape.compensate is not None:
        return Compensate(shape.compensate.removeprefix(ALL))
    return Throw(channelled(shape), Expression(shape.payload), shape.ttl)


@kind_of.register
def _(shape: CallShape) -> NodeKind:
    return Call(
        shape.definition,
        shape.version,
        expressions(shape.input),
        shape.result_path,
        expressions(shape.output),
        shape.placement == "spread",
        recovery(shape.on_failure),
        shape.compensate_with,
    )


def trigger(shape: BoundaryShape) -> Trigger:
    """Return what a boundary event waits for."""
    if shape.error is not None:
        return ErrorTrigger(shape.error.removeprefix(ANY_ERROR))
    if shape.message is not None or shape.signal is not None or shape.condition is not None:
        return caught(shape)
    return TimerTrigger(*moment(shape), each=shape.missed == "each")


def moment(shape: MomentShape) -> Moment:
    """Return duration, date, cycle, cron and zone of a timer, as far as they are given."""
    duration, date, cycle = map(optional, (shape.duration, shape.date, shape.cycle))
    return duration, date, cycle, optional(shape.cron), optional(shape.zone)


def caught(shape: BoundaryShape | CatchShape) -> Channelled | ConditionTrigger:
    """Return a message, a signal or a condition."""
    if shape.condition is not None:
        return ConditionTrigger(shape.condition)
    return channelled(shape)


def channelled(shape: BoundaryShape | ChannelShape | StartShape) -> Channelled:
    """Return a message or a signal."""
    if shape.message is not None:
        return MessageTrigger(shape.message, Expression(getattr(shape, "key", "")))
    assert shape.signal is not None
    return SignalTrigger(shape.signal)
