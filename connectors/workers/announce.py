"""What a worker says of itself when it starts: the types of activities that it does.

It may write results only, so that it goes there. That nobody hears it stops no worker.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable
from typing import Any, Final, Literal

import structlog
from confluent_kafka import KafkaError, Message, Producer
from pydantic import TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema

from connectors.workers.declare import Activity
from connectors.workers.settings import WorkerSettings
from schemas.activity_type_commands import RegisterActivityType
from schemas.codec import encode
from schemas.envelope import Envelope
from schemas.ids import is_client_id, routing_key
from streams.domain.expressions.json_schema import JsonSchema, SchemaError
from topics.names import Names

log = structlog.get_logger(__name__)
_SECONDS: Final = 10.0


def announce(settings: WorkerSettings, names: Names, activities: Iterable[Activity]) -> None:
    """Report the types; what cannot be delivered within ten seconds is logged."""
    producer = Producer(
        {
            "bootstrap.servers": settings.kafka_bootstrap_servers,
            "partitioner": "murmur2_random",
            "enable.idempotence": True,
            "max.in.flight.requests.per.connection": 1,
            "message.timeout.ms": int(_SECONDS * 1000),
        }
    )
    for one in activities:
        if not is_client_id(one.name):
            log.warning(
                "an activity type is not registered: its name is no id", activity_type=one.name
            )
            continue
        envelope, body = registration(one, settings.worker_id, time.time_ns() // 1_000_000)
        key = routing_key(envelope.context.tenant, one.name).encode()
        producer.produce(names.results, encode(envelope, body), key, on_delivery=_delivered)
    producer.flush(_SECONDS)


def registration(one: Activity, worker: str, now: int) -> tuple[Envelope, RegisterActivityType]:
    """Return what is said of an activity."""
    said = RegisterActivityType(
        one.queue,
        _description(one),
        _schema(one, one.reads, "validation"),
        _schema(one, one.writes, "serialization"),
        worker=worker,
    )
    name = f"{worker}/registers/{one.name}/{uuid.uuid4()}"
    return Envelope(name, "RegisterActivityType", now, "activity_type", one.name), said


def _description(one: Activity) -> str:
    """Return the first sentence of the function's own documentation."""
    text = one.function.__doc__ or ""
    return text.strip().partition("\n")[0]


def _schema(
    one: Activity, adapter: TypeAdapter[Any] | None, mode: Literal["validation", "serialization"]
) -> bytes:
    """Return the JSON Schema of a type; nothing where it has none that is taken."""
    if adapter is None:
        return b""
    try:
        source = adapter.json_schema(mode=mode)
        JsonSchema(source)
    except (PydanticInvalidForJsonSchema, SchemaError) as error:
        log.info("an activity is registered without schema", activity_type=one.name, why=str(error))
        return b""
    return json.dumps(source).encode()


def _delivered(error: KafkaError | None, message: Message) -> None:
    if error is not None:
        log.warning("an activity type is not registered", key=message.key(), error=error.str())
