"""A verifier in this process, for tests that publish and have no need of another process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from streams.verifier.request import answer
from streams.verifier.settings import VerifierSettings
from streams.verifier.verifier import Verifier
from topics.settings import KafkaSettings


@contextmanager
def verifying(settings: KafkaSettings) -> Iterator[Verifier]:
    """Judge what is submitted, on a thread; proofs have no bound but the number of states.

    Raises:
        ClusterError: the topics cannot be used.
    """
    own = VerifierSettings(
        kafka_bootstrap_servers=settings.kafka_bootstrap_servers,
        topic_prefix=settings.topic_prefix,
    )
    stop = threading.Event()
    made = Verifier(own, stop, answer)
    thread = threading.Thread(target=made.run, name="verifier", daemon=True)
    thread.start()
    try:
        yield made
    finally:
        stop.set()
        thread.join(15)
