"""What the doctor measures, on real brokers with known limits."""

import asyncio

import pytest

from connectors.mqtt import mosquitto
from connectors.mqtt.broker import BrokerOptions, MqttBroker
from connectors.mqtt.doctor import Doctor
from connectors.mqtt.settings import MqttSettings
from connectors.mqtt.testing import broker_kind, settings_for


def findings(settings, queue_wanted=500):
    diagnosis = asyncio.run(Doctor(settings, queue_wanted).examine())
    return diagnosis, {finding.name: finding for finding in diagnosis.findings}


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_generous_broker_is_healthy(mqtt_broker, version):
    settings = settings_for(mqtt_broker, version=version, receive_maximum=100)
    diagnosis, found = findings(settings)
    assert diagnosis.healthy
    assert {finding.verdict for finding in diagnosis.findings} == {"ok"}
    assert found["queue for an absent client"].measured == "at least 500"
    assert found["largest message"].measured == f"at least {settings.payload_bytes_max}"


def test_limits_are_measured_and_the_advice_names_the_broker_s_settings(tmp_path):
    if broker_kind() == "artemis" or mosquitto.executable() is None:
        pytest.skip("mosquitto is not installed: only it has these limits")
    broker = MqttBroker(BrokerOptions(tmp_path, "mosquitto", queue_max=150, inflight_max=20))
    broker.start()
    settings = settings_for(broker, version="3.1.1", receive_maximum=100)
    diagnosis, found = findings(settings)
    broker.stop()
    assert not diagnosis.healthy
    queue, window = found["queue for an absent client"], found["in-flight window"]
    assert (queue.verdict, queue.measured) == ("problem", 150)
    assert "max_queued_messages" in queue.advice
    assert (window.verdict, window.measured) == ("warning", 20)
    assert "max_inflight_messages" in window.advice


def test_no_broker_is_one_finding_that_says_where_it_was_sought():
    diagnosis, found = findings(MqttSettings(url="mqtt://127.0.0.1:1"))
    assert not diagnosis.healthy
    assert "mqtt://127.0.0.1:1" in found["connection"].advice
