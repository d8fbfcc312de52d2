"""Kafka to MQTT: commands to devices, their offset committed once MQTT has them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import aiomqtt
import structlog
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

from connectors.mqtt.backoff import Backoff
from connectors.mqtt.clients import passing_client
from connectors.mqtt.commands import Publication, publication
from connectors.mqtt.manual_ack import ManualAckClient
from connectors.mqtt.metrics import BridgeMetrics
from connectors.mqtt.names import MqttNames
from connectors.mqtt.payload import RefusedError
from connectors.mqtt.settings import BridgeSettings
from connectors.mqtt.sink import producer_config
from topics.names import Names

log = structlog.get_logger(__name__)
_BATCH: Final = 500
_POLL_SECONDS: Final = 0.5
_FLUSH_SECONDS: Final = 10.0
_DAY_MS: Final = 86_400_000


class Outbound:
    """The way out. A command may come twice to a device after a failure; none is lost."""

    def __init__(self, settings: BridgeSettings, metrics: BridgeMetrics) -> None:
        """Take settings and metrics; nothing is connected yet."""
        self._settings = settings
        self._mqtt = settings.mqtt
        self._metrics = metrics
        self._names = Names(settings.topic_prefix)
        self._topics = MqttNames(settings.mqtt.prefix)
        # One thread serves Kafka's clients in order; the event loop never waits for them.
        self._thread = ThreadPoolExecutor(1, "mqtt-commands")
        self._consumer: Any = None
        self._producer: Any = None
        self._unpublished: list[Publication] = []
        self._offsets: list[TopicPartition] = []
        self.connected = asyncio.Event()
        """Set while commands flow."""

    async def run(self, stop: asyncio.Event) -> None:
        """Bridge until `stop` is set; every failure is tried again after a pause."""
        await self._in_thread(self._open)
        backoff = Backoff(self._mqtt.backoff_max)
        try:
            while not stop.is_set():
                try:
                    await self._connection(stop, backoff)
                except (aiomqtt.MqttError, OSError, KafkaException) as error:
                    log.warning("commands wait; trying again", reason=str(error))
                    self._metrics.reconnects.inc()
                    await backoff.pause(stop)
        finally:
            await self._in_thread(self._consumer.close)
            self._thread.shutdown(wait=False)

    async def _connection(self, stop: asyncio.Event, backoff: Backoff) -> None:
        client = passing_client(self._mqtt, f"{self._mqtt.client_id}-commands")
        try:
            await client.open()
            backoff.reset()
            self.connected.set()
            lost = asyncio.ensure_future(client.disconnected())
            try:
                while not stop.is_set():
                    if lost.done():
                        raise aiomqtt.MqttError(lost.result())
                    await self._step(client)
            finally:
                lost.cancel()
        finally:
            self.connected.clear()
            await client.close()

    async def _step(self, client: ManualAckClient) -> None:
        """Publish what was taken, or what a failure left over; commit; take the next batch."""
        await self._publish(client)
        await self._in_thread(self._settle)
        for message in await self._in_thread(self._take):
            self._accept(message)

    async def _publish(self, client: ManualAckClient) -> None:
        batch = self._unpublished
        calls = [
            client.publish(item.topic, item.payload, self._mqtt.qos_out, properties=item.properties)
            for item in batch
        ]
        results = await asyncio.gather(*calls, return_exceptions=True)
        failures = [result for result in results if isinstance(result, BaseException)]
        self._unpublished = [
            item
            for item, result in zip(batch, results, strict=True)
            if isinstance(result, BaseException)
        ]
        self._metrics.commands.inc(len(batch) - len(failures))
        if failures:
            raise failures[0]

    def _accept(self, message: Message) -> None:
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        assert topic is not None
        assert partition is not None
        assert offset is not None
        self._offsets.append(TopicPartition(topic, partition, offset + 1))
        value: Any = message.value()
        try:
            self._unpublished.append(
                publication(value or b"", self._topics, properties=self._mqtt.version == "5")
            )
        except RefusedError as error:
            log.warning("command kept as a dead letter", offset=offset, reason=str(error))
            self._metrics.dead_lettered.inc()
            self._dead_letter(message, str(error))

    def _dead_letter(self, message: Message, reason: str) -> None:
        key: Any = message.key()
        headers: list[tuple[str, str | bytes | None]] = [
            ("reason", reason.encode()[:4096]),
            ("source", self._names.device_commands.encode()),
            ("partition", str(message.partition()).encode()),
            ("offset", str(message.offset()).encode()),
        ]
        value: Any = message.value()
        self._producer.produce(self._names.dead_letters, value, key or b"", headers=headers)

    def _open(self) -> None:
        servers = self._settings.kafka_bootstrap_servers
        self._consumer = Consumer(consumer_config(servers, self._group))
        self._consumer.subscribe([self._names.device_commands])
        self._producer = Producer(producer_config(servers, 0.0, _BATCH))

    @property
    def _group(self) -> str:
        return f"{self._settings.topic_prefix}{self._settings.bridge_group}"

    def _take(self) -> list[Message]:
        # `consume` with a time-out waits for a full batch: the first record is polled for.
        first = self._consumer.poll(_POLL_SECONDS)
        if first is None:
            return []
        messages = [first, *self._consumer.consume(_BATCH - 1, 0)]
        for message in messages:
            if message.error() is not None:
                log.warning("reading commands failed", reason=message.error().str())
        return [message for message in messages if message.error() is None]

    def _settle(self) -> None:
        if len(self._producer) and self._producer.flush(_FLUSH_SECONDS):
            raise OSError("Kafka does not take dead letters; their commands stay uncommitted")
        if not self._offsets:
            return
        offsets, self._offsets = self._offsets, []
        try:
            self._consumer.commit(offsets=_newest(offsets), asynchronous=False)
        except KafkaException as error:
            # Lost to another bridge, or Kafka is away: the commands come again.
            log.warning("commit of commands failed", reason=str(error))

    async def _in_thread(self, call: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)


def consumer_config(servers: str, group: str) -> dict[str, Any]:
    """Return librdkafka's settings of the commands' consumer."""
    return {
        "bootstrap.servers": servers,
        "group.id": group,
        "client.id": "tidemill-bridge",
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        # While MQTT is away the batch in hand waits; a dead process is found by its heartbeats.
        "max.poll.interval.ms": _DAY_MS,
        "reconnect.backoff.max.ms": 2_000,
        "log_level": 3,
    }


def _newest(offsets: list[TopicPartition]) -> list[TopicPartition]:
    """Return the highest offset of each partition."""
    newest: dict[tuple[str, int], TopicPartition] = {}
    for place in offsets:
        newest[place.topic, place.partition] = place
    return list(newest.values())
