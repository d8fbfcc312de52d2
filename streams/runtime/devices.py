"""What devices are to a batch: they see their watch, and their last state is written."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from schemas.envelope import Context
from schemas.telemetry import DeviceState
from streams.domain.protocol import Aggregate, Decision
from streams.runtime.inbox import TELEMETRY
from streams.runtime.outbox import Outbox
from streams.runtime.slots import Overlay, Slot


def beside(
    decision: Decision, slot: Slot, source: str, overlay: Overlay, watch: Aggregate
) -> Decision:
    """Let a device see its watch; a reading of one that nobody waits for needs no look."""
    if source == TELEMETRY and (slot.state is None or not slot.state.watched):
        return decision
    return replace(decision, beside=overlay.get(watch, slot.tenant, slot.id).state)


def write_states(devices: Iterable[tuple[Slot, Context]], out: Outbox, now: int) -> None:
    """Write the last state of every device that a batch heard of."""
    for slot, context in devices:
        state = slot.state
        body = DeviceState(state.metrics, state.device_time, state.arrival_time, state.readings)
        out.device_state(slot, body, now, context)
