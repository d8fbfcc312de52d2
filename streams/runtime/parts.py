"""A state in parts: the header is the aggregate's record, each part a record beside it.

The key of a part is the aggregate's key, a zero byte and the part's name: parts stand right
behind their header, in the store as in what is read of the changelog and sorted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from streams.domain.protocol import Aggregate
from streams.runtime.records import StateRecord, UnknownFormError

MARK: Final = b"\0"
PART_FORM: Final = 1
_NONE: Final[dict[str, Any]] = {}
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[int, bytes | list[bytes]]).decode


def is_part(key: bytes) -> bool:
    """Tell whether a key of the store is a part's."""
    return MARK in key


def owner_of(key: bytes) -> bytes:
    """Return the key of the aggregate that a key belongs to."""
    return key.partition(MARK)[0]


def key_of(owner: bytes, name: str) -> bytes:
    """Return the key of a part."""
    return owner + MARK + name.encode()


def name_of(key: bytes) -> str:
    """Return the name of the part that a key is of."""
    return key.partition(MARK)[2].decode()


def divided(aggregate: Aggregate, state: Any) -> tuple[Any, dict[str, Any]]:
    """Return what the aggregate's record holds, and the parts by name: most states have none."""
    divide = getattr(aggregate, "divide", None)
    found = None if divide is None else divide(state)
    return (state, _NONE) if found is None else found


def encode_part(part: Any) -> bytes:
    """Write a part."""
    return _encode((PART_FORM, part))


def decode_part(data: bytes) -> Any:
    """Read a part; `UnknownFormError` where this release cannot."""
    try:
        form, part = _decode(data)
    except msgspec.MsgspecError as error:
        raise UnknownFormError(f"unreadable part in workflow.state: {error}") from error
    if form > PART_FORM:
        raise UnknownFormError(
            f"a part of a state has form {form}, this release knows up to {PART_FORM}: it was "
            "written by a newer release; upgrade this engine"
        )
    return part


def joined(
    aggregate: Any, record: StateRecord, header: Any, stored: Iterable[tuple[bytes, bytes]]
) -> Any:
    """Return the whole state; `UnknownFormError` where a part is missing."""
    parts: Mapping[str, Any] = {name_of(key): decode_part(data) for key, data in stored}
    if len(parts) != record.parts:
        raise UnknownFormError(
            f"a state has {record.parts} parts, {len(parts)} are stored: the store is damaged; "
            "delete its directory, and the engine rebuilds it from the changelog"
        )
    return aggregate.joined(header, parts)
