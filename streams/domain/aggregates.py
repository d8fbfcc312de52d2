"""Every aggregate, once: what an engine runs, and what proves a log must know."""

from __future__ import annotations

from typing import Final

from streams.domain.definition.aggregate import DEFINITION
from streams.domain.device.aggregate import DEVICE
from streams.domain.instance.aggregate import INSTANCE
from streams.domain.protocol import Aggregate

AGGREGATES: Final[dict[str, Aggregate]] = {a.type: a for a in (INSTANCE, DEFINITION, DEVICE)}
"""By the type that stands in the envelope."""
