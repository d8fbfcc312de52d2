"""Reads one queue, keeps the marks, writes the results: one thread, one consumer, one producer."""

from __future__ import annotations

import threading
import time
from collections import deque
from functools import partial

import msgspec
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from connectors.workers.attempt import Task, result_envelope, too_large
from connectors.workers.executor import Executor, Running, started
from connectors.workers.marks import SPAN_MAX, Marks
from connectors.workers.settings import WorkerSettings
from schemas.codec import DecodeError, decode, encode
from schemas.ids import routing_key
from schemas.results import HeartbeatActivity
from schemas.tasks import ActivityTask
from topics.names import Names
from topics.reading import Consumed, read

log = structlog.get_logger(__name__)
_READ_MAX = 500
_COMMIT_SECONDS = 1.0
_BEATS_PER_TIMEOUT = 3
_NOTHING = (0, "")
_FULL_SLEEP = 0.002
_PAUSE_AFTER = 0.25
"""Seconds at the limit without reading; then the consumer pauses and polls on."""


class QueueFeed:
    """Hands the tasks of one queue to an executor and reports what became of them."""

    def __init__(
        self, settings: WorkerSettings, names: Names, queue: str, executor: Executor
    ) -> None:
        """Connect; reading begins with `run`."""
        self._settings = settings
        self._topic = names.queue(queue)
        self._results = names.results
        self._executor = executor
        self._marks: dict[int, Marks] = {}
        self._committed: dict[int, tuple[int, str]] = {}
        self._finished: deque[tuple[int, int]] = deque()
        self._full_since = 0.0
        self._paused = False
        self._checked = time.monotonic()
        self.stopping = threading.Event()
        servers = {"bootstrap.servers": settings.kafka_bootstrap_servers}
        self._producer = Producer(
            {
                **servers,
                "partitioner": "murmur2_random",
                "enable.idempotence": True,
                # With more, the first results on a partition whose leader is not ready yet may
                # be acknowledged and lost: connectors/mqtt/sink.py says how.
                "max.in.flight.requests.per.connection": 1,
                "compression.type": "lz4",
                # Less than a chunk of tasks takes: its first result does not go alone. Under
                # load, what waits for the request under way is sent together.
                "linger.ms": 0.5,
                # A result waits for Kafka for as long as that takes.
                "message.timeout.ms": 0,
                "message.max.bytes": 4 * 1024 * 1024,
            }
        )
        self._consumer = Consumer(
            {
                **servers,
                "group.id": f"{names.prefix}workers.{queue}",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "partition.assignment.strategy": "cooperative-sticky",
                "session.timeout.ms": int(settings.worker_session_timeout * 1000),
                "heartbeat.interval.ms": int(settings.worker_session_timeout * 250),
                "fetch.wait.max.ms": 100,
                "fetch.queue.backoff.ms": 5,
                "queued.min.messages": 2_000,
            }
        )

    # Reading.

    def run(self) -> None:
        """Read until told to stop, drain, and commit."""
        self._consumer.subscribe(
            [self._topic],
            on_assign=self._assigned,
            on_revoke=self._revoked,
            on_lost=self._lost,
        )
        while not self.stopping.is_set():
            self._step()
        self._drain()

    def _step(self) -> None:
        if self._full_since and not self._paused:
            time.sleep(_FULL_SLEEP)
        else:
            self._read(_FULL_SLEEP if self._paused else 0.05)
        self._settle()
        self._balance()
        now = time.monotonic()
        if now - self._checked >= _COMMIT_SECONDS:
            self._checked = now
            self._look_after(now)
            self._commit(list(self._marks))

    def _read(self, timeout: float) -> None:
        records, reported = read(self._consumer, _READ_MAX, timeout)
        tasks = [task for record in records if (task := self._task(record)) is not None]
        if tasks:
            self._executor.submit(tasks, self.report)
        for one in reported:
            log.warning("reading tasks", topic=self._topic, error=one.error.str())

    def _task(self, record: Consumed) -> Task | None:
        """Return what to run; None where it is finished, being run, or no task."""
        marks = self._marks.get(record.partition)
        if marks is None or not marks.begin(record.offset):
            return None
        try:
            envelope, body = decode(record.value or b"")
            if not isinstance(body, ActivityTask):
                raise DecodeError(f"a {envelope.type} is no task")
        except DecodeError as error:
            # Nobody could run it; the engine's time-out or an operator settles the activity.
            log.warning(
                "unreadable task",
                topic=self._topic,
                partition=record.partition,
                offset=record.offset,
                error=str(error),
            )
            marks.finish(record.offset)
            return None
        return Task(record.partition, record.offset, envelope, body, marks)

    def _balance(self) -> None:
        """Read no more at the limit, and pause where that lasts: membership needs polls.

        A pause throws away what librdkafka has fetched ahead: twice the work for short tasks.
        """
        limit = self._settings.worker_prefetch
        far = any(marks.span >= SPAN_MAX for marks in self._marks.values())
        held, now = self._executor.held, time.monotonic()
        if self._full_since:
            if held <= limit // 2 and not far:
                self._full_since = 0.0
                self._pause(wanted=False)
            elif now - self._full_since >= _PAUSE_AFTER:
                self._pause(wanted=True)
        elif held >= limit or far:
            self._full_since = now

    def _pause(self, *, wanted: bool) -> None:
        if wanted == self._paused:
            return
        self._paused = wanted
        (self._consumer.pause if wanted else self._consumer.resume)(self._places())

    def _places(self) -> list[TopicPartition]:
        return [TopicPartition(self._topic, partition) for partition in self._marks]

    # Ownership.

    def _assigned(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        for place in consumer.committed(places, timeout=30):
            self._marks[place.partition] = Marks(max(place.offset, 0), place.metadata or "")
            self._committed.pop(place.partition, None)
        consumer.incremental_assign(places)
        if self._paused:
            consumer.pause(places)

    def _revoked(self, _consumer: Consumer, places: list[TopicPartition]) -> None:
        self._settle()
        self._commit([place.partition for place in places])
        self._lost(_consumer, places)

    def _lost(self, _consumer: Consumer, places: list[TopicPartition]) -> None:
        for place in places:
            marks = self._marks.pop(place.partition, None)
            if marks is not None:
                marks.lost = True

    def _commit(self, partitions: list[int]) -> None:
        places = []
        for partition in partitions:
            marks = self._marks.get(partition)
            if marks is None:
                continue
            state = marks.commit()
            if state != self._committed.get(partition, _NOTHING):
                places.append(TopicPartition(self._topic, partition, *state))
        if not places:
            return
        try:
            self._consumer.commit(offsets=places, asynchronous=False)
            for place in places:
                self._committed[place.partition] = (place.offset, place.metadata or "")
        except KafkaException as error:
            # What is not committed is at worst run again, under the same task ids.
            log.warning("committing", topic=self._topic, error=error.args[0].str())

    # Reporting.

    def finish(self, task: Task, result: msgspec.Struct | None) -> None:
        """Report a result; the task counts as finished once Kafka has it."""
        if result is None:
            self._finished.append((task.partition, task.offset))
        else:
            self._send(task, result, last=True)

    def report(self, task: Task, body: msgspec.Struct) -> None:
        """Report what is no result: a start or a heartbeat."""
        self._send(task, body, last=False)

    def _send(self, task: Task, body: msgspec.Struct, *, last: bool) -> None:
        envelope = result_envelope(task.envelope, body, time.time_ns() // 1_000_000)
        key = routing_key(envelope.context.tenant, envelope.aggregate_id).encode()
        place = (task.partition, task.offset)
        delivered = partial(self._delivered, place) if last else None
        value = encode(envelope, body)
        limit = self._settings.command_bytes_max
        if len(value) > limit:
            if not last:
                text = f"a heartbeat of {len(value)} bytes is above {limit} (command_bytes_max)"
                raise ValueError(f"{text}: give it less detail")
            self._send(task, too_large(task, body, len(value), limit), last=True)
            return
        while True:
            try:
                self._producer.produce(self._results, value, key, on_delivery=delivered)
                return
            except BufferError:
                time.sleep(0.01)

    def _delivered(
        self, place: tuple[int, int], error: KafkaError | None, _message: Message
    ) -> None:
        if error is None:
            self._finished.append(place)
        else:
            log.error("a result is not delivered: its task stays open", error=error.str())

    def _settle(self) -> None:
        """Mark what is finished; only this thread touches the marks."""
        self._producer.poll(0)
        while self._finished:
            partition, offset = self._finished.popleft()
            marks = self._marks.get(partition)
            if marks is not None:
                marks.finish(offset)

    def _look_after(self, now: float) -> None:
        """Detach what runs long, and give signs of life for it."""
        beat = self._settings.detached_heartbeat
        for running in list(self._executor.running.values()):
            if not running.detached and now - running.begun >= self._settings.detach_after:
                running.detached, running.beat_at = True, now
                self._send(running.task, started(running, int(beat * 1000)), last=True)
            elif running.detached and now - running.beat_at >= beat / _BEATS_PER_TIMEOUT:
                running.beat_at = now
                self._beat(running)

    def _beat(self, running: Running) -> None:
        task = running.task
        if task.body.heartbeat_ms:
            return  # The author asked for heartbeats that the activity gives itself.
        body = HeartbeatActivity(task.body.activity, task.body.attempt, running.context.worker)
        self._send(task, body, last=False)

    def _meanwhile(self) -> None:
        self._settle()
        now = time.monotonic()
        if now - self._checked >= _COMMIT_SECONDS:
            self._checked = now
            self._look_after(now)

    def _drain(self) -> None:
        self._executor.drop_waiting()
        left = self._executor.drain(self._settings.worker_drain, self._meanwhile)
        if left:
            log.warning("activities were left running: others will run them again", count=left)
        self._executor.close()
        self._producer.flush(30)
        self._settle()
        self._commit(list(self._marks))
        self._consumer.close()
