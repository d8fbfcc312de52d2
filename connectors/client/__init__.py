"""The client: commands to Kafka, replies and events back."""
