"""What a device event waits for, computed when it begins to wait."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from schemas.ids import device_channel, is_id
from schemas.json_text import canonical, parse
from schemas.watch_commands import OpenWatch
from schemas.watch_events import DeviceWait
from streams.domain.expressions.moments import duration_ms
from streams.domain.instance.state import OpenSubscription
from streams.domain.instance.variables import seen_from
from streams.domain.instance.work import Work
from streams.domain.net.device_program import SEEN, DeviceProgram

_read: Final = msgspec.json.Decoder(DeviceWait).decode
_write: Final = msgspec.json.Encoder(order="sorted").encode


def device_wait(work: Work, node: str, scope: int) -> tuple[str, bytes]:
    """Return the channel of a device and what of it is waited for, as JSON.

    Raises `ValueError` or `ExpressionError` where a value cannot be computed or is none.
    """
    program = work.graph.devices[node]
    seen, trigger = seen_from(work.state, scope), program.trigger
    device = program.device.evaluate(seen)
    if not isinstance(device, str) or not is_id(device):
        text = canonical(device).decode()[:80]
        raise ValueError(f"the device of {node} is {text}: an id is needed")
    duration = 0 if program.duration is None else duration_ms(program.duration.evaluate(seen))
    if program.duration is not None and not duration:
        raise ValueError(f"the duration of {node} is 0: leave it out, or give a longer one")
    awaits = DeviceWait(
        trigger.metric,
        trigger.event_type,
        trigger.test,
        _bound(node, program, seen),
        trigger.condition,
        _variables(program, seen),
        duration,
        trigger.initial,
    )
    return device_channel(device), _write(awaits)


def _bound(node: str, program: DeviceProgram, seen: dict[str, bytes]) -> bytes:
    if program.bound is None:
        return b"null"
    value = program.bound.evaluate(seen)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if program.trigger.test in {"above", "below"} and not number:
        text = canonical(value).decode()[:80]
        raise ValueError(f"{program.trigger.test} of {node} is {text}: a number is needed")
    return canonical(value)


def _variables(program: DeviceProgram, seen: dict[str, bytes]) -> dict[str, bytes]:
    """Return the variables that a condition uses, numbers as the doubles that CEL is given."""
    if program.condition is None:
        return {}
    declared = program.condition.doubles
    names = sorted(program.condition.names - SEEN.keys())
    return {name: _double(seen[name], name in declared) for name in names if name in seen}


def _double(data: bytes, declared: bool) -> bytes:  # noqa: FBT001 - one of two readings
    value: Any = parse(data)
    return canonical(float(value)) if declared and type(value) is int else data


def open_watch(
    owner: tuple[str, str], number: int, opened: OpenSubscription, *, once: bool
) -> OpenWatch:
    """Return the command with which an event begins to wait for a device."""
    return OpenWatch(*owner, number, opened.node, _read(opened.wait), once)
