"""From MQTT messages to Kafka records."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.mqtt.manual_ack import UNREADABLE_TOPIC, Received
from connectors.mqtt.names import MqttNames
from connectors.mqtt.payload import KafkaRecord, RefusedError, Translator, device_time
from schemas.codec import decode
from schemas.telemetry import DeviceEvent, Reading
from topics.names import Names

ARRIVAL = 1_800_000_000_000
TRANSLATOR = Translator(MqttNames("plant/a"), Names("x-"), payload_bytes_max=1_000)


def record(payload: bytes | dict, topic: str = "plant/a/devices/d1/telemetry") -> KafkaRecord:
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return TRANSLATOR.record(Received(topic, data, 1, False, False, 7), ARRIVAL)


def reading(payload: dict) -> Reading:
    result = record(payload)
    assert result.dead == ""
    body = decode(result.value).body
    assert isinstance(body, Reading)
    return body


def test_a_reading_keeps_sequence_metrics_and_both_times():
    result = record({"seq": 7, "timestamp": "2026-01-02T03:04:05Z", "temperature": 21.5})
    envelope, body = decode(result.value)
    assert (result.topic, result.key) == ("x-iot.telemetry", b"d1")
    assert (envelope.id, envelope.aggregate_type, envelope.aggregate_id) == (
        "d1:7",
        "device",
        "d1",
    )
    assert body == Reading("d1:7", b'{"temperature":21.5}', 1_767_323_045_000, ARRIVAL)


def test_metrics_may_stand_in_an_object_of_their_own():
    body = reading({"seq": 1, "metrics": {"b": 1, "a": {"deep": [1, 2]}}, "site": "north"})
    assert body.metrics == b'{"a":{"deep":[1,2]},"b":1}'


def test_a_sequence_may_be_text_so_that_a_restart_can_name_its_boot():
    assert reading({"seq": "boot4-12", "t": 1}).reading_id == "d1:boot4-12"


def test_without_sequence_the_time_and_a_hash_make_the_id():
    payload = {"timestamp": 5, "t": 1}
    assert reading(payload).reading_id == reading(payload).reading_id
    assert reading(payload).reading_id.startswith("d1:5:")
    assert reading(payload).reading_id != reading({"timestamp": 5, "t": 2}).reading_id


def test_without_sequence_and_time_two_equal_readings_are_two():
    data = b'{"t":1}'
    message = Received("plant/a/devices/d1/telemetry", data, 1, False, False, 7)
    first, second = TRANSLATOR.record(message, ARRIVAL), TRANSLATOR.record(message, ARRIVAL + 1)
    assert decode(first.value).envelope.id != decode(second.value).envelope.id


def test_a_device_defined_event_goes_to_the_events():
    result = record({"seq": 3, "event_type": "door.opened", "by": "badge 7", "timestamp": 9})
    envelope, body = decode(result.value)
    assert result.topic == "x-iot.events"
    assert (envelope.aggregate_id, body) == (
        "d1",
        DeviceEvent("door.opened", b'{"by":"badge 7"}', 9),
    )


@pytest.mark.parametrize(
    ("payload", "name"),
    [
        (b"online", "online"),
        (b" Offline\n", "offline"),
        (b'{"status":"online"}', "online"),
        (b'{"online":false}', "offline"),
    ],
)
def test_coming_and_going_are_device_events(payload, name):
    result = record(payload, "plant/a/devices/d1/status")
    body = decode(result.value).body
    assert result.topic == "x-iot.events"
    assert isinstance(body, DeviceEvent)
    assert (body.event_type, body.time) == (name, ARRIVAL)


@pytest.mark.parametrize(
    ("topic", "payload", "why"),
    [
        ("plant/a/devices/d1/telemetry", b"\xff\x00", "not a JSON object"),
        ("plant/a/devices/d1/telemetry", b"[1]", "not a JSON object"),
        ("plant/a/devices/d1/telemetry", b'{"t":9223372036854775808}', "outside int64"),
        ("plant/a/devices/d1/telemetry", b"{}", "has no metrics"),
        ("plant/a/devices/d1/telemetry", b'{"metrics":[1]}', "not a JSON object"),
        ("plant/a/devices/d1/telemetry", b'{"seq":1.5,"t":1}', "seq 1.5"),
        ("plant/a/devices/d1/telemetry", b'{"seq":true,"t":1}', "seq True"),
        ("plant/a/devices/d1/telemetry", b'{"timestamp":"noon","t":1}', "RFC 3339"),
        ("plant/a/devices/d1/telemetry", b'{"timestamp":-5,"t":1}', "milliseconds"),
        ("plant/a/devices/d1/telemetry", b'{"event_type":"a b","t":1}', "event_type"),
        ("plant/a/devices/d1/telemetry", b'{"t":"' + b"x" * 1_000 + b'"}', "payload_bytes_max"),
        ("plant/a/devices/d~1/telemetry", b'{"t":1}', "device id 'd~1'"),
        ("plant/a/devices/Gerät/telemetry", b'{"t":1}', "device id"),
        ("plant/a/devices/d1/status", b"perhaps", "not a JSON object"),
        ("plant/a/devices/d1/status", b'{"status":"asleep"}', "online or offline"),
        ("plant/a/devices/d1/other", b'{"t":1}', "neither telemetry nor status"),
        ("plant/b/devices/d1/telemetry", b'{"t":1}', "not under 'plant/a'"),
        (UNREADABLE_TOPIC, b'{"t":1}', "not under"),
    ],
)
def test_what_cannot_be_used_is_a_dead_letter_that_says_why_and_from_where(topic, payload, why):
    result = record(payload, topic)
    headers = dict(result.headers or [])
    assert result.topic == "x-workflow.dead-letters"
    assert result.value == payload
    assert why in headers["reason"].decode()
    assert (headers["source"], headers["mqtt_topic"]) == (b"mqtt", topic.encode())


def test_a_huge_payload_is_kept_in_part_with_its_size():
    result = record(b"x" * 200_000)
    assert len(result.value) == 65_536
    assert dict(result.headers or [])["cut_from_bytes"] == b"200000"


@given(st.binary(max_size=200), st.text(max_size=40))
def test_no_bytes_and_no_topic_break_the_translation(payload, level):
    result = record(payload, f"plant/a/devices/{level}/telemetry")
    assert result.dead or decode(result.value).envelope.aggregate_id == level


@given(st.dictionaries(st.text(min_size=1, max_size=5), st.integers(0, 9), min_size=1))
def test_the_same_bytes_with_a_sequence_always_give_the_same_reading(metrics):
    payload = {"seq": 3, "metrics": metrics}
    assert record(payload).value == record(payload).value


def test_times_without_zone_are_utc_and_others_are_converted():
    assert device_time("1970-01-01T00:00:01") == 1_000
    assert device_time("1970-01-01T01:00:01+01:00") == 1_000
    assert device_time(1_234.9) == 1_234
    with pytest.raises(RefusedError):
        device_time(float("inf"))
