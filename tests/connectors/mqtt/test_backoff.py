"""Pauses between attempts."""

import asyncio
import time

from connectors.mqtt.backoff import Backoff


def test_pauses_double_up_to_the_longest_with_jitter():
    backoff = Backoff(longest=2.0, first=0.5)
    pauses = [backoff.next() for _ in range(6)]
    for pause, bound in zip(pauses, (0.5, 1.0, 2.0, 2.0, 2.0, 2.0), strict=True):
        assert bound / 2 <= pause <= bound
    assert len(set(pauses)) == 6


def test_a_success_starts_over():
    backoff = Backoff(longest=8.0, first=0.5)
    for _ in range(5):
        backoff.next()
    backoff.reset()
    assert backoff.next() <= 0.5


def test_a_pause_ends_when_told_to_stop():
    async def main() -> float:
        stop = asyncio.Event()
        begun = time.monotonic()
        asyncio.get_running_loop().call_later(0.02, stop.set)
        await Backoff(longest=60, first=60).pause(stop)
        return time.monotonic() - begun

    assert asyncio.run(main()) < 5
