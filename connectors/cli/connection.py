"""How commands reach Kafka."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from connectors.cli.output import note
from connectors.client.client import Client
from topics.bootstrap import connected
from topics.settings import KafkaSettings


@contextmanager
def kafka() -> Iterator[KafkaSettings]:
    """Yield settings of a Kafka that runs already."""
    with connected(KafkaSettings(), note, start=False) as settings:
        yield settings


@contextmanager
def client() -> Iterator[Client]:
    """Yield a client."""
    with kafka() as settings, Client(settings) as made:
        yield made
