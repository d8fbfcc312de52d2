"""Messages to bytes and back: Avro single-object encoding.

Two marker bytes, the schema's 64-bit fingerprint, the Avro body. The fingerprint names
message and version, so that a reader needs no registry.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import fastavro
import msgspec
from fastavro.schema import to_parsing_canonical_form

from schemas.avro_schema import schema_of
from schemas.decoder import MalformedError, message_reader
from schemas.encoder import Stamp, encoder_of, envelope_bytes, message_encoder
from schemas.envelope import Envelope
from schemas.fingerprint import fingerprint
from schemas.registry import MESSAGES, VERSIONS
from schemas.upcasters import Former, former_versions

MARKER = b"\xc3\x01"
HEADER_BYTES = 10
F = TypeVar("F")


class Message(NamedTuple):
    """One decoded message."""

    envelope: Envelope
    body: msgspec.Struct


class DecodeError(ValueError):
    """The bytes are no message that this release can read."""


class UnknownSchemaError(DecodeError):
    """The fingerprint is not known: another product's record, or a newer release's."""


class Form(NamedTuple):
    """How one version of one message is read."""

    name: str
    version: int
    schema: Any
    body: type[msgspec.Struct]
    upcast: Callable[[dict[str, Any]], dict[str, Any]] | None
    """Makes of a record, `envelope` included, one of the present version."""
    read: Callable[[bytes], Message] | None = None
    """Reads a present version without a detour; None where fastavro and `upcast` do."""


def header_of(schema: dict[str, Any]) -> bytes:
    """Return marker and CRC-64-AVRO fingerprint (little endian) of a schema."""
    return MARKER + fingerprint(to_parsing_canonical_form(schema).encode())


class _Compiled(dict[type[msgspec.Struct], F]):
    """Functions by body class, each compiled when it is first asked for.

    Most processes see few of all messages, and compiling all takes half a second.
    """

    def __init__(self, compile_one: Callable[[type[msgspec.Struct]], F]) -> None:
        super().__init__()
        self._compile = compile_one

    def __missing__(self, body: type[msgspec.Struct]) -> F:
        """Compile the function of a body class; `KeyError` where it is of no message."""
        if body not in HEADERS:
            raise KeyError(body)
        made = self[body] = self._compile(body)
        return made


_FORMS: dict[bytes, Form] = {}
HEADERS: dict[type[msgspec.Struct], bytes] = {}
"""Header by body class: lets a consumer tell types apart without decoding."""
_ENCODERS: _Compiled[Callable[[Any], bytes]] = _Compiled(encoder_of)
"""Encoder of the fields by body class."""
STAMPED: _Compiled[Callable[[Stamp, bytes, int, int, Any], bytes]] = _Compiled(
    lambda body: message_encoder(body, HEADERS[body], MESSAGES[body])
)
"""By body class: encoder of whole messages that a command causes. It takes the command's
stamp, the message's id, its sequence and position, and the body."""


def register(form: Form) -> bytes:
    """Make one version of a message readable; return its header."""
    header = header_of(form.schema)
    if form.read is None:
        form = form._replace(schema=fastavro.parse_schema(form.schema, _force=True))
    _FORMS[header] = form
    return header


def _register_present() -> None:
    for body in MESSAGES:
        version = VERSIONS.get(body.__name__, 1)
        form = Form(body.__name__, version, schema_of(body), body, None, _first_reader(body))
        HEADERS[body] = register(form)


def _first_reader(body: type[msgspec.Struct]) -> Callable[[bytes], Message]:
    """Return what reads the first message of a class, and compiles the reader of the others."""

    def first(data: bytes) -> Message:
        read: Callable[[bytes], Message] = message_reader(
            Message, body, MESSAGES[body], HEADER_BYTES
        )
        header = HEADERS[body]
        _FORMS[header] = _FORMS[header]._replace(read=read)
        return read(data)

    return first


def register_former(former: Former) -> bytes:
    """Make a version readable that is no longer written; return its header.

    Raises:
        KeyError: the message is gone from `schemas/registry.py`, but not from the logs.
    """
    body = {body.__name__: body for body in MESSAGES}[former.name]
    return register(Form(former.name, former.version, former.schema, body, former.upcast))


_register_present()
for _former in former_versions(VERSIONS):
    register_former(_former)


def encode(envelope: Envelope, body: msgspec.Struct) -> bytes:
    """Encode a message; `KeyError` where the body is of no message class."""
    kind = type(body)
    return HEADERS[kind] + envelope_bytes(envelope) + _ENCODERS[kind](body)


def decode(data: bytes) -> Message:
    """Decode a message.

    Raises:
        UnknownSchemaError: the header is Avro's, but no known schema's.
        DecodeError: the bytes are no single-object encoding, or not of their schema.
    """
    form = _FORMS.get(data[:HEADER_BYTES])
    if form is None:
        raise _unknown(data)
    try:
        if form.read is not None:
            return form.read(data)
        source = io.BytesIO(data[HEADER_BYTES:])
        record: Any = fastavro.schemaless_reader(source, form.schema, None)
        if source.read(1):
            raise MalformedError("the message ends before the record does")
        fields = record if form.upcast is None else form.upcast(record)
        envelope = msgspec.convert(fields.pop("envelope"), Envelope)
        return Message(envelope, msgspec.convert(fields, form.body))
    except Exception as error:
        raise DecodeError(f"not a readable {form.name} v{form.version}: {error!r}") from error


def _unknown(data: bytes) -> DecodeError:
    if data[:2] != MARKER or len(data) < HEADER_BYTES:
        start = data[:8].hex(" ")
        return DecodeError(
            f"not an Avro single-object encoded message (starts with {start or 'nothing'}); "
            "encode it with the schemas of schemas/avro"
        )
    number = data[2:HEADER_BYTES].hex()
    return UnknownSchemaError(
        f"schema fingerprint {number} is not known: not one of Tidemill's messages, "
        "or written by a newer release"
    )
