"""MQTT to Kafka: a message is acknowledged once Kafka has its record.

One connection at a time, with a session that the broker keeps. Flow control is the
acknowledgement itself: with Kafka away, the window fills and the broker sends no more
(MQTT 5), or the socket is not read any more (MQTT 3.1.1). A new connection is made only
when Kafka has everything of the old one, so that redelivery cannot pile up in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable
from typing import Any, Final

import aiomqtt
import structlog

from connectors.mqtt.backoff import Backoff
from connectors.mqtt.clients import session_client, subscribe
from connectors.mqtt.manual_ack import ManualAckClient, Received
from connectors.mqtt.metrics import BridgeMetrics
from connectors.mqtt.names import MqttNames
from connectors.mqtt.payload import KafkaRecord, Translator
from connectors.mqtt.settings import BridgeSettings
from connectors.mqtt.sink import KafkaSink, SinkError
from connectors.mqtt.window import AckWindow, Entry
from topics.names import Names

log = structlog.get_logger(__name__)
_RESUME_SHARE: Final = 0.75


class Inbound:
    """The way in: readings, device events, comings and goings."""

    def __init__(self, settings: BridgeSettings, metrics: BridgeMetrics) -> None:
        """Take settings and metrics; nothing is connected yet."""
        self._settings = settings
        self._mqtt = settings.mqtt
        self._metrics = metrics
        self._names = Names(settings.topic_prefix)
        self._topics = MqttNames(settings.mqtt.prefix)
        self._translator = Translator(self._topics, self._names, settings.mqtt.payload_bytes_max)
        self._sink = self._new_sink()
        self._window = AckWindow(_nobody)
        self._client: ManualAckClient | None = None
        self._taking = True
        self.connected = asyncio.Event()
        """Set while messages flow."""

    async def run(self, stop: asyncio.Event) -> None:
        """Bridge until `stop` is set; every failure is tried again after a pause."""
        backoff = Backoff(self._mqtt.backoff_max)
        while not stop.is_set():
            try:
                await self._with_sink(stop, backoff)
            except SinkError as error:
                log.warning("Kafka is not usable; trying again", reason=str(error))
                self._metrics.reconnects.inc()
                self._sink.close()
                self._sink = self._new_sink()
                await backoff.pause(stop)
        self._sink.close()

    async def _with_sink(self, stop: asyncio.Event, backoff: Backoff) -> None:
        """Make connection after connection with one producer, until it fails."""
        await self._sink.check_topics(self._names)
        serving = asyncio.create_task(self._sink.run())
        try:
            while not stop.is_set():
                await self._first_of(serving, self._connection(stop, serving, backoff))
                if not stop.is_set():
                    await backoff.pause(stop)
        finally:
            serving.cancel()
            with contextlib.suppress(asyncio.CancelledError, SinkError):
                await serving

    async def _connection(
        self, stop: asyncio.Event, serving: asyncio.Task[None], backoff: Backoff
    ) -> None:
        await self._drained(serving, stop)
        if stop.is_set():
            return
        client = session_client(self._mqtt, self._received)
        # Messages of a kept session may come before CONNECT returns: window and client first.
        self._window, self._client = AckWindow(client.acknowledge), client
        try:
            await client.open()
            await subscribe(client, self._mqtt, self._topics.subscriptions)
            self._began(client, backoff)
            reason = await self._until_lost(client, stop)
            if reason:
                raise aiomqtt.MqttError(reason)
            await self._finish(client, serving)
        except (aiomqtt.MqttError, OSError) as error:
            log.warning("MQTT connection lost; trying again", reason=str(error))
            self._metrics.reconnects.inc()
        finally:
            self._ended()
            await client.close()

    def _began(self, client: ManualAckClient, backoff: Backoff) -> None:
        log.info("MQTT connected", url=self._mqtt.url, session_kept=client.session_present)
        backoff.reset()
        self._metrics.connected.set(1)
        self.connected.set()

    def _ended(self) -> None:
        self._window.abandon()
        self._client = None
        self._metrics.connected.set(0)
        self.connected.clear()

    async def _until_lost(self, client: ManualAckClient, stop: asyncio.Event) -> str:
        """Wait for the end; return why the connection was lost, or nothing on `stop`."""
        lost = asyncio.ensure_future(client.disconnected())
        stopping = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({lost, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return lost.result() if lost.done() else ""
        finally:
            lost.cancel()
            stopping.cancel()

    async def _finish(self, client: ManualAckClient, serving: asyncio.Task[None]) -> None:
        """Take no more; let Kafka have what is in flight, for a while; acknowledge it."""
        self._taking = False
        client.pause()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.bridge_stop_timeout):
                await self._drained(serving)
        await client.flush()

    async def _drained(
        self, serving: asyncio.Task[None], stop: asyncio.Event | None = None
    ) -> None:
        """Wait until Kafka has everything, or the producer fails, or `stop` is set."""
        events = [self._sink.drained] if stop is None else [self._sink.drained, stop]
        waits: set[asyncio.Future[Any]] = {asyncio.ensure_future(event.wait()) for event in events}
        try:
            await asyncio.wait({*waits, serving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    @staticmethod
    async def _first_of(serving: asyncio.Task[None], work: Awaitable[None]) -> None:
        """Await the work, but fail as soon as the producer does."""
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait({task, serving}, return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                serving.result()
            await task
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, aiomqtt.MqttError):
                await task

    def _new_sink(self) -> KafkaSink:
        servers = self._settings.kafka_bootstrap_servers
        return KafkaSink(servers, self._settings.bridge_linger_ms, self._mqtt.receive_maximum)

    def _received(self, message: Received) -> None:
        if not self._taking:
            return  # Not acknowledged: it comes again after the stop.
        metrics = self._metrics
        metrics.received.inc()
        if message.duplicate:
            metrics.redelivered.inc()
        record = self._translator.record(message, _now())
        window = self._window
        entry = window.add(message.mid if message.qos else 0, len(message.payload))
        metrics.in_flight.inc()
        self._send(record, message, window, entry)
        if self._is_full(1.0) and self._client is not None:
            metrics.pauses.inc()
            self._client.pause()

    def _send(
        self, record: KafkaRecord, message: Received, window: AckWindow, entry: Entry
    ) -> None:
        def stored() -> None:
            self._metrics.in_flight.dec()
            (self._metrics.dead_lettered if record.dead else self._metrics.forwarded).inc()
            window.stored(entry)
            if self._client is not None and not self._is_full(_RESUME_SHARE):
                self._client.resume()

        def refused(reason: str) -> None:
            letter = self._translator.dead_letter(message, _now(), reason)
            log.warning("message kept as a dead letter", topic=message.topic, reason=reason)
            self._send(letter, message, window, entry)

        if record.dead:
            log.debug("message kept as a dead letter", topic=message.topic, reason=record.dead)
        self._sink.send(record, stored, refused)

    def _is_full(self, share: float) -> bool:
        window, limits = self._window, self._mqtt
        return (
            len(window) > limits.receive_maximum * share
            or window.bytes > limits.in_flight_bytes_max * share
        )


def _now() -> int:
    return time.time_ns() // 1_000_000


def _nobody(_mid: int) -> None:
    return
