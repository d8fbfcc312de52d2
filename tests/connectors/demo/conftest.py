"""A real MQTT broker for the tests of this folder."""

from connectors.mqtt.testing import mqtt_broker, mqtt_settings, own_mqtt_broker

__all__ = ["mqtt_broker", "mqtt_settings", "own_mqtt_broker"]
