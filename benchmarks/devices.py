"""How many readings of one device are decided in a second, with 0, 1 and 1,000 waits for it.

In this process, without a broker; the reference parses and writes the same JSON. A reading that
meets a wait unasked, or that costs an event, ends it.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from msgspec.structs import replace

from schemas.json_text import canonical, parse_object
from schemas.telemetry import Reading
from schemas.watch_commands import OpenWatch
from schemas.watch_events import DeviceWait
from streams.testing.spec import NOW, Spec, device
from streams.testing.watched import LIFE, Watched


def main() -> None:
    """Print a line for each number of waits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    count = parser.parse_args().count
    readings = [_reading(number) for number in range(count)]
    begun = time.process_time()
    for one in readings:
        canonical({**parse_object(b"{}"), **parse_object(one.metrics)})
    print(f"reference, JSON alone: {count / (time.process_time() - begun):,.0f} readings/s")
    for waits in (0, 1, 1_000):
        print(f"{waits:5} waits: {_decided(readings, waits):,.0f} readings/s")


def _reading(number: int) -> Reading:
    metrics = canonical({"temperature": 20 + number % 7, "humidity": 40})
    return Reading(f"d:{number}", metrics, NOW + number, NOW + number)


def _decided(readings: list[Reading], waits: int) -> float:
    """Return readings a second, none of which meets a wait."""
    spec, state = _watched(waits)
    context = spec.later(len(readings))._context("bench", "", -1)  # noqa: SLF001 - the kit's own
    begun = time.process_time()
    for one in readings:
        outcome: Any = spec.aggregate.decide(one, state, context)
        if outcome.events or outcome.effects:
            raise SystemExit(f"{one.reading_id} led to {outcome.events or outcome.effects}")
        state = outcome.state
    return len(readings) / (time.process_time() - begun)


def _watched(waits: int) -> tuple[Spec, Any]:
    if not waits:
        return device("d"), None
    # Half of the thresholds lie above what is said, half below: none is ever crossed.
    first = Watched(subscriptions=waits).says(temperature=21)
    for number in range(waits):
        test, bound = ("above", 100 + number) if number % 2 else ("below", -number)
        awaits = DeviceWait("temperature", test=test, value=canonical(bound))
        first.to_watch(OpenWatch(f"w{number}", LIFE, 1, "wait", awaits))
    return replace(first.device, beside=first.watch.state), first.device.state


if __name__ == "__main__":
    main()
