"""What a user's MQTT broker must allow, measured on that broker. Returns data, prints nothing.

The probes use topics and a session of their own under `PREFIX/doctor/…` and clean up.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, Literal, NamedTuple

import aiomqtt

from connectors.mqtt.clients import passing_client, session_client, subscribe
from connectors.mqtt.manual_ack import ManualAckClient, Received
from connectors.mqtt.settings import InvalidCredentialsError, MqttSettings

Verdict = Literal["ok", "warning", "problem"]
_QUIET_SECONDS: Final = 1.0
_BURST: Final = 200
_RATE: Final = 1_000
"""Readings per second that an outage is reckoned with."""
_OUTAGE_SECONDS: Final = 60


class Finding(NamedTuple):
    """One thing that was looked at."""

    name: str
    verdict: Verdict
    measured: int | str
    """What was found; for a limit that was not reached, `at least N`."""
    wanted: str
    advice: str
    """What to set, with the names that Mosquitto, EMQX and HiveMQ give it; empty where well."""


class Diagnosis(NamedTuple):
    """Everything found about one broker."""

    url: str
    version: str
    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        """Tell whether nothing stands in the way."""
        return all(finding.verdict != "problem" for finding in self.findings)


class Doctor:
    """Examines one MQTT broker with the bridge's own settings."""

    def __init__(self, settings: MqttSettings, queue_wanted: int = _RATE * _OUTAGE_SECONDS) -> None:
        """Take the settings, and how many messages the broker must keep in an outage."""
        self._settings = settings
        self._queue_wanted = queue_wanted
        self._name = f"{settings.client_id}-doctor-{secrets.token_hex(4)}"
        self._topic = f"{settings.prefix.strip('/')}/doctor/{secrets.token_hex(8)}".strip("/")

    async def examine(self) -> Diagnosis:
        """Run all probes; where there is no connection, that is the only finding."""
        settings = self._settings
        try:
            connection = await self._connection()
        except (aiomqtt.MqttError, OSError, InvalidCredentialsError) as error:
            finding = Finding(
                "connection",
                "problem",
                str(error),
                "a connection",
                f"check that a broker listens at {settings.url}, its TLS, user and password",
            )
            return Diagnosis(settings.url, settings.version, (finding,))
        findings = [connection]
        for probe in (self._session, self._in_flight, self._queue, self._packet):
            try:
                findings.append(await probe())
            except (aiomqtt.MqttError, OSError) as error:
                name = probe.__name__.strip("_")
                findings.append(Finding(name, "problem", str(error), "an answer", "see its log"))
        return Diagnosis(settings.url, settings.version, tuple(findings))

    async def _connection(self) -> Finding:
        inbox = _Inbox()
        async with self._passing(inbox) as client:
            await subscribe(client, self._settings, (f"{self._topic}/#",))
            await client.publish(self._topic, b"hello", 1)
            await inbox.until(1)
        if not inbox.messages:
            advice = f"allow this user to publish and subscribe under {self._settings.prefix}/#"
            return Finding("connection", "problem", "own message missing", "an echo", advice)
        return Finding("connection", "ok", "connected", "a connection", "")

    async def _session(self) -> Finding:
        """Connect, leave, come back: the broker must have kept the session."""
        async with self._session_client(_Inbox()) as first:
            await subscribe(first, self._settings, (self._topic,))
        async with self._session_client(_Inbox()) as second:
            kept = second.session_present
        await self._end_session()
        wanted = "kept while the bridge is away"
        if kept:
            return Finding("persistent session", "ok", "kept", wanted, "")
        return Finding(
            "persistent session", "problem", "not kept", wanted,
            "allow persistent sessions and their expiry (mosquitto: persistent_client_expiration; "
            "EMQX: mqtt.session_expiry_interval; HiveMQ: session-expiry); without, readings sent "
            "while the bridge is away are lost",
        )  # fmt: skip

    async def _in_flight(self) -> Finding:
        """Take messages without acknowledging any: how many does the broker send?"""
        wanted = self._settings.receive_maximum
        inbox = _Inbox()
        async with self._session_client(inbox) as client:
            await subscribe(client, self._settings, (self._topic,))
            await self._publish(wanted + 1)
            await inbox.until(wanted + 1)
        await self._end_session()
        count = len(inbox.messages)
        text = f"{wanted} (receive_maximum)"
        if count < min(wanted, _BURST):
            return Finding(
                "in-flight window", "warning", count, text,
                f"throughput is bounded by {count} messages for each round trip to Kafka; raise "
                "it (mosquitto: max_inflight_messages; EMQX: mqtt.max_inflight; HiveMQ: "
                "client-receive-maximum)",
            )  # fmt: skip
        measured = count if count <= wanted else f"at least {count}"
        return Finding("in-flight window", "ok", measured, text, "")

    async def _queue(self) -> Finding:
        """Leave, let messages come, come back: how many did the broker keep?"""
        wanted = self._queue_wanted
        inbox = _Inbox()
        async with self._session_client(inbox) as client:
            await subscribe(client, self._settings, (self._topic,))
        await self._publish(wanted)
        async with self._session_client(inbox, acknowledge=True) as client:
            await inbox.until(wanted)
        await self._end_session()
        count = len({message.payload for message in inbox.messages})
        text = f"{wanted} ({_OUTAGE_SECONDS} s at {_RATE} readings/s)"
        if count >= wanted:
            return Finding("queue for an absent client", "ok", f"at least {count}", text, "")
        seconds = count // _RATE
        return Finding(
            "queue for an absent client", "problem", count, text,
            f"an outage of Kafka or the bridge above {seconds} s at {_RATE} readings/s loses "
            "readings; raise it (mosquitto: max_queued_messages; EMQX: mqtt.max_mqueue_len; "
            "HiveMQ: max-queue-size)",
        )  # fmt: skip

    async def _packet(self) -> Finding:
        """Send larger and larger messages up to the largest payload that the bridge takes."""
        wanted = self._settings.payload_bytes_max
        size, largest = 1024, 0
        while True:
            if not await self._passes(size):
                break
            largest = size
            if size >= wanted:
                break
            size = min(wanted, size * 4)
        text = f"{wanted} bytes (payload_bytes_max)"
        if largest >= wanted:
            return Finding("largest message", "ok", f"at least {largest}", text, "")
        return Finding(
            "largest message", "warning", largest, text,
            "larger readings never reach the bridge; raise it (mosquitto: message_size_limit, "
            "max_packet_size; EMQX: mqtt.max_packet_size; HiveMQ: max-packet-size), or lower "
            "TIDEMILL_MQTT_PAYLOAD_BYTES_MAX",
        )  # fmt: skip

    async def _passes(self, size: int) -> bool:
        inbox = _Inbox()
        with contextlib.suppress(aiomqtt.MqttError, OSError, ValueError):
            async with self._passing(inbox) as client:
                await subscribe(client, self._settings, (self._topic,))
                await client.publish(self._topic, bytes(size), 1)
                await inbox.until(1)
        return bool(inbox.messages)

    async def _publish(self, count: int) -> None:
        async with self._passing(_Inbox()) as client:
            for start in range(0, count, _BURST):
                numbers = range(start, min(count, start + _BURST))
                sends = (client.publish(self._topic, b"%d" % number, 1) for number in numbers)
                await asyncio.gather(*sends)

    async def _end_session(self) -> None:
        settings = self._settings.model_copy(update={"persistent_session": False})
        client = session_client(settings, lambda _message: None, self._name)
        with contextlib.suppress(aiomqtt.MqttError, OSError):
            await client.open()
        await client.close()

    @asynccontextmanager
    async def _passing(self, inbox: _Inbox) -> AsyncIterator[ManualAckClient]:
        client = passing_client(self._settings, f"{self._name}-pub", inbox)
        await client.open()
        inbox.client = client
        try:
            yield client
        finally:
            await client.close()

    @asynccontextmanager
    async def _session_client(
        self, inbox: _Inbox, *, acknowledge: bool = False
    ) -> AsyncIterator[ManualAckClient]:
        settings = self._settings.model_copy(update={"persistent_session": True})
        client = session_client(settings, inbox, self._name)
        inbox.client = client if acknowledge else None
        await client.open()
        try:
            yield client
        finally:
            await client.close()


class _Inbox:
    """Collects messages; acknowledges them where it has a client."""

    def __init__(self) -> None:
        self.messages: list[Received] = []
        self.client: Any = None
        self._came = asyncio.Event()

    def __call__(self, message: Received) -> None:
        self.messages.append(message)
        self._came.set()
        if self.client is not None and message.qos:
            self.client.acknowledge(message.mid)

    async def until(self, count: int) -> None:
        """Wait for so many messages, or until none has come for a second."""
        while len(self.messages) < count:
            self._came.clear()
            try:
                await asyncio.wait_for(self._came.wait(), _QUIET_SECONDS)
            except TimeoutError:
                return
