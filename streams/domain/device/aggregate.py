"""The device: absorbs redelivered readings and keeps the last of each metric.

Telemetry is no command: it has no event and no reply. The state is derived and lies
outside `verify`.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec

from schemas.json_text import JsonError, canonical, parse_object
from schemas.telemetry import Reading
from streams.domain.protocol import Accepted, Decision, EventPlace, Outcome, Rejected

WINDOW = 1_024
_HASH_BYTES = 6


class DeviceState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is kept of a device."""

    metrics: bytes = b"{}"
    """JSON object: last value by metric."""
    device_time: int = 0
    arrival_time: int = 0
    readings: int = 0
    """Distinct readings so far."""
    recent: bytes = b""
    """Hashes of the last reading ids, newest last, six bytes each."""


_EMPTY = DeviceState()


def decide(command: msgspec.Struct, state: DeviceState | None, ctx: Decision) -> Outcome:
    """Take a reading; one that was taken before has no effect."""
    if not isinstance(command, Reading):
        return Rejected("UnsupportedOperation", "devices take readings only")
    before = state or _EMPTY
    known = hashlib.blake2b(command.reading_id.encode(), digest_size=_HASH_BYTES).digest()
    if _contains(before.recent, known):
        return Accepted([], [], before)
    try:
        metrics = parse_object(command.metrics)
    except JsonError as error:
        return Rejected("InvalidInput", f"metrics of {ctx.aggregate_id}: {error}")
    newest = command.device_time >= before.device_time
    merged = {**parse_object(before.metrics), **metrics} if newest else None
    after = DeviceState(
        before.metrics if merged is None else canonical(merged),
        max(before.device_time, command.device_time),
        max(before.arrival_time, command.arrival_time),
        before.readings + 1,
        (before.recent + known)[-WINDOW * _HASH_BYTES :],
    )
    return Accepted([], [], after)


def _contains(recent: bytes, known: bytes) -> bool:
    at = recent.find(known)
    while at >= 0:
        if at % _HASH_BYTES == 0:
            return True
        at = recent.find(known, at + 1)
    return False


class DeviceAggregate:
    """Implements `protocol.Aggregate`."""

    type = "device"
    form = 1
    has_incidents = False

    decide = staticmethod(decide)
    encode = staticmethod(msgspec.msgpack.Encoder().encode)
    decode = staticmethod(msgspec.msgpack.Decoder(DeviceState).decode)

    @staticmethod
    def evolve(state: Any | None, _event: msgspec.Struct, _at: EventPlace) -> Any:
        """Return the state as it is: devices have no events."""
        return state

    @staticmethod
    def sequence(_state: DeviceState) -> int:
        """Return 0: devices have no events."""
        return 0

    @staticmethod
    def incarnation(_state: DeviceState) -> str:
        """Return nothing: a device has one life."""
        return ""

    @staticmethod
    def next_due(_state: DeviceState, _beats: dict[int, int]) -> int:
        """Return 0: devices wait for nothing yet."""
        return 0

    @staticmethod
    def is_finished(_state: DeviceState) -> bool:
        """Return False: a device is never over."""
        return False

    @staticmethod
    def remnant(state: DeviceState) -> DeviceState:
        """Return the state: a device is never over."""
        return state


DEVICE: Final = DeviceAggregate()
