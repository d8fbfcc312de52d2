"""Every aggregate, once: what an engine runs, and what proves a log must know."""

from __future__ import annotations

from typing import Final

from streams.domain.activity_type.aggregate import ACTIVITY_TYPE
from streams.domain.channel.aggregate import CHANNEL
from streams.domain.definition.aggregate import DEFINITION
from streams.domain.device.aggregate import DEVICE
from streams.domain.instance.aggregate import INSTANCE
from streams.domain.lock.aggregate import LOCK
from streams.domain.protocol import Aggregate
from streams.domain.watch.aggregate import WATCH

_ALL: Final[tuple[Aggregate, ...]] = (
    INSTANCE,
    DEFINITION,
    ACTIVITY_TYPE,
    CHANNEL,
    LOCK,
    DEVICE,
    WATCH,
)
AGGREGATES: Final[dict[str, Aggregate]] = {aggregate.type: aggregate for aggregate in _ALL}
"""By the type that stands in the envelope."""
