"""Pytest fixtures with a real MQTT broker, for our tests and for users' own.

`pytest_plugins = ["connectors.mqtt.testing"]` in a conftest makes them known. The broker is
Mosquitto where it is installed, else Artemis; `TIDEMILL_TEST_MQTT=artemis` chooses.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from typing import cast

import pytest

from connectors.mqtt.broker import BrokerOptions, Kind, MqttBroker
from connectors.mqtt.settings import MqttSettings


def broker_kind() -> Kind:
    """Return the broker that the environment chooses for tests."""
    return cast("Kind", os.environ.get("TIDEMILL_TEST_MQTT", "auto"))


def settings_for(broker: MqttBroker, **changes: object) -> MqttSettings:
    """Return settings for this broker with topics and sessions that nobody else uses."""
    unique = secrets.token_hex(4)
    values: dict[str, object] = {
        "url": broker.url,
        "prefix": f"test-{unique}",
        "client_id": f"bridge-{unique}",
        "backoff_max": 0.5,
    }
    return MqttSettings.model_validate(values | changes)


@pytest.fixture(scope="session")
def mqtt_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MqttBroker]:
    """Return a broker that all tests share; it must be left running."""
    broker = MqttBroker(BrokerOptions(tmp_path_factory.mktemp("mqtt"), broker_kind()))
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def own_mqtt_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MqttBroker]:
    """Return a broker of the test's own, to kill and restart."""
    broker = MqttBroker(BrokerOptions(tmp_path_factory.mktemp("mqtt-own"), broker_kind()))
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def mqtt_settings(mqtt_broker: MqttBroker) -> MqttSettings:
    """Return settings for the shared broker."""
    return settings_for(mqtt_broker)
