"""Settings of the MQTT connection."""

import pytest
from pydantic import SecretStr

from connectors.mqtt.bridge import Bridge
from connectors.mqtt.settings import BridgeSettings, InvalidCredentialsError, MqttSettings


def test_the_port_follows_the_scheme():
    assert MqttSettings(url="mqtt://broker").address() == ("broker", 1883, False)
    assert MqttSettings(url="mqtts://broker").address() == ("broker", 8883, True)
    assert MqttSettings(url="mqtts://broker:9000").address() == ("broker", 9000, True)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"url": "http://broker"}, "not of the form"),
        ({"url": "mqtt://u:p@broker"}, "carries a user"),
        ({"username": "u"}, "both a name and a password"),
        ({"password": SecretStr("p")}, "both a name and a password"),
        ({"url": "mqtts://b", "certificate": "c.pem"}, "needs its key"),
        ({"certificate": "c.pem", "key": "k.pem"}, "is not TLS"),
        ({"ca": "ca.pem"}, "is not TLS"),
        ({"url": "mqtts://b", "ca": "/nowhere/ca.pem"}, "cannot load"),
    ],
)
def test_credentials_of_another_form_are_refused(values, words):
    with pytest.raises(InvalidCredentialsError, match=words) as caught:
        MqttSettings(**values).tls_context()
    assert caught.value.code == "InvalidCredentials"


def test_settings_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("TIDEMILL_MQTT_URL", "mqtt://there:1")
    monkeypatch.setenv("TIDEMILL_MQTT_PREFIX", "plant/7")
    monkeypatch.setenv("TIDEMILL_BRIDGE_GROUP", "g")
    settings = BridgeSettings()
    assert (settings.mqtt.url, settings.mqtt.prefix) == ("mqtt://there:1", "plant/7")
    assert settings.bridge_group == "g"


def test_the_password_is_not_shown():
    assert "sesame" not in repr(MqttSettings(username="u", password=SecretStr("sesame")))


def test_a_bridge_without_kafka_says_what_to_set(monkeypatch):
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    with pytest.raises(ValueError, match="KAFKA_BOOTSTRAP_SERVERS"):
        Bridge(BridgeSettings())
