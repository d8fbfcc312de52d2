"""A source of numbered readings, for tests and benchmarks: who sent what is known exactly."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import aiomqtt

from connectors.mqtt.clients import passing_client
from connectors.mqtt.manual_ack import ManualAckClient
from connectors.mqtt.names import MqttNames
from connectors.mqtt.settings import MqttSettings

_BURST: Final = 200
_RETRY_SECONDS: Final = 0.1
_EPOCH_MS: Final = 1_700_000_000_000


class ReadingSource:
    """Publishes readings at QoS 1, each until the broker has acknowledged it."""

    def __init__(self, settings: MqttSettings, devices: int = 100) -> None:
        """Take the settings and how many devices to play."""
        self._settings = settings
        self._names = MqttNames(settings.prefix)
        self._devices = devices
        self.sent = 0
        """Readings that the broker has acknowledged; their numbers are 0 to `sent` - 1."""

    def reading_id(self, number: int) -> str:
        """Return the id that the bridge gives the reading with this number."""
        return f"load-{number % self._devices}:{number}"

    async def publish(self, count: int, rate: float = 0.0) -> None:
        """Publish `count` more readings, `rate` a second (0: as fast as it goes)."""
        end, begun, first = self.sent + count, time.monotonic(), self.sent
        while self.sent < end:
            client = passing_client(self._settings, f"{self._settings.client_id}-load")
            try:
                await client.open()
                while self.sent < end:
                    await self._burst(client, end)
                    ahead = begun + (self.sent - first) / rate - time.monotonic() if rate else 0
                    await asyncio.sleep(max(0.0, ahead))
            except (aiomqtt.MqttError, OSError):
                await asyncio.sleep(_RETRY_SECONDS)
            finally:
                await client.close()

    async def _burst(self, client: ManualAckClient, end: int) -> None:
        numbers = range(self.sent, min(end, self.sent + _BURST))
        await asyncio.gather(*(self._one(client, number) for number in numbers))
        self.sent = numbers.stop

    async def _one(self, client: ManualAckClient, number: int) -> None:
        payload = b'{"seq":%d,"timestamp":%d,"temperature":%d.5,"humidity":40}' % (
            number,
            _EPOCH_MS + number,
            number % 40,
        )
        topic = self._names.telemetry(f"load-{number % self._devices}")
        await client.publish(topic, payload, 1)
