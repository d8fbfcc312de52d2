"""A simulated device: one MQTT client that plays one slice of a recording.

The device owns the clock: the n-th state query is answered with the n-th reading of its
slice, so that what a workflow sees depends on the file alone, however fast or slow the
machine is. A repeated request id is answered with the same reading.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, NamedTuple

import aiomqtt

from connectors.demo.sensor_file import Slice
from connectors.mqtt.clients import session_client, subscribe
from connectors.mqtt.manual_ack import ManualAckClient, Received
from connectors.mqtt.names import MqttNames
from connectors.mqtt.settings import MqttSettings
from schemas.json_text import JsonError, canonical, parse_object

_HUMIDITY_DRY, _HUMIDITY_SPAN = 40.0, 50.0
_BATTERY_FULL, _BATTERY_USE = 100.0, 10.0


class Range(NamedTuple):
    """Lowest and highest temperature of the whole recording: humidity is derived from it."""

    low: float
    high: float


class FileDevice:
    """One device; `connect`, then it answers until `close`."""

    def __init__(self, settings: MqttSettings, part: Slice, span: Range) -> None:
        """Take the connection's settings, the slice to play and the recording's range."""
        self.device_id = part.device_id
        self.commands: dict[str, dict[str, Any]] = {}
        """Parameters of the last command of each name; `initialize` sets mode and interval."""
        self.published: list[str] = []
        """Ids of the readings that went out as telemetry."""
        self.repeated_queries = 0
        self._samples = part.samples
        self._span = span
        self._names = MqttNames(settings.prefix)
        self._settings = settings.model_copy(
            # As most devices in the field do it speaks MQTT 3.1.1, and Artemis forgets the last
            # will of an MQTT 5 client with a session.
            update={"client_id": f"{settings.client_id}-{part.device_id}", "version": "3.1.1"}
        )
        self._answers: dict[str, int] = {}
        self._inbox: asyncio.Queue[Received] = asyncio.Queue()
        self._client: ManualAckClient | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def mode(self) -> str:
        """Return the mode that the last `initialize` set; `idle` before it."""
        return str(self.commands.get("initialize", {}).get("mode", "idle"))

    async def connect(self) -> None:
        """Connect, listen, and say that the device is online (its last will: offline)."""
        will = aiomqtt.Will(self._names.status(self.device_id), b"offline", qos=1, retain=True)
        client = session_client(self._settings, self._inbox.put_nowait, will=will)
        await client.open()
        names = self._names
        filters = (names.command(self.device_id, "+"), names.status_get(self.device_id))
        await subscribe(client, self._settings, filters)
        await client.publish(names.status(self.device_id), b"online", 1, retain=True)
        self._client = client
        self._task = asyncio.create_task(self._serve(client))

    async def close(self) -> None:
        """Say goodbye in order; the broker forgets the session."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._client is not None:
            with contextlib.suppress(aiomqtt.MqttError):
                await self._client.publish(
                    self._names.status(self.device_id), b"offline", 1, retain=True
                )
            await self._client.close()

    def reading(self, number: int) -> dict[str, float]:
        """Return the metrics of the reading with this number, from 0; past the end the last."""
        count = len(self._samples)
        number = min(number, count - 1)
        temperature = self._samples[number].temperature
        width = (self._span.high - self._span.low) or 1.0
        warmth = (temperature - self._span.low) / width
        return {
            "temperature": temperature,
            "humidity": round(_HUMIDITY_DRY + _HUMIDITY_SPAN * (1.0 - warmth), 1),
            "battery": round(_BATTERY_FULL - _BATTERY_USE * number / count, 1),
        }

    async def _serve(self, client: ManualAckClient) -> None:
        """Handle what comes, one after the other; acknowledge it when it is done."""
        while True:
            message = await self._inbox.get()
            place = self._names.read(message.topic)
            kind = place.kind if place else ""
            try:
                fields = parse_object(message.payload or b"{}")
            except JsonError:
                fields = {}
            if kind == "status/get":
                await self._answer(client, fields)
            elif kind.startswith("commands/"):
                self.commands[kind.removeprefix("commands/")] = fields
            if message.qos:
                client.acknowledge(message.mid)

    async def _answer(self, client: ManualAckClient, request: dict[str, Any]) -> None:
        request_id = str(request.get("request_id", ""))
        number = self._answers.get(request_id)
        first = number is None
        if number is None:
            number = self._answers[request_id] = len(self._answers)
        else:
            self.repeated_queries += 1
        metrics = self.reading(number)
        time = self._samples[min(number, len(self._samples) - 1)].time
        if first and number < len(self._samples):
            await self._publish_reading(client, number, time, metrics)
        topic = request.get("response_topic")
        if not isinstance(topic, str) or not topic:
            topic = self._names.status_response(self.device_id, request_id)
        wanted = request.get("metrics") or list(metrics)
        answer = {
            "request_id": request_id,
            "device_id": self.device_id,
            "online": True,
            "metrics": {name: metrics[name] for name in wanted if name in metrics},
            "last_updated": time,
        }
        await client.publish(topic, canonical(answer), 1)

    async def _publish_reading(
        self, client: ManualAckClient, number: int, time: str, metrics: dict[str, float]
    ) -> None:
        payload = {"seq": number, "timestamp": time, "metrics": metrics}
        await client.publish(self._names.telemetry(self.device_id), canonical(payload), 1)
        self.published.append(f"{self.device_id}:{number}")
