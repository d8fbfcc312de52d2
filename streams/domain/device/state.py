"""What is kept of a device: derived from its readings and its watch, outside `verify`."""

from __future__ import annotations

import msgspec

ASK_AGAIN_MS = 60_000
"""A mark that has not come back by then is written again."""


class Hold(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A condition that is met and must be so for a while."""

    until: int
    """A reading of this time or later shows that it held long enough, ms since 1970."""
    due: int
    """So does the shard's clock at this moment, if no reading broke it before."""


class DeviceState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One device. Waits are known by the sequence of their `watch.opened`."""

    metrics: bytes = b"{}"
    """JSON object: last value by metric."""
    device_time: int = 0
    arrival_time: int = 0
    readings: int = 0
    """Distinct readings so far."""
    recent: bytes = b""
    """Hashes of the last reading ids, newest last, six bytes each."""
    moment: int = 0
    """When the last values were measured: by the device's clock, never after their arrival."""
    heard: int = 0
    """When the last reading arrived, late ones too, ms since 1970."""
    watched: int = 0
    """How many waits its watch has; with none, nothing is looked up."""
    fresh: dict[str, tuple[int, ...]] = {}
    """By metric the waits that have seen no reading of it; empty name: of any."""
    holds: dict[int, Hold] = {}
    held_at: int = 0
    """The earliest `until` of them."""
    silences: dict[int, int] = {}
    """When each wait for silence looks next; a reading moves nothing here."""
    quiet: tuple[int, ...] = ()
    """Waits for silence that were met, and begin again with the next reading."""
    asked_at: int = 0
    """When the shard wrote a mark among the readings that is not back yet; 0 for none."""
    starts: bytes = b""
    """Mark of what definitions are started by, as the device has told its watch last."""


EMPTY = DeviceState()
encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(DeviceState).decode


def next_due(state: DeviceState, _beats: dict[int, int]) -> int:
    """Return when a hold or a silence may be over, in ms since 1970; 0 for none."""
    if state.asked_at:
        return state.asked_at + ASK_AGAIN_MS
    if not state.holds and not state.silences:
        return 0
    return min([one.due for one in state.holds.values()] + list(state.silences.values()))
