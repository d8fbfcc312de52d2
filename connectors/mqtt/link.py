"""One MQTT connection that comes back by itself, for what is asked again after a failure."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

import aiomqtt
import structlog

from connectors.mqtt.backoff import Backoff
from connectors.mqtt.clients import passing_client
from connectors.mqtt.commands import request_properties
from connectors.mqtt.manual_ack import ManualAckClient, Received
from connectors.mqtt.settings import MqttSettings

log = structlog.get_logger(__name__)
_RETRY_SECONDS: Final = 0.05


class MqttLink:
    """Connects in the background; `publish` waits for the connection."""

    def __init__(self, settings: MqttSettings, handler: Callable[[Received], None]) -> None:
        """Take the settings and what gets the messages; `async with` connects."""
        self.settings = settings
        self._handler = handler
        self._client: ManualAckClient | None = None
        self._connected = asyncio.Event()
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self.settings.tls_context()
        self._task = asyncio.create_task(self._keep_connected())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        if self._task is not None:
            await self._task

    @property
    def is_connected(self) -> bool:
        """Tell whether there is a connection now."""
        return self._connected.is_set()

    async def client(self) -> ManualAckClient:
        """Return the present connection's client, waiting until there is one."""
        while self._client is None:
            await self._connected.wait()
        return self._client

    async def publish(
        self, topic: str, payload: bytes, request_id: str = "", response_topic: str = ""
    ) -> None:
        """Publish until a broker has it; the caller sets the time limit."""
        properties = None
        if self.settings.version == "5":
            properties = request_properties(request_id, response_topic)
        while True:
            client = await self.client()
            try:
                await client.publish(topic, payload, self.settings.qos_out, properties=properties)
            except aiomqtt.MqttError:
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return

    async def _keep_connected(self) -> None:
        backoff = Backoff(self.settings.backoff_max)
        name = f"{self.settings.client_id}-link-{secrets.token_hex(6)}"
        while not self._stop.is_set():
            client = passing_client(self.settings, name, self._received)
            try:
                await client.open()
                self._client = client
                self._connected.set()
                backoff.reset()
                await self._until_lost(client)
            except (aiomqtt.MqttError, OSError) as error:
                log.warning("MQTT is away; trying again", url=self.settings.url, reason=str(error))
            finally:
                self._connected.clear()
                self._client = None
                await client.close()
            if not self._stop.is_set():
                await backoff.pause(self._stop)

    async def _until_lost(self, client: ManualAckClient) -> None:
        stop = asyncio.ensure_future(self._stop.wait())
        lost = asyncio.ensure_future(client.disconnected())
        try:
            await asyncio.wait({stop, lost}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
            lost.cancel()

    def _received(self, message: Received) -> None:
        if message.qos and self._client is not None:
            self._client.acknowledge(message.mid)
        self._handler(message)
