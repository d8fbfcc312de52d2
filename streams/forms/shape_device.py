"""The keys of an event of a device."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from pydantic import BaseModel, Field

from streams.domain.expressions.moments import duration_ms

TESTS: Final = ("above", "below", "equals", "condition")
"""Keys that say what a metric is to be."""
DEVICE_KEYS: Final = (
    "metric",
    "event_type",
    "above",
    "below",
    "equals",
    "hold",
    "silent",
    "initial",
)
"""Keys that only an event of a device has, beside `device` itself."""


class DeviceKeys(BaseModel):
    """What a catch or a boundary event may wait for of a device; `for` unfolds to `hold`."""

    device: Any = None
    metric: str = ""
    event_type: str = ""
    above: Any = None
    below: Any = None
    equals: Any = None
    condition: str | None = Field(default=None, min_length=1)
    hold: Any = None
    silent: Any = None
    initial: bool = False


def ways_of(shape: BaseModel, ways: Iterable[str]) -> int:
    """Return how many of the ways in which an event comes about are given.

    A condition beside a device is of the device, and no way of its own.
    """
    given = {way for way in ways if getattr(shape, way) is not None}
    return len(given - {"condition"} if "device" in given else given)


def check_device(shape: DeviceKeys) -> None:
    """Raise `ValueError` where the keys of a device do not fit together."""
    given: list[str] = [key for key in DEVICE_KEYS if key in shape.model_fields_set]
    if shape.device is None:
        if given:
            raise ValueError(f"{given[0]} belongs to an event of a device: it needs `device`")
        return
    tests = [key for key in TESTS if getattr(shape, key) is not None]
    if shape.silent is not None:
        _check_silent(shape, given)
        return
    if len(tests) > 1:
        raise ValueError(f"one of above, below, equals, condition is enough, not {tests}")
    if shape.metric and not tests:
        raise ValueError("what is the metric to be? say above, below, equals or condition")
    if not tests and not shape.event_type:
        raise ValueError(
            "an event of a device needs above, below, equals or condition, or event_type or silent"
        )
    if tests and not shape.metric and tests != ["condition"]:
        raise ValueError(f"{tests[0]} of which metric? name it with `metric`")
    _check_event(shape)
    _check_values(shape)


def _check_silent(shape: DeviceKeys, given: list[str]) -> None:
    others = [key for key in given if key not in {"silent", "initial"}]
    if others:
        raise ValueError(f"silent is of the whole device: {others[0]} does not go with it")
    _check_duration(shape.silent)


def _check_event(shape: DeviceKeys) -> None:
    if shape.event_type and shape.hold is not None:
        raise ValueError("an event_type has no duration: each reading counts by itself")
    if shape.event_type and shape.initial:
        raise ValueError("initial is of the last values: an event_type has none")


def _check_values(shape: DeviceKeys) -> None:
    for key in ("above", "below"):
        value = getattr(shape, key)
        is_text = isinstance(value, str) and "${" in value
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not is_text and not is_number:
            raise ValueError(f"{key} is a number or an expression, not {value!r}")
    if shape.hold is not None:
        _check_duration(shape.hold)


def _check_duration(value: Any) -> None:
    if isinstance(value, str) and "${" in value:
        return
    if not duration_ms(value):
        raise ValueError("a duration of 0 is none: leave it out, or give a longer one")
