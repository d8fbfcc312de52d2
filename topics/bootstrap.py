"""Which Kafka to use: the environment's, else the embedded one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from topics.embedded import EmbeddedKafka
from topics.settings import KafkaSettings

S = TypeVar("S", bound=KafkaSettings)


class NoKafkaError(Exception):
    """There is no Kafka to connect to; the message says what to do."""


@contextmanager
def connected(settings: S, progress: Callable[[str], None], *, start: bool = True) -> Iterator[S]:
    """Yield settings that name a running Kafka; stop only what was started here.

    `KAFKA_BOOTSTRAP_SERVERS` wins. Otherwise the embedded Kafka under `TIDEMILL_DATA_DIR` is
    attached to, or started, in which case it ends with this process at the latest. Without
    `start` it has to run already (`tidemill up`), else `NoKafkaError`.
    """
    if settings.kafka_bootstrap_servers:
        yield settings
        return
    kafka = embedded(settings, progress, die_with_parent=True)
    if kafka.running() is None and not start:
        raise NoKafkaError(
            f"no Kafka runs under {settings.data_dir}: start one with `tidemill up`, or set "
            "KAFKA_BOOTSTRAP_SERVERS"
        )
    bootstrap = kafka.start()
    try:
        yield settings.model_copy(update={"kafka_bootstrap_servers": bootstrap})
    finally:
        if kafka.started:
            kafka.stop()


def embedded(
    settings: KafkaSettings, progress: Callable[[str], None], *, die_with_parent: bool = False
) -> EmbeddedKafka:
    """Return the embedded Kafka that these settings mean, running or not."""
    return EmbeddedKafka(
        settings.data_dir / "kafka", die_with_parent=die_with_parent, progress=progress
    )
