"""The client: commands to Kafka, answers as futures.

A command that is not answered in time is sent again under the same id: the engine takes
each id once, so that a retry is always safe.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from types import TracebackType
from typing import Self

import msgspec
import structlog
from confluent_kafka import KafkaError, Message, Producer

from connectors.client.activity_types import ActivityTypeCommands
from connectors.client.approvals import ApprovalCommands
from connectors.client.by_hand import ByHand
from connectors.client.definition_commands import DefinitionCommands
from connectors.client.errors import (
    CommandRejectedError,
    NoAnswerError,
    NotReadyError,
    TooManyInFlightError,
)
from connectors.client.lock_commands import LockCommands
from connectors.client.options import PLAIN as PLAIN  # noqa: PLC0414 - for the outside
from connectors.client.options import Options as Options  # noqa: PLC0414 - for the outside
from connectors.client.outcomes import Outcomes, Publication, Waiting, publication
from connectors.client.replies import ReplyListener
from connectors.client.sender import ANSWER_SECONDS
from connectors.client.sender import Answer as Answer  # noqa: PLC0414 - for the outside
from connectors.client.stalls import StallCommands
from schemas import commands as c
from schemas.codec import encode
from schemas.envelope import Context, Envelope
from schemas.ids import channel_id, routing_key
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
VERDICT_SECONDS = 30.0
"""How long a verdict is waited for; a proof near its budget takes longer: publish once more."""


class _Waiting(msgspec.Struct):
    """A command that has no answer yet."""

    future: Future[Reply]
    key: bytes
    value: bytes
    sent: float


class Client(
    ActivityTypeCommands,
    ApprovalCommands,
    ByHand,
    DefinitionCommands,
    LockCommands,
    StallCommands,
):
    """Sends commands and waits for replies; thread-safe."""

    def __init__(self, settings: KafkaSettings, *, window: int = 1_000) -> None:
        """Connect; `NotReadyError` where Kafka or its topics are not there."""
        self._servers = settings.kafka_bootstrap_servers
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
        timeout: float = ANSWER_SECONDS,
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
        self._note(reply.position)
        with self._lock:
            waiting = self._waiting.pop(command_id, None)
        if waiting is not None:
            waiting.future.set_result(reply)

    def _note(self, position: str) -> None:
        partition, _, number = position.partition(":")
        if number:
            place = int(partition)
            self.positions[place] = max(self.positions.get(place, 0), int(number))

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

    def publish(
        self,
        definition_id: str,
        source: str,
        options: Options = PLAIN,
        *,
        allow_unsound: bool = False,
        max_states: int = 0,
        sound_with: Sequence[str] = (),
        timeout: float = VERDICT_SECONDS,
        waiting: Waiting = lambda _seconds: None,
    ) -> Publication:
        """Publish a definition; later commands of this client wait for it where they need it.

        Args:
            definition_id: The one that the source is of.
            source: YAML or JSON.
            options: What the command carries.
            allow_unsound: Publish it whatever the verdict says, and mark it with it.
            max_states: How far its proof may go; 0: as far as the verifier goes.
            sound_with: What it is to be sound together with: `id@version`, submitted at the same
                moment or published, or `id` for the newest published one.
            timeout: Seconds to wait for the verdict, once it is submitted.
            waiting: Called now and then with the seconds waited for the verdict.

        Raises:
            DefinitionRefusedError: it is not sound, or not known to be.
            CommandRejectedError: it is not well formed, or the version is taken.
            NoAnswerError: no engine, or no verifier, has answered; it may still be published.
        """
        body = c.PublishDefinition(source, allow_unsound, max_states, [*sound_with])
        with Outcomes(self._servers, self._names, options.tenant, definition_id) as outcomes:
            patience = max(timeout, ANSWER_SECONDS)
            reply = self.call("definition", definition_id, body, options, timeout=patience).reply
            made = publication(definition_id, reply, outcomes, timeout, waiting)
        self.definitions_seen = made.reply.position
        self._note(made.reply.position)
        return made

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

    def cancel(
        self,
        instance_id: str,
        reason: str = "",
        options: Options = PLAIN,
        *,
        compensate: bool = True,
    ) -> Answer:
        """End with clean-up; what is done is undone first where handlers for it exist."""
        return self.call("instance", instance_id, c.CancelInstance(reason, compensate), options)

    def terminate(self, instance_id: str, reason: str = "", options: Options = PLAIN) -> Answer:
        """End at once."""
        return self.call("instance", instance_id, c.TerminateInstance(reason), options)

    def delete(self, instance_id: str, reason: str = "", options: Options = PLAIN) -> Answer:
        """Hide an instance that has ended, or was never started; its history stays."""
        return self.call("instance", instance_id, c.DeleteInstance(reason), options)

    def retry(self, instance_id: str, incident: int = 0, options: Options = PLAIN) -> Answer:
        """Retry an incident, or all open ones."""
        return self.call("instance", instance_id, c.RetryIncident(incident), options)

    def publish_message(
        self,
        name: str,
        key: str = "",
        payload: object = None,
        ttl: float = 3_600.0,
        message_id: str = "",
        options: Options = PLAIN,
    ) -> Answer:
        """Publish a message for the one subscription that waits for its name and key.

        It waits `ttl` seconds for one. Publishing the same `message_id` again has no effect;
        without one, repeat a call with the same command id or idempotency key. The answer's id
        is the channel's.
        """
        body = c.PublishMessage(name, key, message_id, canonical(payload), round(ttl * 1000))
        return self.call("channel", channel_id("message", name, key), body, options)

    def broadcast_signal(
        self, name: str, payload: object = None, signal_id: str = "", options: Options = PLAIN
    ) -> Answer:
        """Give a signal to everything that waits for its name now."""
        body = c.BroadcastSignal(name, signal_id, canonical(payload))
        return self.call("channel", channel_id("signal", name), body, options)

    def retry_channel(self, channel: str, incident: int = 0, options: Options = PLAIN) -> Answer:
        """Retry an incident of a channel, or all open ones; `channel_id` gives its id."""
        return self.call("channel", channel, c.RetryIncident(incident), options)


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
