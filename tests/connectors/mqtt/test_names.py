"""MQTT topics."""

import pytest

from connectors.mqtt.names import MqttNames, Place, is_command, is_level


def test_topics_are_the_documented_ones_under_a_prefix_of_several_levels():
    names = MqttNames("/plant/north/")
    assert names.telemetry("d1") == "plant/north/devices/d1/telemetry"
    assert names.status("d1") == "plant/north/devices/d1/status"
    assert names.command("d1", "initialize") == "plant/north/devices/d1/commands/initialize"
    assert names.status_get("d1") == "plant/north/devices/d1/status/get"
    assert names.status_response("d1", "r") == "plant/north/devices/d1/status/response/r"


def test_without_a_prefix_topics_begin_with_devices():
    assert MqttNames("").telemetry("d1") == "devices/d1/telemetry"


@pytest.mark.parametrize(
    ("topic", "place"),
    [
        ("p/devices/d1/telemetry", Place("d1", "telemetry")),
        ("p/devices/d1/status/response/a@b:1", Place("d1", "status/response/a@b:1")),
        ("p/devices/d1", None),
        ("q/devices/d1/telemetry", None),
        ("devices/d1/telemetry", None),
    ],
)
def test_device_and_kind_are_read_off_a_topic(topic, place):
    assert MqttNames("p").read(topic) == place


@pytest.mark.parametrize("text", ["", "a/b", "+", "a#", "nul\x00", "x" * 257])
def test_what_would_be_another_topic_is_no_level(text):
    assert not is_level(text)


def test_a_task_id_is_a_level_but_no_command():
    assert is_level("order-1~2@abc:17")
    assert not is_command("order-1~2@abc:17")
    assert is_command("initialize")
