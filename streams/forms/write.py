"""Writing a definition: the YAML that reads back as the same model."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import yaml

from streams.domain.net.model import (
    Activity,
    Call,
    Definition,
    End,
    ExclusiveGateway,
    Flow,
    InclusiveGateway,
    Node,
    ParallelGateway,
    PartialJoin,
    Retry,
    Start,
    Timer,
)

_NAMES: Final = {
    Start: "start",
    End: "end",
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
    variables = {
        name: {"type": kind, **_given(default=definition.defaults.get(name))}
        for name, kind in definition.variables.items()
    }
    return {
        "id": definition.id,
        "version": str(definition.version),
        **_given(
            name=definition.name,
            metadata=definition.metadata,
            variables=variables,
            retry=_retry(definition.retry) if definition.retry != Retry() else None,
            result={name: value.source for name, value in definition.result.items()},
        ),
        "nodes": {node.id: _node(node) for node in definition.nodes.values()},
        "flows": [_flow(flow) for flow in definition.flows.values()],
    }


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


def _node(node: Node) -> dict[str, Any]:
    return {**_kind(node.kind), **_given(name=node.name, metadata=node.metadata)}


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
                output={path: value.source for path, value in kind.output.items()},
                schedule_to_start=_seconds(kind.schedule_to_start_ms),
                start_to_close=_seconds(kind.start_to_close_ms),
                heartbeat=_seconds(kind.heartbeat_ms),
                retry=None if kind.retry is None else _retry(kind.retry),
            ),
        }
    if isinstance(kind, Timer):
        fields = {
            "duration": None if kind.duration is None else kind.duration.source,
            "date": None if kind.date is None else kind.date.source,
            "output": {path: value.source for path, value in kind.output.items()},
        }
        return {"type": "timer", **_given(**fields)}
    if isinstance(kind, Call):
        return {
            "type": "call",
            "definition": kind.definition_id,
            **_given(
                version=kind.version,
                input={name: value.source for name, value in kind.input.items()},
                result_path=kind.result_path,
                output={path: value.source for path, value in kind.output.items()},
                placement="spread" if kind.spread else None,
            ),
        }
    if isinstance(kind, PartialJoin):
        return {"type": "join", "count": kind.count}
    return {"type": _NAMES[type(kind)]}
