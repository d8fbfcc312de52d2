"""The client: commands to Kafka, answers as futures.

A command that is not answered in time is sent again under the same id: the engine takes
each id once, so that a retry is always safe.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from types import TracebackType
from typing import NamedTuple, Self

import msgspec
import structlog
from confluent_kafka import KafkaError, Message, Producer

from connectors.client.errors import (
    CommandRejectedError,
    NoAnswerError,
    NotReadyError,
    TooManyInFlightError,
)
from connectors.client.lock_keeper import LockKeeper
from connectors.client.locks import HeldLock, acquire, milliseconds, wanted
from connectors.client.options import PLAIN as PLAIN  # noqa: PLC0414 - for the outside
from connectors.client.options import Options as Options  # noqa: PLC0414 - for the outside
from connectors.client.replies import ReplyListener
from schemas import commands as c
from schemas.codec import encode
from schemas.envelope import Context, Envelope
from schemas.ids import routing_key
from schemas.json_text import canonical
from schemas.registry import public_type
from schemas.replies import Reply
from topics.names import Names
from topics.settings import KafkaSettings

log = structlog.get_logger(__name__)
_NAMESPACE = uuid.UUID("5a0b5c3e-9f5b-4d7c-8b55-7469646d696c")
_RESEND_SECONDS = 5.0
_LAG_PER_SECOND = 5_000.0
_RETRY_AFTER_MAX = 30.0


class Answer(NamedTuple):
    """What a command led to."""

    id: str
    """The aggregate's id: chosen here where the caller gave none."""
    reply: Reply


class _Waiting(msgspec.Struct):
    """A command that has no answer yet."""

    future: Future[Reply]
    key: bytes
    value: bytes
    sent: float


