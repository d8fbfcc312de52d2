"""Writing a definition: the YAML that reads back as the same model."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import yaml

from streams.domain.net.model import (
    Activity,
    Boundary,
    Call,
    Catch,
    Definition,
    End,
    ErrorTrigger,
    EventGateway,
    ExclusiveGateway,
    Expression,
    Flow,
    InclusiveGateway,
    MessageTrigger,
    Node,
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
from streams.forms.build import ANY_ERROR

_NAMES: Final = {
    Start: "start",
    EventGateway: "event_gateway",
    ExclusiveGateway: "exclusive",
    ParallelGateway: "parallel",
    InclusiveGateway: "inclusive",
}
"""Types of the kinds that have nothing else to say."""


def write_definition(definition: Definition) -> str:
    """Return the definition's source in YAML."""
    return yaml.safe_dump(plain_definition(definition), sort_keys=False, allow_unicode=True)


def definition_json(definition: Definition) -> bytes:
    """Return the definition's source in JSON."""
    return msgspec.json.encode(plain_definition(definition))


def plain_definition(definition: Definition) -> dict[str, Any]:
    """Return the definition's source as plain data."""
    variables = _variables(definition.variables, definition.defaults)
    return {
        "id": definition.id,
        "version": str(definition.version),
        **_given(
            name=definition.name,
            metadata=definition.metadata,
            variables=variables,
            retry=_retry(definition.retry) if definition.retry != Retry() else None,
            on_failure=_recovery(definition.on_failure),
            result=_sources(definition.result),
        ),
        "nodes": _nodes(definition, ""),
        "flows": [_flow(flow) for flow in definition.flows.values()],
        **_given(properties=[_property(stated) for stated in definition.properties]),
    }


def _property(stated: Property) -> dict[str, str]:
    first = "after" if stated.kind == "always" else "never"
    return {first: stated.node, stated.kind: stated.other}


def _given(**fields: Any) -> dict[str, Any]:
    """Keep the fields that say something."""
    return {k: v for k, v in fields.items() if v is not None and v not in ("", {}, [])}


def _seconds(milliseconds: int) -> float | int | None:
    if not milliseconds:
        return None
    return milliseconds // 1000 if milliseconds % 1000 == 0 else milliseconds / 1000


def _retry(retry: Retry) -> dict[str, Any]:
    return {
        "max_attempts": retry.max_attempts,
        "initial_delay": retry.initial_delay_ms / 1000,
        "backoff_factor": retry.backoff_factor,
        "max_delay": retry.max_delay_ms / 1000,
    }


def _recovery(recovery: Recovery | None) -> dict[str, Any] | None:
    if recovery is None:
        return None
    return {
        "strategy": recovery.strategy,
        **_given(
            notification_recipients=recovery.notification_recipients,
            compensation_activity=recovery.compensation_activity,
        ),
    }


def _flow(flow: Flow) -> dict[str, Any]:
    return {
        "id": flow.id,
        "source": flow.source,
        "target": flow.target,
        **_given(
            condition=flow.condition,
            weight=flow.weight if flow.weight != 1 else None,
            default=flow.default or None,
        ),
    }


def _variables(types: dict[str, str], defaults: dict[str, Any]) -> dict[str, Any]:
    return {
        name: {"type": kind, **_given(default=defaults.get(name))} for name, kind in types.items()
    }


def _sources(mapping: dict[str, Expression]) -> dict[str, Any]:
    return {name: value.source for name, value in mapping.items()}


def _source(value: Expression | None) -> Any:
    return None if value is None else value.source


def _nodes(definition: Definition, scope: str) -> dict[str, Any]:
    return {
        node.id: _node(definition, node)
        for node in definition.nodes.values()
        if node.scope == scope
    }


def _node(definition: Definition, node: Node) -> dict[str, Any]:
    plain = {**_kind(node.kind), **_given(name=node.name, metadata=node.metadata)}
    if isinstance(node.kind, Scope):
        plain["nodes"] = _nodes(definition, node.id)
    return plain


def _kind(kind: Any) -> dict[str, Any]:
    if isinstance(kind, Activity):
        return {
            "type": "activity",
            "activity_type": kind.activity_type,
            "queue": kind.queue,
            "input": kind.input.source,
            **_given(
                reads=kind.reads,
                result_path=kind.result_path,
                output=_sources(kind.output),
                schedule_to_start=_seconds(kind.schedule_to_start_ms),
                start_to_close=_seconds(kind.start_to_close_ms),
                heartbeat=_seconds(kind.heartbeat_ms),
                retry=None if kind.retry is None else _retry(kind.retry),
                on_failure=_recovery(kind.on_failure),
            ),
        }
    if isinstance(kind, Timer):
        return {"type": "timer", **_moment(kind), **_given(output=_sources(kind.output))}
    if isinstance(kind, Call):
        return {
            "type": "call",
            "definition": kind.definition_id,
            **_given(
                version=kind.version,
                input=_sources(kind.input),
                result_path=kind.result_path,
                output=_sources(kind.output),
                placement="spread" if kind.spread else None,
                on_failure=_recovery(kind.on_failure),
            ),
        }
    if isinstance(kind, PartialJoin):
        return {"type": "join", "count": kind.count}
    return _compound(kind)


def _moment(kind: Timer | TimerTrigger) -> dict[str, Any]:
    return _given(duration=_source(kind.duration), date=_source(kind.date))


def _trigger(trigger: Trigger) -> dict[str, Any]:
    if isinstance(trigger, ErrorTrigger):
        return {"error": trigger.code or ANY_ERROR}
    if isinstance(trigger, MessageTrigger):
        return {"message": trigger.message, **_given(key=trigger.key.source)}
    if isinstance(trigger, SignalTrigger):
        return {"signal": trigger.signal}
    return _moment(trigger)


def _compound(kind: Any) -> dict[str, Any]:
    if isinstance(kind, End):
        error = kind.error
        thrown = error and {"code": error.code, **_given(message=error.message.source)}
        return {"type": "end", **_given(error=thrown, terminate=kind.terminate or None)}
    if isinstance(kind, Catch):
        mapping = _given(result_path=kind.result_path, output=_sources(kind.output))
        return {"type": "catch", **_trigger(kind.trigger), **mapping}
    if isinstance(kind, Throw):
        ttl = _seconds(kind.ttl_ms) if isinstance(kind.trigger, MessageTrigger) else None
        given = _given(payload=kind.payload.source, ttl=ttl)
        return {"type": "throw", **_trigger(kind.trigger), **given}
    if isinstance(kind, Scope):
        variables = _variables(kind.variables, kind.defaults)
        mappings = {"input": _sources(kind.input), "output": _sources(kind.output)}
        return {"type": "scope", **_given(variables=variables, **mappings)}
    if isinstance(kind, Boundary):
        trigger = kind.trigger
        return {
            "type": "boundary",
            "on": kind.host,
            **_trigger(trigger),
            **_given(interrupting=None if kind.interrupting else False),
            **_given(fallback=kind.fallback or None),
            **_given(output=_sources(kind.output)),
        }
    return {"type": _NAMES[type(kind)]}
