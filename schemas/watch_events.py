"""Events of a device's watch: who waits for what of it, and what came about."""

from __future__ import annotations

import msgspec


class DeviceWait(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What of a device is waited for."""

    metric: str = ""
    event_type: str = ""
    """Readings of this type only, each of which counts by itself; empty: all, by their levels."""
    test: str = ""
    """`above`, `below`, `equals`, `condition`, `silent`; empty: any reading of the type."""
    value: bytes = b"null"
    """A JSON value: what the metric is to be above, below or equal to."""
    condition: str = ""
    """CEL source over `value`, `metrics` and the variables; judged by the device, reading by
    reading."""
    variables: dict[str, bytes] = {}
    """JSON by name: the workflow's variables of the condition, as they were at the opening."""
    duration_ms: int = 0
    """How long it must hold without interruption, or how long the device must be silent."""
    initial: bool = False
    """True: what the device said last counts as if it came at the opening."""
    start: str = ""
    """A definition's: the name of its start, by which it knows it again."""


class WatchMatch(msgspec.Struct, frozen=True, gc=False):
    """What came about for one wait."""

    wait: int
    """Sequence of its `watch.opened`."""
    payload: bytes
    """A JSON object."""
    replaces: bool = False
    """True: it takes the place of the last that waits for the owner, who is far behind."""


class WatchOpened(msgspec.Struct, frozen=True, gc=False):
    """An aggregate waits for something of the device."""

    owner_type: str
    owner_id: str
    owner_incarnation: str
    subscription: int
    node: str
    once: bool
    awaits: DeviceWait


class WatchMatched(msgspec.Struct, frozen=True, gc=False):
    """What waits were for came about: by a reading, by time that passed, or by silence."""

    matches: list[WatchMatch]


class WatchAsked(msgspec.Struct, frozen=True, gc=False):
    """Owners that deferred what came about are asked again."""

    waits: list[int]


class WatchTaken(msgspec.Struct, frozen=True, gc=False):
    """An owner took what came about."""

    match_id: str
    owner_type: str
    owner_id: str
    owner_incarnation: str
    subscription: int
    node: str
    ended: bool
    """True where the wait is over with it."""


class WatchRejected(msgspec.Struct, frozen=True, gc=False):
    """An owner did not take what came about."""

    match_id: str
    owner_type: str
    owner_id: str
    owner_incarnation: str
    subscription: int
    node: str
    reason: str
    retry_at: int = 0
    """When it is asked again, ms since 1970; 0: never, it is let go."""


class WatchEnded(msgspec.Struct, frozen=True, gc=False):
    """A wait is over: its owner waits no longer, or it cannot be judged."""

    owner_type: str
    owner_id: str
    owner_incarnation: str
    subscription: int
    node: str
    awaits_answer: bool = False
    """True where the owner was asked: its answer ends the wait."""
    code: str = ""
    """Why it cannot be judged; empty where the owner closed it."""
    message: str = ""
