"""Column types, and JSON as the views keep it: text, exactly as the events carry it."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

_encode = msgspec.json.Encoder().encode
_check = msgspec.json.Decoder(msgspec.Raw).decode
EMPTY = msgspec.Raw(b"null")
NO_OBJECT = msgspec.Raw(b"{}")


class Words(TypeDecorator[str]):
    """Text that any database takes: PostgreSQL has no U+0000, so that it is shown as U+FFFD."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Replace what cannot be stored."""
        del dialect
        return value.replace("\0", "\ufffd") if value and "\0" in value else value


def raw(value: bytes) -> msgspec.Raw:
    """Return JSON bytes of an event as they are; other bytes (encrypted ones) as hex text."""
    if not value:
        return EMPTY
    try:
        _check(value)
    except msgspec.DecodeError:
        return msgspec.Raw(_encode(value.hex()))
    return msgspec.Raw(value)


def text(value: Any) -> str:
    """Write a value as JSON text for a column."""
    return _encode(value).decode()
