"""The compiled form of an event of a device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from streams.domain.expressions.cel import CompileError, Program, compile_cel
from streams.domain.expressions.values import Value
from streams.domain.net.device import DeviceTrigger
from streams.domain.net.expression import Expression

SEEN: Final = {"value": "any", "metrics": "map"}
"""What a condition sees beside the variables, and what they are declared as."""


class DeviceProgram(NamedTuple):
    """A trigger, compiled."""

    trigger: DeviceTrigger
    device: Value
    bound: Value | None
    duration: Value | None
    condition: Program | None


def compile_device(
    trigger: DeviceTrigger,
    where: str,
    value: Callable[[Expression, str], Value],
    declared: Mapping[str, str],
) -> DeviceProgram:
    """Compile a trigger with `value`, which compiles one expression and says where it stands.

    Raises `CompileError`, whose message names the node.
    """
    bound, duration = (
        None if one is None else value(one, f"{where}: {name}")
        for name, one in ((trigger.test, trigger.bound), ("duration", trigger.duration))
    )
    condition = None
    if trigger.condition:
        try:
            condition = compile_cel(trigger.condition, {**declared, **SEEN})
        except CompileError as error:
            raise CompileError(error.source, f"{where}: condition: {error.message}") from None
    device = value(trigger.device, f"{where}: device")
    return DeviceProgram(trigger, device, bound, duration, condition)
