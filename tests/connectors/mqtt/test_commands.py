"""From records of `iot.commands` to MQTT messages."""

import json

import pytest

from connectors.mqtt.commands import publication
from connectors.mqtt.names import MqttNames
from connectors.mqtt.payload import RefusedError
from schemas.codec import encode
from schemas.envelope import Envelope
from schemas.telemetry import DeviceCommand, Reading

NAMES = MqttNames("p")


def value(body, device_id="d1", kind="DeviceCommand"):
    return encode(Envelope("task-1", kind, 1, "device", device_id), body)


def test_a_command_is_its_parameters_on_the_devices_topic():
    made = publication(
        value(DeviceCommand("initialize", b'{"interval":60}', "task-1")), NAMES, properties=True
    )
    assert (made.topic, made.payload) == ("p/devices/d1/commands/initialize", b'{"interval":60}')
    assert made.properties.CorrelationData == b"task-1"


def test_who_waits_for_an_answer_says_so_in_the_payload_and_the_properties():
    body = DeviceCommand("measure", b'{"n":1}', "task-1", "p/answers/1")
    made = publication(value(body), NAMES, properties=True)
    assert json.loads(made.payload) == {
        "n": 1,
        "request_id": "task-1",
        "response_topic": "p/answers/1",
    }
    assert made.properties.ResponseTopic == "p/answers/1"
    assert publication(value(body), NAMES, properties=False).properties is None


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"junk", "not an Avro"),
        (value(Reading("r", b"{}"), kind="Reading"), "is not a DeviceCommand"),
        (value(DeviceCommand("a/b")), "command 'a/b'"),
        (value(DeviceCommand("#")), "command '#'"),
        (value(DeviceCommand("go"), device_id="+"), "device id '+'"),
        (value(DeviceCommand("go", b"[]", "r", "t")), "not a JSON object"),
    ],
)
def test_what_cannot_be_published_is_refused_with_its_reason(data, why):
    with pytest.raises(RefusedError, match=why.replace("+", r"\+")):
        publication(data, NAMES, properties=False)
