"""Each kind of node from its shape; a new kind registers its own function."""

from __future__ import annotations

from functools import singledispatch
from typing import Final

from streams.domain.net.condition import ConditionTrigger
from streams.domain.net.device import DeviceTrigger
from streams.domain.net.escalation import EscalationTrigger
from streams.domain.net.model import (
    Activity,
    Boundary,
    Call,
    Catch,
    Caught,
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
    Started,
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
from streams.forms.lock import locking
from streams.forms.shape_approval import ApprovalShape
from streams.forms.shape_base import NodeShape
from streams.forms.shape_device import TESTS, DeviceKeys
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
        lock=locking(shape.lock),
    )


kind_of.register(ApprovalShape, build_approval)


@kind_of.register
def _(shape: StartShape) -> NodeKind:
    waits: Started | None = thrown(shape)
    if shape.has_timer():
        waits = TimerTrigger(*moment(shape))
    elif shape.message is not None or shape.signal is not None:
        waits = channelled(shape)
    elif shape.device is not None:
        waits = device(shape)
    elif shape.condition is not None:
        waits = ConditionTrigger(shape.condition)
    output = expressions(shape.output)
    path, missed = shape.result_path, shape.missed
    return Start(waits, path, output, missed, shape.interrupting, shape.single)


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
    return End(error, shape.terminate, shape.escalation)


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
        lock=locking(shape.lock),
        event=shape.event,
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
    if shape.escalation is not None:
        return Throw(EscalationTrigger(shape.escalation), Expression(shape.payload))
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
        None if shape.retry is None else retry(shape.retry),
        locking(shape.lock),
    )


def trigger(shape: BoundaryShape) -> Trigger:
    """Return what a boundary event waits for."""
    caught_here = thrown(shape)
    if caught_here is not None:
        return caught_here
    if (
        isinstance(shape.message or shape.signal or shape.condition, str)
        or shape.device is not None
    ):
        return caught(shape)
    return TimerTrigger(*moment(shape), each=shape.missed == "each")


def thrown(shape: BoundaryShape | StartShape) -> ErrorTrigger | EscalationTrigger | None:
    """Return an error or an escalation that is taken."""
    if shape.error is not None:
        return ErrorTrigger(shape.error.removeprefix(ANY_ERROR))
    if shape.escalation is not None:
        return EscalationTrigger(shape.escalation.removeprefix(ANY_ERROR))
    return None


def moment(shape: MomentShape) -> Moment:
    """Return duration, date, cycle, cron and zone of a timer, as far as they are given."""
    duration, date, cycle = map(optional, (shape.duration, shape.date, shape.cycle))
    return duration, date, cycle, optional(shape.cron), optional(shape.zone)


def caught(shape: BoundaryShape | CatchShape) -> Caught:
    """Return a message, a signal, a condition or a device, whose condition is its own."""
    if shape.device is not None:
        return device(shape)
    if shape.condition is not None:
        return ConditionTrigger(shape.condition)
    return channelled(shape)


def device(shape: DeviceKeys) -> DeviceTrigger:
    """Return what of a device is waited for."""
    silent = shape.silent is not None
    test = next((key for key in TESTS if getattr(shape, key) is not None), "")
    bound = None if test in {"", "condition"} else Expression(getattr(shape, test))
    return DeviceTrigger(
        Expression(shape.device),
        shape.metric,
        shape.event_type,
        "silent" if silent else test,
        bound,
        shape.condition or "",
        optional(shape.silent if silent else shape.hold),
        shape.initial,
    )


def channelled(shape: BoundaryShape | ChannelShape | StartShape) -> Channelled:
    """Return a message or a signal."""
    if shape.message is not None:
        return MessageTrigger(shape.message, Expression(getattr(shape, "key", "")))
    assert shape.signal is not None
    return SignalTrigger(shape.signal)
