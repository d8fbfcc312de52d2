"""The state of a channel: who waits, what was published, and which ids were seen."""

from __future__ import annotations

from hashlib import blake2b

import msgspec

_HASH_BYTES = 8
DEFINITION = "definition"
"""Type of the owners that a channel opens subscriptions for itself, each for one offer."""


class Subscription(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An aggregate that waits. Its key is its reference; the order is that of opening."""

    owner_type: str
    owner_id: str
    owner_incarnation: str
    subscription: int
    """Sequence of the owner's event that opened it."""
    node: str
    once: bool
    opened: int
    """Sequence of the channel's `subscription.opened` event."""
    offers: tuple[int, ...] = ()
    """Messages that are its own: the first is with the owner, the others wait for its answer."""
    closed: bool = False
    """True: only the answer to the first offer is still to come."""
    ask_at: int = 0
    """When the first is offered again, which the owner deferred; 0: its answer is to come."""
    asks: int = 0
    """How often the owner has deferred it."""


class Published(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A message or signal that is not done with. Its key is its event's sequence."""

    id: str
    name: str
    payload: bytes
    expires_at: int
    """Milliseconds since 1970; 0 for a signal."""
    is_signal: bool = False
    offered: int = 0
    """Subscriptions that have it and have not answered."""
    cursor: int = 0
    """A signal's: where its broadcast goes on; 0 where nothing is left of it."""
    rejected: tuple[str, ...] = ()
    """Open subscriptions that did not want a message: it is not offered to them again."""


class ChannelState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One channel. Fields are only ever added at the end."""

    sequence: int = 0
    incarnation: str = ""
    subscriptions: dict[str, Subscription] = {}
    messages: dict[int, Published] = {}
    recent: dict[bytes, int] = {}
    """Until when the hash of a message's id is remembered; oldest first."""
    incidents: dict[int, bytes] = {}
    """Commands that a defect kept from being applied, by sequence of `error.occurred`."""
    singles: dict[str, str] = {}
    """By definition the instance that lives, beside which it starts no other here."""


EMPTY = ChannelState()
encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(ChannelState).decode


def id_hash(message_id: str) -> bytes:
    """Return the eight bytes that stand for a message's id among the remembered ones."""
    return blake2b(message_id.encode(), digest_size=_HASH_BYTES).digest()


def next_due(state: ChannelState, _beats: dict[int, int] | None = None) -> int:
    """Return when a message expires or is offered again, in ms since 1970; 0 for none."""
    if not state.messages:
        return 0
    moments = [m.expires_at for m in state.messages.values() if is_buffered(m)]
    moments += [s.ask_at for s in state.subscriptions.values() if s.ask_at]
    return min(moments, default=0)


def is_buffered(message: Published) -> bool:
    """Tell whether a message waits for a subscription."""
    return not message.offered and not message.is_signal


def is_finished(state: ChannelState) -> bool:
    """Tell whether nothing but the remembered ids is left, which the shard keeps for a while."""
    return not (state.subscriptions or state.messages or state.incidents or state.singles)
