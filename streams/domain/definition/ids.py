"""The instances that a definition starts: their ids, and the command that begins them."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from schemas.commands import TriggerInstance
from schemas.ids import base32
from streams.domain.protocol import SendCommand

_HASH_LENGTH: Final = 32
_NAME_LENGTH: Final = 90
"""Of a definition's id as much as an instance's id has room for."""


def started_id(definition: str, *causes: str) -> str:
    """Return the id of the instance that this definition starts for these causes, once."""
    whole = b"".join(b"%d:%b" % (len(one), one) for one in map(_encoded, (definition, *causes)))
    number = int.from_bytes(blake2b(whole, digest_size=20).digest(), "big")
    return f"{definition[:_NAME_LENGTH]}.{base32(number).rjust(_HASH_LENGTH, '0')}"


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def begun(instance: str, body: TriggerInstance) -> SendCommand:
    """Return the start of an instance.

    It goes by the topic, so that whoever decides it waits for the version to be known there.
    """
    return SendCommand("instance", instance, "", body, hop=True)
