"""How long to wait before another attempt."""

from __future__ import annotations

from streams.domain.net.model import Retry


def delay_ms(retry: Retry, retries: int) -> int:
    """Return min(initial * factor**retries, max): the wait before the next attempt."""
    if not retry.initial_delay_ms:
        return 0
    try:
        delay = retry.initial_delay_ms * retry.backoff_factor**retries
    except OverflowError:
        return retry.max_delay_ms
    return int(min(delay, retry.max_delay_ms))
