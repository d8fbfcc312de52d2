"""The compiled encoders and decoders say what fastavro says, for every message."""

import contextlib
import io
import struct
from typing import Any, get_args, get_origin, get_type_hints

import fastavro
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.avro_schema import schema_of
from schemas.codec import (
    HEADER_BYTES,
    HEADERS,
    STAMPED,
    DecodeError,
    UnknownSchemaError,
    decode,
    encode,
)
from schemas.encoder import Stamp
from schemas.envelope import Context, Envelope
from schemas.events import ActivityCompleted, Moves, Token
from schemas.registry import BODIES, EVENT_TYPES, MESSAGES

INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
TEXT = st.text(max_size=90)


def values(hint: Any) -> st.SearchStrategy:
    """Any value that a field of this type may hold."""
    plain = {
        str: TEXT,
        int: INT64,
        bool: st.booleans(),
        bytes: st.binary(max_size=90),
        float: st.floats(allow_nan=False),
    }
    if hint in plain:
        return plain[hint]
    if get_origin(hint) is list:
        return st.lists(values(get_args(hint)[0]), max_size=3)
    if get_origin(hint) is dict:
        return st.dictionaries(TEXT, values(get_args(hint)[1]), max_size=3)
    hints = get_type_hints(hint)
    fields = {name: values(hints[name]) for name in hint.__struct_fields__}
    return st.fixed_dictionaries(fields).map(lambda chosen: hint(**chosen))


def plain(value: Any) -> Any:
    return msgspec.to_builtins(value, builtin_types=(bytes,))


MESSAGES_OF_ANY_KIND = st.sampled_from(sorted(MESSAGES, key=lambda body: body.__name__)).flatmap(
    lambda body: st.tuples(values(Envelope), values(body))
)


def by_fastavro(envelope, body):
    """The fields' bytes as the reference implementation writes them."""
    out = io.BytesIO()
    record = {"envelope": plain(envelope), **plain(body)}
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema_of(type(body))), record)
    return out.getvalue()


@settings(max_examples=400, deadline=None)
@given(MESSAGES_OF_ANY_KIND)
def test_messages_are_encoded_as_fastavro_does_and_come_back(message):
    envelope, body = message
    data = encode(envelope, body)
    assert data[HEADER_BYTES:] == by_fastavro(envelope, body)
    assert decode(data) == (envelope, body)


@settings(max_examples=300, deadline=None)
@given(MESSAGES_OF_ANY_KIND, st.data())
def test_damaged_messages_are_errors_or_messages_and_nothing_else(message, data):
    whole = encode(*message)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(DecodeError):
        decode(cut)
    with pytest.raises(DecodeError):
        decode(whole + b"\0")
    place = data.draw(st.integers(HEADER_BYTES, len(whole) - 1))
    damaged = bytearray(whole)
    damaged[place] ^= 1 << data.draw(st.integers(0, 7))
    with contextlib.suppress(DecodeError):
        decode(bytes(damaged))


EVENTS_OF_ANY_KIND = st.sampled_from(EVENT_TYPES).flatmap(
    lambda kind: st.tuples(st.just(kind), values(BODIES[kind]))
)


@settings(max_examples=200, deadline=None)
@given(TEXT, st.integers(1, 1 << 40), st.integers(1, 1 << 40), values(Context), EVENTS_OF_ANY_KIND)
def test_a_stamp_encodes_the_envelope_that_the_event_has(name, sequence, position, context, event):
    kind, body = event
    stamp = Stamp("instance", name, "1a", 77, context)
    event_id = stamp.name + b"%d" % sequence
    data = STAMPED[type(body)](stamp, event_id, sequence, position, body)
    envelope = Envelope(
        event_id.decode(), kind, 77, "instance", name, "1a", sequence, position, context=context
    )
    assert data == encode(envelope, body)


def test_what_is_no_message_says_so():
    with pytest.raises(DecodeError, match="starts with nothing"):
        decode(b"")
    with pytest.raises(DecodeError, match="not an Avro single-object"):
        decode(b'{"id": 1}        ')
    with pytest.raises(UnknownSchemaError, match="newer release"):
        decode(b"\xc3\x01" + struct.pack("<Q", 12345) + b"xxxx")


def test_every_message_has_a_header_of_its_own():
    assert len(set(HEADERS.values())) == len(MESSAGES)


def test_a_count_that_no_memory_holds_is_an_error():
    envelope = Envelope(
        "a", "RunInstance", 1, "instance", "i", context=Context(metadata={"a": "b"})
    )
    body = BODIES["RunInstance"]("hello")
    data = encode(envelope, body)
    place = data.index(b"\x02\x02a\x02b\0")
    huge = data[:place] + b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01" + data[place + 1 :]
    with pytest.raises(DecodeError, match="outside the data"):
        decode(huge)


@pytest.mark.parametrize("size", [63, 64, 8191, 8192, 20_000])
def test_long_fields_and_lists_are_encoded_like_short_ones(size):
    writes = {str(n): b"x" * size for n in range(3)}
    moves = Moves([1] * size, [Token(1, "p" * size)], ["n"] * size, writes)
    body = ActivityCompleted(-size, "n" * size, "t", size, b"o" * size, moves=moves)
    context = Context(metadata={"k" * size: "v" * size})
    envelope = Envelope("i" * size, "activity.completed", 1, "instance", "a", context=context)
    data = encode(envelope, body)
    assert data[HEADER_BYTES:] == by_fastavro(envelope, body)
    assert decode(data) == (envelope, body)
    stamp = Stamp("instance", "a", "", 1, context)
    assert STAMPED[type(body)](stamp, b"i" * size, -1, 0, body) == data
