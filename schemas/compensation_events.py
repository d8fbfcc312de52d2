"""Events of compensation: what can be undone, and how it is."""

from __future__ import annotations

import msgspec

from schemas.events import NO_MOVES, Moves


class CompensationRecorded(msgspec.Struct, frozen=True, gc=False):
    """A node is done with the event that follows, and can be undone; named by its sequence."""

    node: str
    scope: int = 0
    """The running scope that it is in; 0 for the workflow itself."""
    variables: dict[str, bytes] = {}
    """What its handler will see, as it was then: canonical JSON by name."""
    inner: int = 0
    """A scope without a handler of its own: the number that it ran under, for those inside."""
    child_id: str = ""
    """A call without a handler of its own: the child, which undoes what it did itself."""


class CompensationTriggered(msgspec.Struct, frozen=True, gc=False):
    """What has been done is undone from now on, one after the other."""

    node: str
    """The throwing event; empty where the whole instance is undone."""
    token: int
    """The token that waits until all is undone."""
    recorded: list[int]
    """Sequences of the `compensation.recorded` events, in the order in which they are undone."""
    caller: int = 0
    """The parent's `handler.started` that asked for it; 0 for none."""
    cancels: bool = False
    """True: `workflow.cancelled` follows; False, and `node` empty: `workflow.compensated`."""
    reason: str = ""
    moves: Moves = NO_MOVES


class HandlerStarted(msgspec.Struct, frozen=True, gc=False):
    """A compensation handler begins; its sequence is the scope that holds what it sees."""

    node: str
    """The node that is undone."""
    handler: str
    """The node that undoes it; empty where a child does so itself."""
    trigger: int
    """The token that waits meanwhile: of `compensation.triggered`."""
    token: int = 0
    """The token that waits at the handler; 0 where there is none."""
    child_id: str = ""


class HandlerCompleted(msgspec.Struct, frozen=True, gc=False):
    """A node is undone."""

    node: str
    handler: str
    trigger: int
    started: int
    """Sequence of `handler.started`."""


class WorkflowCompensated(msgspec.Struct, frozen=True, gc=False):
    """A child that had completed has undone what it did, for its parent."""


class CompensationDiscarded(msgspec.Struct, frozen=True, gc=False):
    """Nobody can undo this instance any more: what was kept for it is forgotten."""
