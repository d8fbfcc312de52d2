"""The event of a restart."""

from __future__ import annotations

import msgspec

from schemas.events import NO_MOVES, Moves


class WorkflowRestarted(msgspec.Struct, frozen=True, gc=False):
    """An instance that had failed goes on, with the variables that it had."""

    reason: str
    from_start: bool = False
    moves: Moves = NO_MOVES
