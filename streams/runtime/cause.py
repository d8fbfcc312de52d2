"""What is being applied: a message, and what its consequences carry."""

from __future__ import annotations

import msgspec

from schemas.envelope import Context, Envelope
from streams.runtime.inbox import Item


class Cause(msgspec.Struct, frozen=True, gc=False):
    """The message that is being applied."""

    envelope: Envelope
    source: str
    item: Item | None
    context: Context
    """What its consequences carry."""
