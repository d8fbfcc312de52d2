"""From an MQTT message to a Kafka record, or to a dead letter with its reason. Pure."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from connectors.mqtt.manual_ack import Received
from connectors.mqtt.names import MqttNames
from schemas.codec import encode
from schemas.envelope import Envelope
from schemas.ids import is_client_id
from schemas.json_text import JsonError, canonical, parse_object
from schemas.telemetry import DeviceEvent, Reading
from topics.names import Names

TELEMETRY: Final = "telemetry"
_RESERVED: Final = frozenset({"seq", "timestamp", "event_type", "device_id"})
_SEQ_LENGTH_MAX: Final = 64
_KEPT_BYTES: Final = 64 * 1024
_YEAR_9999_MS: Final = 253_402_300_800_000


class KafkaRecord(NamedTuple):
    """One record to produce."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, str | bytes | None]] | None = None
    dead: str = ""
    """Why it is a dead letter; empty for all others."""


class RefusedError(ValueError):
    """The message cannot be used; its text says why."""


class Translator:
    """Knows the topics on both sides and how large a payload may be."""

    def __init__(self, mqtt: MqttNames, kafka: Names, payload_bytes_max: int) -> None:
        """Take the names of both sides and the limit."""
        self._mqtt = mqtt
        self._kafka = kafka
        self._payload_bytes_max = payload_bytes_max

    def record(self, message: Received, arrival: int) -> KafkaRecord:
        """Return the record that keeps this message; `arrival` in milliseconds since 1970."""
        try:
            return self._accepted(message, arrival)
        except (RefusedError, JsonError) as error:
            return self.dead_letter(message, arrival, str(error))

    def dead_letter(self, message: Received, arrival: int, reason: str) -> KafkaRecord:
        """Return the dead letter: the bytes, why, and from where."""
        payload = message.payload[:_KEPT_BYTES]
        headers: list[tuple[str, str | bytes | None]] = [
            ("reason", reason.encode()[:4096]),
            ("source", b"mqtt"),
            ("mqtt_topic", message.topic.encode()),
            ("arrival_time", str(arrival).encode()),
        ]
        if len(payload) < len(message.payload):
            headers.append(("cut_from_bytes", str(len(message.payload)).encode()))
        place = self._mqtt.read(message.topic)
        key = (place.device_id if place else message.topic).encode()[:256]
        return KafkaRecord(self._kafka.dead_letters, key, payload, headers, dead=reason)

    def _accepted(self, message: Received, arrival: int) -> KafkaRecord:
        place = self._mqtt.read(message.topic)
        if place is None:
            raise RefusedError(f"topic {message.topic!r} is not under {self._mqtt.prefix!r}")
        if not is_client_id(place.device_id):
            raise RefusedError(
                f"device id {place.device_id!r} is not of the form [A-Za-z0-9._:-]{{1,128}}"
            )
        if len(message.payload) > self._payload_bytes_max:
            raise RefusedError(
                f"payload of {len(message.payload)} bytes is above payload_bytes_max "
                f"({self._payload_bytes_max}); raise TIDEMILL_MQTT_PAYLOAD_BYTES_MAX"
            )
        if place.kind == "status":
            return self._status(place.device_id, message.payload, arrival)
        if place.kind == TELEMETRY:
            return self._telemetry(place.device_id, message.payload, arrival)
        raise RefusedError(f"topic {message.topic!r} is neither telemetry nor status")

    def _telemetry(self, device_id: str, payload: bytes, arrival: int) -> KafkaRecord:
        fields = parse_object(payload)
        event_type = _event_type(fields)
        time = device_time(fields.get("timestamp"))
        reading_id = _reading_id(device_id, fields.get("seq"), time, arrival, payload)
        metrics = canonical(_metrics(fields))
        if event_type != TELEMETRY:
            event = DeviceEvent(event_type, metrics, time or arrival)
            return self._event(device_id, reading_id, event, arrival)
        body = Reading(reading_id, metrics, time, arrival)
        envelope = Envelope(reading_id, "Reading", arrival, "device", device_id)
        return KafkaRecord(self._kafka.telemetry, device_id.encode(), encode(envelope, body))

    def _status(self, device_id: str, payload: bytes, arrival: int) -> KafkaRecord:
        text = payload.strip().lower()
        fields: dict[str, Any] = {}
        if text in (b"online", b"offline"):
            online = text == b"online"
        else:
            fields = parse_object(payload)
            online = _online(fields)
        time = device_time(fields.get("timestamp"))
        name = "online" if online else "offline"
        event_id = _reading_id(device_id, fields.get("seq"), time, arrival, payload)
        event = DeviceEvent(name, canonical(fields), time or arrival)
        return self._event(device_id, f"{event_id}:{name}", event, arrival)

    def _event(
        self, device_id: str, event_id: str, event: DeviceEvent, arrival: int
    ) -> KafkaRecord:
        envelope = Envelope(event_id, "DeviceEvent", arrival, "device", device_id)
        return KafkaRecord(self._kafka.device_events, device_id.encode(), encode(envelope, event))


def device_time(value: object) -> int:
    """Return milliseconds since 1970 of a payload's timestamp; 0 where it has none.

    Raises:
        RefusedError: it is neither such a number nor RFC 3339 text.
    """
    if value is None:
        return 0
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError as error:
            raise RefusedError(f"timestamp {value!r} is not RFC 3339") from error
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return int(moment.timestamp() * 1000)
    if (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and 0 <= value < _YEAR_9999_MS
    ):
        return int(value)
    raise RefusedError(f"timestamp {value!r} is neither RFC 3339 nor milliseconds since 1970")


def _reading_id(device_id: str, seq: object, time: int, arrival: int, payload: bytes) -> str:
    if isinstance(seq, int) and not isinstance(seq, bool):
        return f"{device_id}:{seq}"
    if isinstance(seq, str) and 0 < len(seq) <= _SEQ_LENGTH_MAX:
        return f"{device_id}:{seq}"
    if seq is not None:
        raise RefusedError(f"seq {seq!r} is neither an integer nor text of 1 to 64 characters")
    # Without sequence and time, two equal readings cannot be told from one that came twice:
    # the time of arrival keeps both, for a reading lost is worse than one counted twice.
    digest = hashlib.blake2b(payload, digest_size=8).hexdigest()
    return f"{device_id}:{time or arrival}:{digest}"


def _event_type(fields: dict[str, Any]) -> str:
    event_type = fields.get("event_type", TELEMETRY)
    if not isinstance(event_type, str) or not is_client_id(event_type):
        raise RefusedError(f"event_type {event_type!r} is not of the form [A-Za-z0-9._:-]{{1,128}}")
    return event_type


def _metrics(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the payload's `metrics`, or all fields that have no meaning of their own."""
    if "metrics" in fields:
        metrics = fields["metrics"]
        if not isinstance(metrics, dict):
            raise RefusedError("metrics is not a JSON object")
    else:
        metrics = {name: value for name, value in fields.items() if name not in _RESERVED}
    if not metrics:
        raise RefusedError("the payload has no metrics")
    return metrics


def _online(fields: dict[str, Any]) -> bool:
    status = fields.get("status")
    if isinstance(fields.get("online"), bool):
        return bool(fields["online"])
    if status in ("online", "offline"):
        return bool(status == "online")
    raise RefusedError(
        'a status is the text online or offline, {"status": "online"} or {"online": true}'
    )