class Client:
    """Sends commands and waits for replies; thread-safe."""

    def __init__(self, settings: KafkaSettings, *, window: int = 1_000) -> None:
        """Connect; `NotReadyError` where Kafka or its topics are not there."""
        self._names = Names(settings.topic_prefix)
        self._window = window
        self._waiting: dict[str, _Waiting] = {}
        self._lock = threading.Lock()
        self._lag = 0
        self.positions: dict[int, int] = {}
        """Newest position seen, by partition: what a causal read asks for."""
        self.definitions_seen = ""
        self._listener = ReplyListener(
            settings.kafka_bootstrap_servers, self._names, self._answered
        )
        self._producer = Producer(
            {
                "bootstrap.servers": settings.kafka_bootstrap_servers,
                "partitioner": "murmur2_random",
                "acks": "all",
                "enable.idempotence": True,
                # As in connectors/mqtt/sink.py, which says what more could lose.
                "max.in.flight.requests.per.connection": 1,
                "compression.type": "lz4",
                "linger.ms": 1,
                "message.max.bytes": 4 * 1024 * 1024,
            }
        )
        self._stop = threading.Event()
        self._chores = threading.Thread(target=self._run, name="client", daemon=True)
        self._chores.start()

    def __enter__(self) -> Self:
        """Use the client in a `with` block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Flush and close."""
        self.close()

    def close(self) -> None:
        """Flush what was sent and stop listening."""
        self._producer.flush(10)
        self._stop.set()
        self._chores.join(5)
        self._listener.close()

    # Sending.

    def send(
        self, aggregate_type: str, aggregate_id: str, body: msgspec.Struct, options: Options = PLAIN
    ) -> Future[Reply]:
        """Send a command; the future holds its reply, rejected or not."""
        name = options.command_id or _derived(options, "command") or uuid.uuid4().hex
        envelope = self._envelope(name, aggregate_type, aggregate_id, body, options)
        key = routing_key(options.tenant, aggregate_id).encode()
        waiting = _Waiting(Future(), key, encode(envelope, body), time.monotonic())
        with self._lock:
            known = self._waiting.get(name)
            if known is not None:
                return known.future
            if len(self._waiting) >= self._window:
                raise TooManyInFlightError(self._window, self._retry_after())
            self._waiting[name] = waiting
        self._produce(waiting)
        return waiting.future

    def call(
        self,
        aggregate_type: str,
        aggregate_id: str,
        body: msgspec.Struct,
        options: Options = PLAIN,
        *,
        timeout: float = 30.0,
    ) -> Answer:
        """Send a command and wait; raises `CommandRejectedError` or `NoAnswerError`."""
        future = self.send(aggregate_type, aggregate_id, body, options)
        try:
            reply = future.result(timeout)
        except FutureTimeoutError:
            raise NoAnswerError(
                f"no answer to {public_type(body)} within {timeout:.0f} s: is an engine running "
                "(`tidemill engine` or `tidemill up`)? The command stays in the log and takes "
                "effect once"
            ) from None
        if not reply.accepted:
            raise CommandRejectedError(reply)
        return Answer(aggregate_id, reply)

    def _envelope(
        self, name: str, aggregate_type: str, aggregate_id: str, body: msgspec.Struct, o: Options
    ) -> Envelope:
        context = Context("", o.correlation_id, o.actor, o.tenant, o.trace, o.metadata)
        return Envelope(
            name,
            public_type(body),
            time.time_ns() // 1_000_000,
            aggregate_type,
            aggregate_id,
            "",
            o.expected_sequence,
            0,
            self._listener.address,
            self.definitions_seen,
            context,
        )

    def _produce(self, waiting: _Waiting) -> None:
        while True:
            try:
                self._producer.produce(
                    self._names.commands, waiting.value, waiting.key, on_delivery=self._delivered
                )
                return
            except BufferError:
                self._producer.poll(0.05)

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None and error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            self._fail(NotReadyError("the topics are missing: run `tidemill topics apply`"))
        elif error is not None:
            log.warning("a command is not delivered yet", error=error.str())

    def _fail(self, error: Exception) -> None:
        with self._lock:
            waiting, self._waiting = list(self._waiting.values()), {}
        for one in waiting:
            one.future.set_exception(error)

    def _retry_after(self) -> float:
        return min(_RETRY_AFTER_MAX, 0.1 + self._lag / _LAG_PER_SECOND)

    # Answers.

    def _answered(self, command_id: str, reply: Reply) -> None:
        self._lag = reply.lag
        partition, _, number = reply.position.partition(":")
        if number:
            place = int(partition)
            self.positions[place] = max(self.positions.get(place, 0), int(number))
        with self._lock:
            waiting = self._waiting.pop(command_id, None)
        if waiting is not None:
            waiting.future.set_result(reply)

    def _run(self) -> None:
        """Serve delivery reports, and send again what was not answered."""
        checked = time.monotonic()
        while not self._stop.is_set():
            self._producer.poll(0.05)
            now = time.monotonic()
            if now - checked < 1.0:
                continue
            checked = now
            with self._lock:
                late = [w for w in self._waiting.values() if now - w.sent > _RESEND_SECONDS]
            for waiting in late:
                waiting.sent = now
                self._produce(waiting)

    # The commands, by name.

    def publish(self, definition_id: str, source: str, options: Options = PLAIN) -> Answer:
        """Publish a definition; later commands of this client wait for it where they need it."""
        answer = self.call("definition", definition_id, c.PublishDefinition(source), options)
        self.definitions_seen = answer.reply.position
        return answer

    def run(
        self,
        definition_id: str,
        variables: object = None,
        instance_id: str = "",
        version: str = "",
        options: Options = PLAIN,
        metadata: Mapping[str, object] | None = None,
    ) -> Answer:
        """Create and start an instance; its id is made here where none is given.

        `metadata` are yours: kept with the instance, never seen by the workflow.
        """
        name = instance_id or instance_id_of(options)
        body = c.RunInstance(definition_id, version, _object(variables), _object(metadata))
        return self.call("instance", name, body, options)

    def create(
        self,
        definition_id: str,
        variables: object = None,
        instance_id: str = "",
        version: str = "",
        options: Options = PLAIN,
        metadata: Mapping[str, object] | None = None,
    ) -> Answer:
        """Create an instance that waits for `start`."""
        name = instance_id or instance_id_of(options)
        body = c.CreateInstance(definition_id, version, _object(variables), _object(metadata))
        return self.call("instance", name, body, options)

    def start(self, instance_id: str, options: Options = PLAIN) -> Answer:
        """Start an instance that was created."""
        return self.call("instance", instance_id, c.StartInstance(), options)

    def suspend(self, instance_id: str, reason: str = "", options: Options = PLAIN) -> Answer:
        """Begin nothing new until resumed."""
        return self.call("instance", instance_id, c.SuspendInstance(reason), options)

    def resume(self, instance_id: str, reason: str = "", options: Options = PLAIN) -> Answer:
        """Go on."""
        return self.call("instance", instance_id, c.ResumeInstance(reason), options)

    def cancel(self, instance_id: str, reason: str = "", options: Options = PLAIN) -> Answer:
        """End with clean-up."""
        return self.call("instance", instance_id, c.CancelInstance(reason), options)

    def terminate(self, instance_id: str, reason: str = "", options: Options = PLAIN) -> Answer:
        """End at once."""
        return self.call("instance", instance_id, c.TerminateInstance(reason), options)

    def delete(self, instance_id: str, reason: str = "", options: Options = PLAIN) -> Answer:
        """Hide an instance that has ended, or was never started; its history stays."""
        return self.call("instance", instance_id, c.DeleteInstance(reason), options)

    def retry(self, instance_id: str, incident: int = 0, options: Options = PLAIN) -> Answer:
        """Retry an incident, or all open ones."""
        return self.call("instance", instance_id, c.RetryIncident(incident), options)

    # Locks. Times are seconds; an owner is made up where none is given.

    def acquire_lock(
        self,
        name: str,
        ttl: float,
        owner: str = "",
        *,
        wait: float = 0.0,
        retry_count: int = 0,
        retry_delay: float = 0.2,
        options: Options = PLAIN,
    ) -> HeldLock:
        """Acquire a lock: in the queue for `wait`, then again `retry_count` times.

        Raises:
            CommandRejectedError: code `LockAcquisition`: another owner has it.
            NoAnswerError: no engine answered; the request is withdrawn.
        """
        retries = retry_count, retry_delay
        return acquire(self, wanted(name, ttl, owner, wait, retries, options))

    def hold_lock(
        self,
        name: str,
        ttl: float = 30.0,
        owner: str = "",
        *,
        wait: float = 0.0,
        retry_count: int = 0,
        retry_delay: float = 0.2,
        options: Options = PLAIN,
    ) -> LockKeeper:
        """Return a lock for an `async with` block: kept as long as the block, then released."""
        retries = retry_count, retry_delay
        return LockKeeper(self, wanted(name, ttl, owner, wait, retries, options))

    def extend_lock(
        self, name: str, owner: str, token: int, ttl: float, options: Options = PLAIN
    ) -> Answer:
        """Keep a lock for `ttl` from now; refused as `LockExtension` where it is lost."""
        return self.call("lock", name, c.ExtendLock(owner, token, milliseconds(ttl)), options)

    def release_lock(self, name: str, owner: str, token: int = 0, options: Options = PLAIN) -> bool:
        """Give a lock back; False where it is not this owner's."""
        answer = self.call("lock", name, c.ReleaseLock(owner, token), options)
        return answer.reply.result == b"true"

    def force_release_lock(self, name: str, reason: str = "", options: Options = PLAIN) -> Answer:
        """Take a lock from its holder, whoever it is."""
        return self.call("lock", name, c.ForceReleaseLock(reason), options)


def _object(value: object) -> bytes:
    return canonical({} if value is None else value)


def _derived(options: Options, what: str) -> str:
    if not options.idempotency_key:
        return ""
    name = f"{options.tenant}/{what}/{options.idempotency_key}"
    return uuid.uuid5(_NAMESPACE, name).hex


def instance_id_of(options: Options) -> str:
    """Return an instance id: a UUID, derived from the idempotency key where there is one."""
    return _derived(options, "instance") or uuid.uuid4().hex
