"""Identifiers: what they may look like and how keys are read off them.

A child's id is ``root~suffix``, so that the routing key, and with it the partition,
can be read off any id without a lookup.
"""

from __future__ import annotations

import re
from typing import Final

ID_LENGTH_MAX: Final = 128
DEFAULT_TENANT: Final = "default"
CHILD_SEPARATOR: Final = "~"

_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}(~[A-Za-z0-9._:~-]{1,128})?\Z")
_CLIENT_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}\Z")
_BASE32: Final = "0123456789abcdefghijklmnopqrstuv"


def is_client_id(text: str) -> bool:
    """Tell whether a client may choose this id (``~`` is kept for children)."""
    return _CLIENT_ID.match(text) is not None


def is_id(text: str) -> bool:
    """Tell whether this is an id of any aggregate, children included."""
    return _ID.match(text) is not None


def root_of(aggregate_id: str) -> str:
    """Return the root id of an id: itself, or what stands before the first ``~``."""
    return aggregate_id.partition(CHILD_SEPARATOR)[0]


def routing_key(tenant: str, aggregate_id: str) -> str:
    """Return the Kafka key of everything that belongs to this aggregate's root."""
    root = aggregate_id.partition(CHILD_SEPARATOR)[0]
    return root if tenant == DEFAULT_TENANT else f"{tenant}/{root}"


def store_key(aggregate_type: str, tenant: str, aggregate_id: str) -> bytes:
    """Return the key of an aggregate's state record, unique over types and tenants."""
    return f"{aggregate_type}/{tenant}/{aggregate_id}".encode()


def child_id(parent_id: str, sequence: int) -> str:
    """Return the id of the child that a call node started with this event sequence."""
    separator = "." if CHILD_SEPARATOR in parent_id else CHILD_SEPARATOR
    return f"{parent_id}{separator}{sequence}"


def base32(number: int) -> str:
    """Write a non-negative integer in lower-case base 32 (0-9a-v), most significant first."""
    digits = _BASE32[number & 31]
    number >>= 5
    while number:
        digits = _BASE32[number & 31] + digits
        number >>= 5
    return digits


def task_id(aggregate_id: str, incarnation: str, sequence: int) -> str:
    """Return an activity task's id, constant over its attempts."""
    return f"{aggregate_id}@{incarnation}:{sequence}"


def parse_task_id(text: str) -> tuple[str, str, int] | None:
    """Split a task id into aggregate id, incarnation and sequence; None where it is none."""
    aggregate_id, at, rest = text.rpartition("@")
    incarnation, colon, sequence = rest.partition(":")
    if not at or not colon or not sequence.isascii() or not sequence.isdigit():
        return None
    return aggregate_id, incarnation, int(sequence)
