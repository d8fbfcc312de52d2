"""MQTT: the bridge between devices and Kafka, and a real broker for tests and the demo."""
