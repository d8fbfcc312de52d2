"""Which Kafka to use: the environment's, else the embedded one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from topics.embedded import EmbeddedKafka
from topics.settings import KafkaSettings

S = TypeVar("S", bound=KafkaSettings)


@contextmanager
def connected(settings: S, progress: Callable[[str], None], *, start: bool = True) -> Iterator[S]:
    """Yield settings that name a running Kafka; stop only what was started here.

    Without `start`, an embedded Kafka has to run already (`tidemill up`).
    """
    if settings.kafka_bootstrap_servers:
        yield settings
        return
    kafka = EmbeddedKafka(settings.data_dir / "kafka", progress=progress)
    was_running = kafka.running() is not None
    if not was_running and not start:
        raise NoKafkaError(
            f"no Kafka runs under {settings.data_dir}: start one with `tidemill up`, or set "
            "KAFKA_BOOTSTRAP_SERVERS"
        )
    bootstrap = kafka.start()
    try:
        yield settings.model_copy(update={"kafka_bootstrap_servers": bootstrap})
    finally:
        if not was_running:
            kafka.stop()


class NoKafkaError(Exception):
    """There is no Kafka to connect to; the message says what to do."""
