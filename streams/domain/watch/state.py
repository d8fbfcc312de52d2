"""The state of a device's watch: who waits for what, and what came about and is not taken yet."""

from __future__ import annotations

import msgspec

from schemas.watch_events import DeviceWait


class Wait(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An aggregate that waits. Its key is its reference; the order is that of opening."""

    owner_type: str
    owner_id: str
    owner_incarnation: str
    subscription: int
    """Sequence of the owner's event that opened it."""
    node: str
    once: bool
    opened: int
    """Sequence of `watch.opened`: the number by which the device knows it."""
    awaits: DeviceWait

    @property
    def stands(self) -> bool:
        """Tell whether it is a start's: the definition is not asked when it ends."""
        return bool(self.awaits.start)


class Match(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What came about for a wait."""

    id: str
    payload: bytes


class Pending(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the owner of a wait has not answered yet."""

    matches: tuple[Match, ...] = ()
    """The first is with the owner, the others wait for its answer."""
    closed: bool = False
    """True: only the answer to the first is still to come."""
    ask_at: int = 0
    """When the first is offered again, which the owner deferred; 0: its answer is to come."""
    asks: int = 0
    """How often the owner has deferred it."""


NOTHING = Pending()


class WatchState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One device's watch. Fields are only ever added at the end."""

    sequence: int = 0
    incarnation: str = ""
    waits: dict[str, Wait] = {}
    """Changes only when one opens or ends: the device's index is kept by it."""
    pending: dict[str, Pending] = {}
    incidents: dict[int, bytes] = {}
    """Commands that a defect kept from being applied, by sequence of `error.occurred`."""


EMPTY = WatchState()
encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(WatchState).decode


def next_due(state: WatchState, _beats: dict[int, int] | None = None) -> int:
    """Return when an owner that deferred is asked again, in ms since 1970; 0 for none."""
    if not state.pending:
        return 0
    return min((one.ask_at for one in state.pending.values() if one.ask_at), default=0)


def is_finished(state: WatchState) -> bool:
    """Tell whether nobody waits any longer."""
    return not (state.waits or state.incidents)
