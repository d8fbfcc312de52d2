"""The command of a restart."""

from __future__ import annotations

import msgspec


class RestartFailed(msgspec.Struct, frozen=True, gc=False):
    """Let an instance that has failed begin again where it failed, with its variables.

    Possible for as long as what is finished is remembered (`TIDEMILL_DEDUPE_WINDOW`).
    """

    from_start: bool = False
    """True: it begins at its start."""
    reason: str = ""
