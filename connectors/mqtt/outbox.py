"""Commands to devices by way of Kafka: durable, in order per device, seen by everyone."""

from __future__ import annotations

import asyncio
import contextlib
import time
from types import TracebackType
from typing import Any, Final, Self

from connectors.mqtt.devices import DeviceError
from connectors.mqtt.names import is_command
from connectors.mqtt.payload import KafkaRecord
from connectors.mqtt.sink import KafkaSink, SinkError
from schemas.codec import encode
from schemas.envelope import Envelope
from schemas.ids import is_client_id
from schemas.json_text import canonical
from schemas.telemetry import DeviceCommand
from topics.names import Names
from topics.settings import KafkaSettings

_LINGER_MS: Final = 2.0
_WINDOW: Final = 10_000


class CommandOutbox:
    """Writes `iot.commands`; the bridge publishes them. `async with` opens and closes it."""

    def __init__(self, settings: KafkaSettings, timeout: float = 30.0) -> None:
        """Take where Kafka is, and how many seconds a command may wait for it."""
        self._topic = Names(settings.topic_prefix).device_commands
        self._servers = settings.kafka_bootstrap_servers
        self._timeout = timeout
        self._sink: KafkaSink | None = None
        self._serving: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._serving is not None:
            self._serving.cancel()
            with contextlib.suppress(asyncio.CancelledError, SinkError):
                await self._serving
        if self._sink is not None:
            self._sink.close()

    async def send(
        self, device_id: str, command: str, parameters: dict[str, Any], request_id: str
    ) -> None:
        """Record a command; returns when Kafka has it.

        Raises:
            DeviceError: `InvalidInput`, or `Timeout` or `ConnectionError` of Kafka.
        """
        if not is_client_id(device_id) or not is_command(command):
            text = f"device id {device_id!r} or command {command!r} is not acceptable"
            raise DeviceError("InvalidInput", text, retryable=False)
        body = DeviceCommand(command, canonical(parameters), request_id)
        envelope = Envelope(
            request_id, "DeviceCommand", time.time_ns() // 1_000_000, "device", device_id
        )
        record = KafkaRecord(self._topic, device_id.encode(), encode(envelope, body))
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        sink, serving = self._open()
        sink.send(record, lambda: _settle(stored), lambda reason: _settle(stored, reason))
        either: set[asyncio.Future[None]] = {stored, serving}
        done, _ = await asyncio.wait(
            either, timeout=self._timeout, return_when=asyncio.FIRST_COMPLETED
        )
        if stored in done:
            stored.result()
            return
        reason = str(serving.exception()) if serving in done else "Kafka does not answer"
        raise DeviceError("ConnectionError", f"command to {device_id} not stored: {reason}")

    def _open(self) -> tuple[KafkaSink, asyncio.Task[None]]:
        """Return the producer, a new one where the last has failed."""
        if self._sink is None or self._serving is None or self._serving.done():
            self._sink = KafkaSink(self._servers, _LINGER_MS, _WINDOW)
            self._serving = asyncio.create_task(self._sink.run())
        return self._sink, self._serving


def _settle(stored: asyncio.Future[None], reason: str = "") -> None:
    if stored.done():
        return
    if reason:
        stored.set_exception(DeviceError("InvalidInput", reason, retryable=False))
    else:
        stored.set_result(None)
