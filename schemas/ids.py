"""Identifiers: what they may look like and how keys are read off them.

A child's id is ``root~suffix``, so that the routing key, and with it the partition,
can be read off any id without a lookup.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Final

ID_LENGTH_MAX: Final = 128
DEFAULT_TENANT: Final = "default"
CHILD_SEPARATOR: Final = "~"

_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}(~[A-Za-z0-9._:~-]{1,128})?\Z")
_CLIENT_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}\Z")
_PLAIN = re.compile(r"[A-Za-z0-9._-]+\Z")
_HASH_LENGTH: Final = 32
_DEVICE: Final = "device:"
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


def channel_id(kind: str, name: str, key: str = "") -> str:
    """Return the id of the channel of a message's name and correlation key, or of a signal.

    `message:NAME:KEY`, `message:NAME`, `signal:NAME`; what is no plain text or too long is
    replaced, and all of it told apart, by a hash: `message:NAME::HASH`, or `message::HASH`.
    """
    parts = [kind, name, key] if key else [kind, name]
    readable = ":".join(parts)
    plain = [_PLAIN.match(part) is not None for part in parts]
    if all(plain) and len(readable) <= ID_LENGTH_MAX:
        return readable
    whole = b"".join(
        b"%d:%b" % (len(part), part.encode("utf-8", "surrogatepass")) for part in parts
    )
    number = int.from_bytes(blake2b(whole, digest_size=20).digest(), "big")
    mark = f"::{base32(number).rjust(_HASH_LENGTH, '0')}"
    start = f"{kind}:{name}"
    fits = plain[1] and len(start) + len(mark) <= ID_LENGTH_MAX
    return f"{start if fits else kind}{mark}"


def device_channel(device_id: str) -> str:
    """Return the name under which an instance knows the watch of a device as its channel."""
    return f"{_DEVICE}{device_id}"


def channel_address(channel: str) -> tuple[str, str]:
    """Return type and id of the aggregate behind a channel: itself, or the watch of a device."""
    if channel.startswith(_DEVICE):
        return "watch", channel[len(_DEVICE) :]
    return "channel", channel


def subscription_ref(aggregate_type: str, aggregate_id: str, incarnation: str, number: int) -> str:
    """Return the name of a subscription: whose it is, and the event that opened it."""
    return f"{aggregate_type}/{aggregate_id}@{incarnation}:{number}"
