"""Events of escalations."""

from __future__ import annotations

import msgspec


class EscalationRaised(msgspec.Struct, frozen=True, gc=False):
    """An escalation came from a node, or from the workflow that a call runs."""

    node: str
    """The throw or end event, or the call."""
    code: str
    token: int = 0
    """The token that waits at the throw or end event; 0 where it came from a call."""
    call: int = 0
    """Sequence of `call.started` where it came from a call; else 0."""
    caught_by: str = ""
    """The event that takes it here; empty where it goes on to the caller, or is only noted."""
    payload: bytes = b"null"
    """A JSON value."""
