"""The command that deletes definitions."""

from __future__ import annotations

import msgspec


class DeleteDefinition(msgspec.Struct, frozen=True, gc=False):
    """Let nothing new start from a version, or from any; what runs goes on with it.

    The command's aggregate is the definition.
    """

    version: str = ""
    """Empty: every version that is not deleted yet."""
    reason: str = ""
