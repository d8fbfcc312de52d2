"""What ends a demo before its time."""

from __future__ import annotations


class DemoError(RuntimeError):
    """The demonstration cannot go on; the message says why and where to look."""
