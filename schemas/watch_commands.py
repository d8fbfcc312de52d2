"""Commands between workflows, the watch of a device, and the device; none is a client's."""

from __future__ import annotations

import msgspec

from schemas.telemetry import Reading
from schemas.watch_events import DeviceWait


class OpenWatch(msgspec.Struct, frozen=True, gc=False):
    """An aggregate waits for something of a device (internal).

    Closing, accepting and rejecting are those of channels. Opening what is open already changes
    nothing; what its owner deferred is offered again at once.
    """

    owner_id: str
    owner_incarnation: str
    subscription: int
    """Sequence of the owner's event that opened it."""
    node: str
    awaits: DeviceWait
    once: bool = True
    """True: the first that comes about ends it."""
    owner_type: str = "instance"


class WaitMet(msgspec.Struct, frozen=True, gc=False):
    """A wait that a device found met, or could not judge."""

    wait: int
    """Sequence of its `watch.opened`."""
    payload: bytes
    """A JSON object."""
    code: str = ""
    """Why it cannot be judged; empty where it is met."""
    message: str = ""


class MeetWaits(msgspec.Struct, frozen=True, gc=False):
    """A device tells its watch what came about (internal)."""

    met: list[WaitMet]


class WatchDevice(msgspec.Struct, frozen=True, gc=False):
    """A watch tells its device that a wait is open (internal)."""

    wait: int
    """Sequence of its `watch.opened`."""


class UnwatchDevice(msgspec.Struct, frozen=True, gc=False):
    """A watch tells its device that a wait is over (internal)."""

    wait: int


class StandWatch(msgspec.Struct, frozen=True, gc=False):
    """A device tells its watch that what definitions are started by has changed (internal).

    The watch knows itself what they wait for now, and gives the readings back when it is opened.
    """

    readings: list[Reading] = []
    """What the device has not judged yet; at most one."""


class LookForStarts(msgspec.Struct, frozen=True, gc=False):
    """A definition tells a device that what it is started by has changed (internal).

    The device would see it at its next reading; one that is silent has none.
    """

    definition_id: str
    version: str
    """The version that is known by then."""
