"""The private records of `workflow.state`: an aggregate's state, and the shard's position.

`domain` equals fold(events) exactly; `book` is written with it and not folded. Both
records start with the number of their form: a newer form than this release knows is a
reason to refuse the partition, never to guess.
"""

from __future__ import annotations

from hashlib import blake2b

import msgspec

STATE_FORM = 2  # A record has form 2 where there are parts beside it, else 1.
POSITION_FORM = 1
POSITION_KEY = b"\0pos"
RECENT_COMMANDS_MAX = 64
RECENT_OF_FINISHED_MAX = 4


class UnknownFormError(Exception):
    """A record was written by a newer release; the shard must not serve."""


class Book(msgspec.Struct, frozen=True, array_like=True):
    """What the shard remembers of an aggregate beside its state."""

    recent: tuple[tuple[bytes, int], ...] = ()
    """The last accepted client commands: hash of the id, sequence after it."""
    beats: dict[int, int] = {}
    """Last heartbeat by open activity, milliseconds since 1970."""
    stalled: bool = False
    """True while a defect keeps the aggregate's timers from firing."""


EMPTY_BOOK = Book()


class StateRecord(msgspec.Struct, frozen=True, array_like=True):
    """One aggregate as it stands in the log and in the store."""

    form: int
    domain_form: int
    domain: bytes
    book: Book
    next_due: int = 0
    """Earliest timer, milliseconds since 1970; 0 for none. Rebuilds the due index."""
    expires: int = 0
    """When a finished aggregate may be forgotten; 0 while it lives."""
    parts: int = 0
    """How many parts of the state are kept beside this record."""


class PositionRecord(msgspec.Struct, frozen=True, array_like=True):
    """Where a partition stands after a batch; the last record of each transaction."""

    form: int
    batch: int
    """Gap-free number of the batch."""
    number: int
    """Events written to this partition so far."""
    now: int
    """The shard's clock, milliseconds since 1970."""
    inputs: dict[str, int]
    """Next offset by input topic (without the prefix)."""


_encoder = msgspec.msgpack.Encoder()
_decode_state = msgspec.msgpack.Decoder(StateRecord).decode
_decode_position = msgspec.msgpack.Decoder(PositionRecord).decode
encode_record = _encoder.encode


def decode_state(data: bytes) -> StateRecord:
    """Read a state record; `UnknownFormError` where this release cannot."""
    record = _checked(data, _decode_state, STATE_FORM)
    assert isinstance(record, StateRecord)
    return record


def decode_position(data: bytes) -> PositionRecord:
    """Read a position record; `UnknownFormError` where this release cannot."""
    record = _checked(data, _decode_position, POSITION_FORM)
    assert isinstance(record, PositionRecord)
    return record


def _checked(data: bytes, decode: object, form_max: int) -> object:
    try:
        record = decode(data)  # type: ignore[operator]
    except msgspec.MsgspecError as error:
        raise UnknownFormError(f"unreadable record in workflow.state: {error}") from error
    if record.form > form_max:
        raise UnknownFormError(
            f"a record of workflow.state has form {record.form}, this release knows up to "
            f"{form_max}: it was written by a newer release; upgrade this engine"
        )
    return record


def command_hash(command_id: str) -> bytes:
    """Return the eight bytes that stand for a command id in the book."""
    return blake2b(command_id.encode(), digest_size=8).digest()
