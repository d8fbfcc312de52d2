"""Replies: the answer to a command, on `workflow.replies`."""

from __future__ import annotations

import msgspec


class Reply(msgspec.Struct, frozen=True, gc=False):
    """What became of a command. The envelope's causation id is the command's id."""

    token: str
    """The client's token of `reply_to`; empty where nobody asked (every rejection is written)."""
    accepted: bool
    code: str = ""
    """Code of the error catalogue where it was rejected."""
    message: str = ""
    position: str = ""
    """`partition:number`: read at or past it to see the effect."""
    sequence: int = 0
    """Sequence of the aggregate after the command."""
    incarnation: str = ""
    lag: int = 0
    """Records queued behind this command in the shard: the client's cue to slow down."""
    result: bytes = b"null"
    """A JSON value."""
