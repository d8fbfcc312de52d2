"""An event of a device."""

from __future__ import annotations

import msgspec

from streams.domain.net.expression import Expression


class DeviceTrigger(msgspec.Struct, frozen=True, gc=False, tag="device"):
    """When a device's metric meets a condition, when the device is silent, or reports an event."""

    device: Expression
    """The device's id."""
    metric: str = ""
    event_type: str = ""
    """Readings of this type only, each of which counts; empty: all, by their levels."""
    test: str = ""
    """`above`, `below`, `equals`, `condition`, `silent`; empty: any reading of the type."""
    bound: Expression | None = None
    """What the metric is to be above, below or equal to."""
    condition: str = ""
    """CEL source without `${}`, over `value`, `metrics` and the variables."""
    duration: Expression | None = None
    """How long it must hold, or how long the device must be silent."""
    initial: bool = False
    """True: what the device said last counts as if it came at the beginning."""


def device_values(trigger: DeviceTrigger) -> dict[str, Expression]:
    """Return what of an event of a device is computed when it begins to wait, by its key."""
    lasts = "silent" if trigger.test == "silent" else "for"
    values = {"device": trigger.device, trigger.test: trigger.bound, lasts: trigger.duration}
    return {word: value for word, value in values.items() if value is not None}
