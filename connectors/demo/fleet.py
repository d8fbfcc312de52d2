"""All devices of a recording, in one process, each with a connection of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from connectors.demo.file_device import FileDevice, Range
from connectors.demo.sensor_file import Slice
from connectors.mqtt.settings import MqttSettings

_CONNECTING_AT_ONCE: Final = 16


class Fleet:
    """Connects all devices on entering and lets them go on leaving."""

    def __init__(self, settings: MqttSettings, slices: Sequence[Slice]) -> None:
        """Take the connection's settings and one slice for each device."""
        values = [sample.temperature for part in slices for sample in part.samples]
        span = Range(min(values, default=0.0), max(values, default=0.0))
        self.devices = [FileDevice(settings, part, span) for part in slices]
        self._gate = asyncio.Semaphore(_CONNECTING_AT_ONCE)

    async def __aenter__(self) -> Self:
        await asyncio.gather(*(self._connect(device) for device in self.devices))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.gather(*(device.close() for device in self.devices))

    @property
    def readings_sent(self) -> int:
        """Return how many readings went out as telemetry."""
        return sum(len(device.published) for device in self.devices)

    async def _connect(self, device: FileDevice) -> None:
        async with self._gate:
            await device.connect()
