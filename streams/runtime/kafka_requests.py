"""The requests of a transactional producer that aiokafka has no classes for.

Two dialects: the classic one (KIP-98) adds partitions to a transaction by a request of
their own; with `transaction.version` 2 (KIP-890) producing adds them, and each transaction
ends with a new epoch, so that nothing late can ever slip into the next one.
"""

from __future__ import annotations

from io import BytesIO
from struct import pack, unpack_from
from typing import Any, ClassVar, Final

from aiokafka.protocol.api import RequestStruct, Response, ResponseHeader_v0
from aiokafka.protocol.produce import ProduceRequest_v7
from aiokafka.protocol.transaction import (
    AddPartitionsToTxnRequest_v0,
    EndTxnRequest_v0,
    InitProducerIdRequest_v0,
)
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactBytes,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
    UnsignedVarInt32,
)

_TEXT: Final = CompactString("utf-8")
_NO_ERRORS: Final = bytes((1, 0, 0))
"""No record errors, no message, no tagged fields."""
_FINALIZED_FEATURES: Final = 2
"""Tag of a field of the ApiVersions response."""


class ApiVersionsResponse(Response):  # type: ignore[misc]
    """What a broker can do; the cluster's features stand in its tagged fields."""

    API_KEY: ClassVar[int] = 18
    API_VERSION: ClassVar[int] = 3
    SCHEMA: ClassVar[Schema] = Schema(
        ("error_code", Int16),
        (
            "api_keys",
            CompactArray(("key", Int16), ("min", Int16), ("max", Int16), ("tags", TaggedFields)),
        ),
        ("throttle_time_ms", Int32),
        ("tags", TaggedFields),
    )


class ApiVersionsRequest(RequestStruct):  # type: ignore[misc]
    """Asks what a broker can do."""

    API_KEY: ClassVar[int] = 18
    API_VERSION: ClassVar[int] = 3
    FLEXIBLE_VERSION: ClassVar[bool] = True
    RESPONSE_TYPE: ClassVar[type[Response]] = ApiVersionsResponse
    SCHEMA: ClassVar[Schema] = Schema(
        ("software_name", _TEXT), ("software_version", _TEXT), ("tags", TaggedFields)
    )

    def parse_response_header(self, read_buffer: Any) -> ResponseHeader_v0:
        """Return the header, which has no tagged fields whatever the version."""
        return ResponseHeader_v0.decode(read_buffer)


