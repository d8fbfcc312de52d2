"""The map of Kafka: every topic once, creation and verification, the embedded Kafka."""
