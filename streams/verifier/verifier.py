"""The verifier: reads what was submitted, and sends what it finds of each.

It keeps nothing: what waits stands in `workflow.definitions`, and a verdict is sent before
anything is noted. Killed at any moment, it judges again what has no verdict; several may run,
as the engine takes the first verdict and absorbs the others.
"""

from __future__ import annotations

import threading
import time
from typing import Final

import structlog
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from prometheus_client import start_http_server

from schemas.codec import encode
from schemas.ids import routing_key
from schemas.results import RecordVerdict
from streams.metrics import MetricsPortError
from streams.runtime.cluster import identify
from streams.verifier.court import Court, Prove
from streams.verifier.metrics import VerifierMetrics
from streams.verifier.pending import Task, verdict_envelope
from streams.verifier.prover import Prover
from streams.verifier.settings import VerifierSettings
from topics.names import Names
from topics.reading import read

log = structlog.get_logger(__name__)
_POLL_SECONDS: Final = 0.2
_FLUSH_SECONDS: Final = 10.0


class Verifier:
    """Judges what waits, one version after the other, until it is told to stop."""

    def __init__(self, settings: VerifierSettings, stop: threading.Event, prove: Prove) -> None:
        """Connect.

        Args:
            settings: Where Kafka is, and how far proofs go.
            stop: Set where `run` shall end.
            prove: Who proves.

        Raises:
            ClusterError: the topics cannot be used.
        """
        servers = settings.kafka_bootstrap_servers
        self._names = Names(settings.topic_prefix)
        self._stop = stop
        self._court = Court(prove, settings.verifier_max_states, settings.verifier_group_seconds)
        self.metrics = VerifierMetrics()
        admin = AdminClient({"bootstrap.servers": servers})
        self._unread = set(range(identify(admin, self._names).partitions))
        self._consumer = Consumer(
            {
                "bootstrap.servers": servers,
                "group.id": f"{settings.topic_prefix}verifier",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 50,
            }
        )
        self._producer = Producer(
            {
                "bootstrap.servers": servers,
                "partitioner": "murmur2_random",
                "acks": "all",
                "enable.idempotence": True,
                "compression.type": "lz4",
                "linger.ms": 0,
                "message.max.bytes": 4 * 1024 * 1024,
            }
        )

    def run(self) -> None:
        """Judge until stopped; nothing is judged before all that is decided has been read."""
        topic = self._names.definitions
        self._consumer.assign([TopicPartition(topic, p, 0) for p in sorted(self._unread)])
        try:
            while not self._stop.is_set():
                self._read()
                if not self._unread:
                    self._judge()
                self._producer.poll(0)
        finally:
            self._consumer.close()
            self._producer.flush(_FLUSH_SECONDS)

    def _read(self) -> None:
        waits = not self._unread and self._court.next(time.monotonic()) is not None
        records, reported = read(self._consumer, 500, 0.0 if waits else _POLL_SECONDS)
        for record in records:
            self._court.add(record.partition, record.value)
        for one in reported:
            if one.error.code() != KafkaError._PARTITION_EOF:
                log.warning("reading definitions", error=one.error.str())
            elif self._unread:
                self._unread.discard(one.partition)
                if not self._unread:
                    log.info("verifying", pending=len(self._court))
        self.metrics.pending.set(len(self._court))

    def _judge(self) -> None:
        begun = time.monotonic()
        task = self._court.next(begun)
        if task is None:
            return
        verdict = self._court.judge(task, begun)
        if verdict is None:
            return
        seconds = time.monotonic() - begun
        self._court.answered(task, verdict)
        self._send(task, verdict)
        self.metrics.verdicts.labels(verdict.verdict).inc()
        self.metrics.seconds.inc(seconds)
        log.info(
            "judged",
            definition=f"{task.record.definition_id}@{task.record.version}",
            verdict=verdict.verdict,
            states=verdict.states,
            seconds=round(seconds, 3),
        )

    def _send(self, task: Task, verdict: RecordVerdict) -> None:
        def delivered(error: KafkaError | None, _message: Message) -> None:
            if error is not None:
                log.warning("a verdict is not delivered: it is made again", error=error.str())
                self._court.unanswered(task)

        tenant, target, _ = task.key
        value = encode(verdict_envelope(task, time.time_ns() // 1_000_000), verdict)
        key = routing_key(tenant, target).encode()
        self._producer.produce(self._names.results, value, key, on_delivery=delivered)


def run_verifier(settings: VerifierSettings, stop: threading.Event) -> None:
    """Verify until stopped, in a process beside this one.

    Raises:
        ClusterError: the topics cannot be used.
        MetricsPortError: the metrics cannot be served.
        ProverError: proofs cannot be made here.
    """
    with Prover(settings, stop) as prover:
        made = Verifier(settings, stop, prover.prove)
        if settings.verifier_metrics_port:
            _serve(made.metrics, settings.verifier_metrics_port)
        made.run()
    log.info("stopped")


def _serve(metrics: VerifierMetrics, port: int) -> None:
    try:
        start_http_server(port, registry=metrics.registry)
    except OSError as error:
        raise MetricsPortError(
            f"cannot serve metrics on port {port} ({error.strerror}): set "
            "TIDEMILL_VERIFIER_METRICS_PORT to another one for each verifier of this machine"
        ) from error
