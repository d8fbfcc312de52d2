"""What a broker's error codes mean to a transactional producer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiokafka.errors import for_code

_UNKNOWN_TOPIC: Final = 3
MOVED: Final = 13
"""The network's error code: also used where a request had no answer."""
BUSY: Final = frozenset({51})
"""The transaction before is not yet complete: try again soon."""
MISSING: Final = frozenset({_UNKNOWN_TOPIC})
RETRIABLE: Final = BUSY | frozenset(
    {
        2,  # CORRUPT_MESSAGE: on the way.
        _UNKNOWN_TOPIC,
        5,  # LEADER_NOT_AVAILABLE
        6,  # NOT_LEADER_OR_FOLLOWER
        7,  # REQUEST_TIMED_OUT
        9,  # REPLICA_NOT_AVAILABLE
        MOVED,
        14,  # COORDINATOR_LOAD_IN_PROGRESS
        15,  # COORDINATOR_NOT_AVAILABLE
        16,  # NOT_COORDINATOR
        19,  # NOT_ENOUGH_REPLICAS: also what older requests are told while a coordinator loads.
        20,  # NOT_ENOUGH_REPLICAS_AFTER_APPEND
        56,  # KAFKA_STORAGE_ERROR
    }
)
FENCED: Final = frozenset(
    {
        45,  # OUT_OF_ORDER_SEQUENCE_NUMBER
        46,  # DUPLICATE_SEQUENCE_NUMBER: stored, but nobody knows where.
        47,  # INVALID_PRODUCER_EPOCH
        48,  # INVALID_TXN_STATE
        49,  # INVALID_PRODUCER_ID_MAPPING
        59,  # UNKNOWN_PRODUCER_ID
        90,  # PRODUCER_FENCED
        120,  # TRANSACTION_ABORTABLE
    }
)
"""Only a new epoch helps: the shard takes its partition again, or finds that it lost it."""


def describe(code: int, places: Mapping[Any, int]) -> str:
    """Return an error's name, and the first partition that has it."""
    name = getattr(for_code(code), "__name__", str(code))
    where = next(
        (f" at {topic}[{number}]" for (topic, number), c in places.items() if c == code), ""
    )
    return f"{name} ({code}){where}"
