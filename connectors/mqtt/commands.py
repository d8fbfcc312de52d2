"""From a record of `iot.commands` to an MQTT message. Pure."""

from __future__ import annotations

from typing import NamedTuple

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from connectors.mqtt.names import MqttNames, is_command
from connectors.mqtt.payload import RefusedError
from schemas.codec import DecodeError, decode
from schemas.ids import is_client_id
from schemas.json_text import JsonError, canonical, parse_object
from schemas.telemetry import DeviceCommand


class Publication(NamedTuple):
    """One MQTT message to publish."""

    topic: str
    payload: bytes
    properties: Properties | None = None


def publication(value: bytes, names: MqttNames, *, properties: bool) -> Publication:
    """Return what a command's record asks to publish.

    Args:
        value: The record's value.
        names: The topics of the MQTT side.
        properties: Whether to carry the request id as MQTT 5 properties too.

    Raises:
        RefusedError: the record cannot be published; the text says why.
    """
    try:
        envelope, body = decode(value)
    except DecodeError as error:
        raise RefusedError(str(error)) from error
    if not isinstance(body, DeviceCommand):
        raise RefusedError(f"{envelope.type} is not a DeviceCommand")
    device_id = envelope.aggregate_id
    if not is_client_id(device_id):
        raise RefusedError(f"device id {device_id!r} is not of the form [A-Za-z0-9._:-]{{1,128}}")
    if not is_command(body.command):
        raise RefusedError(f"command {body.command!r} is not of the form [A-Za-z0-9._:-]{{1,128}}")
    return Publication(
        names.command(device_id, body.command),
        _payload(body),
        request_properties(body.request_id, body.response_topic) if properties else None,
    )


def request_properties(request_id: str, response_topic: str) -> Properties | None:
    """Return MQTT 5's correlation data and response topic; None where there are none."""
    if not request_id:
        return None
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.CorrelationData = request_id.encode()
    if response_topic:
        properties.ResponseTopic = response_topic
    return properties


def _payload(body: DeviceCommand) -> bytes:
    """Return the parameters; who waits for an answer says so beside them."""
    if not body.response_topic:
        return body.parameters
    try:
        parameters = parse_object(body.parameters)
    except JsonError as error:
        raise RefusedError(f"the command's parameters are {error}") from error
    answer = {"request_id": body.request_id, "response_topic": body.response_topic}
    return canonical(parameters | answer)
