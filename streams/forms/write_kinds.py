"""Each kind of node as it is written; a new kind registers its own function."""

from __future__ import annotations

from functools import singledispatch
from typing import Any, Final

from streams.domain.net.approval import Approval
from streams.domain.net.condition import ConditionTrigger
from streams.domain.net.device import DeviceTrigger
from streams.domain.net.escalation import EscalationTrigger
from streams.domain.net.model import (
    Activity,
    Boundary,
    Call,
    Catch,
    Compensate,
    End,
    ErrorTrigger,
    EventGateway,
    ExclusiveGateway,
    InclusiveGateway,
    MessageTrigger,
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
from streams.domain.net.timing import timing_of
from streams.forms.approval import write_approval
from streams.forms.build_kinds import ALL, ANY_ERROR
from streams.forms.lock import plain_lock
from streams.forms.write_parts import (
    given,
    recovery,
    retry,
    seconds,
    sources,
    there,
    variables,
)

_NAMES: Final = {
    EventGateway: "event_gateway",
    ExclusiveGateway: "exclusive",
    ParallelGateway: "parallel",
    InclusiveGateway: "inclusive",
}
"""Types of the kinds that have nothing else to say."""


@singledispatch
def written(kind: Any) -> dict[str, Any]:
    """Return a kind's type and keys."""
    return {"type": _NAMES[type(kind)]}


@written.register
def _(kind: Activity) -> dict[str, Any]:
    return {
        "type": "activity",
        "activity_type": kind.activity_type,
        "queue": kind.queue,
        "input": kind.input.source,
        **given(
            reads=kind.reads,
            result_path=kind.result_path,
            output=sources(kind.output),
            schedule_to_start=seconds(kind.schedule_to_start_ms),
            start_to_close=seconds(kind.start_to_close_ms),
            heartbeat=seconds(kind.heartbeat_ms),
            retry=None if kind.retry is None else retry(kind.retry),
            on_failure=recovery(kind.on_failure),
            compensate_with=kind.compensate_with,
            lock=plain_lock(kind.lock),
        ),
        **there(output_schema=kind.output_schema),
    }


written.register(Approval, write_approval)


@written.register
def _(kind: Start) -> dict[str, Any]:
    waits = {} if kind.trigger is None else trigger(kind.trigger)
    mapping = given(result_path=kind.result_path, output=sources(kind.output))
    missed = given(missed=kind.missed if kind.missed != "once" else None)
    missed |= given(interrupting=None if kind.interrupting else False, single=kind.single or None)
    return {"type": "start", **waits, **missed, **mapping}


@written.register
def _(kind: Timer) -> dict[str, Any]:
    return {"type": "timer", **moment(kind), **given(output=sources(kind.output))}


@written.register
def _(kind: Call) -> dict[str, Any]:
    return {
        "type": "call",
        "definition": kind.definition_id,
        **given(
            version=kind.version,
            input=sources(kind.input),
            result_path=kind.result_path,
            output=sources(kind.output),
            placement="spread" if kind.spread else None,
            retry=None if kind.retry is None else retry(kind.retry),
            on_failure=recovery(kind.on_failure),
            compensate_with=kind.compensate_with,
            lock=plain_lock(kind.lock),
        ),
    }


@written.register
def _(kind: PartialJoin) -> dict[str, Any]:
    return {"type": "join", "count": kind.count}


@written.register
def _(kind: End) -> dict[str, Any]:
    error = kind.error
    thrown = error and {"code": error.code, **given(message=error.message.source)}
    return {
        "type": "end",
        **given(error=thrown, terminate=kind.terminate or None, escalation=kind.escalation),
    }


@written.register
def _(kind: Catch) -> dict[str, Any]:
    mapping = given(result_path=kind.result_path, output=sources(kind.output))
    return {"type": "catch", **trigger(kind.trigger), **mapping}


@written.register
def _(kind: Throw) -> dict[str, Any]:
    ttl = seconds(kind.ttl_ms) if isinstance(kind.trigger, MessageTrigger) else None
    return {
        "type": "throw",
        **trigger(kind.trigger),
        **given(payload=kind.payload.source, ttl=ttl),
    }


@written.register
def _(kind: Compensate) -> dict[str, Any]:
    return {"type": "throw", "compensate": kind.node or ALL}


@written.register
def _(kind: Scope) -> dict[str, Any]:
    own = variables(kind)
    mappings = {"input": sources(kind.input), "output": sources(kind.output)}
    undo = kind.compensate_with
    rest = given(event=kind.event or None, lock=plain_lock(kind.lock), compensate_with=undo)
    return {"type": "scope", **given(variables=own, **mappings), **rest}


@written.register
def _(kind: Boundary) -> dict[str, Any]:
    return {
        "type": "boundary",
        "on": kind.host,
        **trigger(kind.trigger),
        **given(interrupting=None if kind.interrupting else False),
        **given(fallback=kind.fallback or None),
        **given(output=sources(kind.output)),
    }


def moment(kind: Timer | TimerTrigger) -> dict[str, Any]:
    """Return when a timer is due."""
    return {word: value.source for word, value in timing_of(kind).items()}


def device(kind: DeviceTrigger) -> dict[str, Any]:
    """Return what of a device is waited for."""
    tests = {kind.test: kind.bound.source} if kind.bound is not None else {}
    condition = f"${{{kind.condition}}}" if kind.condition else None
    lasts = "silent" if kind.test == "silent" else "for"
    duration = None if kind.duration is None else kind.duration.source
    return {
        "device": kind.device.source,
        **given(metric=kind.metric, event_type=kind.event_type),
        **tests,
        **given(condition=condition, **{lasts: duration}),
        **given(initial=kind.initial or None),
    }


def trigger(kind: Trigger) -> dict[str, Any]:
    """Return what an event waits for or throws."""
    if isinstance(kind, ErrorTrigger):
        return {"error": kind.code or ANY_ERROR}
    if isinstance(kind, MessageTrigger):
        return {"message": kind.message, **given(key=kind.key.source)}
    if isinstance(kind, SignalTrigger):
        return {"signal": kind.signal}
    if isinstance(kind, EscalationTrigger):
        return {"escalation": kind.code or ANY_ERROR}
    if isinstance(kind, ConditionTrigger):
        return {"condition": f"${{{kind.condition}}}"}
    if isinstance(kind, DeviceTrigger):
        return device(kind)
    return {**moment(kind), **given(missed="each" if kind.each else None)}
