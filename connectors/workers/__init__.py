"""Workers: activities in Python, run from Kafka queues."""

from connectors.workers.context import ActivityCancelledError, ActivityContext
from connectors.workers.declare import activity
from connectors.workers.errors import ActivityError, NonRetryableError

__all__ = [
    "ActivityCancelledError",
    "ActivityContext",
    "ActivityError",
    "NonRetryableError",
    "activity",
]