class ProduceResponse(Response):  # type: ignore[misc]
    """What became of each partition's batch."""

    API_KEY: ClassVar[int] = 0
    API_VERSION: ClassVar[int] = 12
    SCHEMA: ClassVar[Schema] = Schema(
        (
            "topics",
            CompactArray(
                ("topic", _TEXT),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("error_code", Int16),
                        ("offset", Int64),
                        ("timestamp", Int64),
                        ("log_start_offset", Int64),
                        (
                            "record_errors",
                            CompactArray(
                                ("index", Int32), ("message", _TEXT), ("tags", TaggedFields)
                            ),
                        ),
                        ("error_message", _TEXT),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("throttle_time_ms", Int32),
        ("tags", TaggedFields),
    )

    @classmethod
    def decode(cls, data: BytesIO | bytes) -> Any:
        """Read a response: the usual one, without errors, in a quarter of the time."""
        found = data if isinstance(data, bytes) else data.read()
        topics = _stored(found)
        return super().decode(found) if topics is None else cls(topics, 0, {})


class ProduceRequest(RequestStruct):  # type: ignore[misc]
    """Stores batches and adds their partitions to the transaction."""

    API_KEY: ClassVar[int] = 0
    API_VERSION: ClassVar[int] = 12
    FLEXIBLE_VERSION: ClassVar[bool] = True
    RESPONSE_TYPE: ClassVar[type[Response]] = ProduceResponse
    SCHEMA: ClassVar[Schema] = Schema(
        ("transactional_id", _TEXT),
        ("required_acks", Int16),
        ("timeout", Int32),
        (
            "topics",
            CompactArray(
                ("topic", _TEXT),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32), ("records", CompactBytes), ("tags", TaggedFields)
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )

    def encode(self) -> bytes:
        """Return the bytes; written out, since every transaction needs them."""
        fields = self.__dict__
        parts = [
            _TEXT.encode(fields["transactional_id"]),
            pack(">hi", fields["required_acks"], fields["timeout"]),
            _varint(len(fields["topics"]) + 1),
        ]
        for topic, batches, _tags in fields["topics"]:
            parts += (_TEXT.encode(topic), _varint(len(batches) + 1))
            for partition, records, _tags_too in batches:
                parts += (pack(">i", partition), _varint(len(records) + 1), records, b"\0")
            parts.append(b"\0")
        parts.append(b"\0")
        return b"".join(parts)


class EndTxnResponse(Response):  # type: ignore[misc]
    """Tells the producer id and epoch of the next transaction."""

    API_KEY: ClassVar[int] = 26
    API_VERSION: ClassVar[int] = 5
    SCHEMA: ClassVar[Schema] = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        ("producer_id", Int64),
        ("producer_epoch", Int16),
        ("tags", TaggedFields),
    )


class EndTxnRequest(RequestStruct):  # type: ignore[misc]
    """Commits or aborts, and begins a new epoch."""

    API_KEY: ClassVar[int] = 26
    API_VERSION: ClassVar[int] = 5
    FLEXIBLE_VERSION: ClassVar[bool] = True
    RESPONSE_TYPE: ClassVar[type[Response]] = EndTxnResponse
    SCHEMA: ClassVar[Schema] = Schema(
        ("transactional_id", _TEXT),
        ("producer_id", Int64),
        ("producer_epoch", Int16),
        ("committed", Boolean),
        ("tags", TaggedFields),
    )


class Ready:
    """A request of a version that was chosen already, as aiokafka's connections take it."""

    def __init__(self, request: RequestStruct) -> None:
        """Take the request."""
        self._request = request

    def prepare(self, _versions: dict[int, tuple[int, int]]) -> RequestStruct:
        """Return the request."""
        return self._request


Topics = dict[str, list[tuple[int, bytes]]]
"""Partition and record batch by topic."""


class Classic:
    """The dialect that every Kafka since 2.1 speaks."""

    implicit = False
    """True where producing adds the partition."""

    @staticmethod
    def produce(name: str, timeout_ms: int, topics: Topics) -> Ready:
        """Return a request to store batches."""
        return Ready(ProduceRequest_v7(name, -1, timeout_ms, list(topics.items())))

    @staticmethod
    def end(name: str, producer: tuple[int, int], *, commit: bool) -> Ready:
        """Return a request to end the transaction."""
        return Ready(EndTxnRequest_v0(name, *producer, commit))


class Implicit:
    """The dialect of `transaction.version` 2."""

    implicit = True

    @staticmethod
    def produce(name: str, timeout_ms: int, topics: Topics) -> Ready:
        """Return a request to store batches and to add their partitions."""
        listed: list[Any] = [
            (topic, [(partition, data, {}) for partition, data in batches], {})
            for topic, batches in topics.items()
        ]
        return Ready(ProduceRequest(name, -1, timeout_ms, listed, {}))

    @staticmethod
    def end(name: str, producer: tuple[int, int], *, commit: bool) -> Ready:
        """Return a request to end the transaction and to begin the next epoch."""
        return Ready(EndTxnRequest(name, *producer, commit, {}))


Dialect = type[Classic] | type[Implicit]


def init_producer(name: str, timeout_ms: int) -> Ready:
    """Return a request to fence every older producer of this name."""
    return Ready(InitProducerIdRequest_v0(name, timeout_ms))


def add_partitions(name: str, producer: tuple[int, int], topics: dict[str, list[int]]) -> Ready:
    """Return a request to add partitions to the transaction (classic dialect)."""
    return Ready(AddPartitionsToTxnRequest_v0(name, *producer, list(topics.items())))


def features() -> Ready:
    """Return a request for the cluster's features."""
    return Ready(ApiVersionsRequest("tidemill", "1", {}))


class _Features(Response):  # type: ignore[misc]
    API_KEY: ClassVar[int] = 18
    API_VERSION: ClassVar[int] = 3
    SCHEMA: ClassVar[Schema] = Schema(
        (
            "features",
            CompactArray(("name", _TEXT), ("max", Int16), ("min", Int16), ("tags", TaggedFields)),
        )
    )


def _stored(data: bytes) -> list[Any] | None:
    """Return the topics of a Produce response in which nothing failed, None for any other."""
    topics, at = _short(data, 0)
    found: list[Any] = []
    for _ in range(topics - 1):
        size, at = _short(data, at)
        topic, at = data[at : at + size - 1].decode(), at + size - 1
        partitions, at = _short(data, at)
        answers = []
        for _ in range(partitions - 1):
            partition, code, offset = unpack_from(">ihq", data, at)
            if code or data[at + 30 : at + 33] != _NO_ERRORS:
                return None
            answers.append((partition, code, offset))
            at += 33
        at += 1  # No tagged fields.
        found.append((topic, answers))
    return found


def _short(data: bytes, at: int) -> tuple[int, int]:
    """Return an unsigned varint of one or two bytes, and where it ends."""
    first = data[at]
    return (first, at + 1) if first < 0x80 else ((first & 0x7F) | data[at + 1] << 7, at + 2)


def _varint(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,))
    found: bytes = UnsignedVarInt32.encode(value)
    return found


def transaction_version(response: Any) -> int:
    """Return the cluster's `transaction.version`; 0 where it names none."""
    found = response.tags.get(_FINALIZED_FEATURES)
    listed: list[Any] = _Features.decode(found).__dict__["features"] if found else []
    return next((most for name, most, *_ in listed if name == "transaction.version"), 0)
