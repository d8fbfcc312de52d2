"""The benchmark: what this machine reaches, beside raw librdkafka on the same broker."""
