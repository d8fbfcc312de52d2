"""Commands of escalations."""

from __future__ import annotations

import msgspec


class EscalateCall(msgspec.Struct, frozen=True, gc=False):
    """A child tells its parent of an escalation that nobody in it takes (internal)."""

    call: int
    code: str
    payload: bytes = b"null"
    """A JSON value."""
