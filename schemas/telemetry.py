"""Telemetry: readings of devices, commands to them, their last state, their coming and going."""

from __future__ import annotations

import msgspec


class Reading(msgspec.Struct, frozen=True, gc=False):
    """A device's measurement. The envelope's aggregate id is the device's."""

    reading_id: str
    """Device and its own sequence where the payload has one, else device, time and hash."""
    metrics: bytes
    """A JSON object: value by metric."""
    device_time: int = 0
    """Milliseconds since 1970 by the device's clock; 0 where it gave none."""
    arrival_time: int = 0
    """Milliseconds since 1970 by the bridge's clock."""
    event_type: str = "telemetry"


class DeviceCommand(msgspec.Struct, frozen=True, gc=False):
    """A command to a device, on `iot.commands`; the bridge publishes it over MQTT."""

    command: str
    parameters: bytes = b"{}"
    request_id: str = ""
    response_topic: str = ""


class DeviceState(msgspec.Struct, frozen=True, gc=False):
    """What a device last said, on `iot.state`."""

    metrics: bytes
    device_time: int
    arrival_time: int
    readings: int
    """Distinct readings so far."""


class DeviceEvent(msgspec.Struct, frozen=True, gc=False):
    """A device came, went, or reported something of its own, on `iot.events`."""

    event_type: str
    payload: bytes = b"{}"
    time: int = 0


class DeviceCheck(msgspec.Struct, frozen=True, gc=False):
    """A shard's mark among a device's readings: with it, all that were written before are known.

    Whether a device was silent, or nothing broke what holds, is judged at the mark and not when
    the time is over: readings may still lie unread then.
    """

    asked_at: int
    """Milliseconds since 1970 by the shard's clock."""
