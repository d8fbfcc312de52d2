"""Devices as a worker sees them: ask one for its state, send one a command.

A state query is request and response over MQTT: `…/status/get` carries request_id,
response_topic and the wanted metrics; the device answers on the response topic. The
caller's request id makes a repeated query the same query.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import OrderedDict
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import aiomqtt
import structlog

from connectors.mqtt.clients import subscribe
from connectors.mqtt.link import MqttLink
from connectors.mqtt.manual_ack import ManualAckClient, Received
from connectors.mqtt.names import MqttNames, is_command, is_level
from connectors.mqtt.settings import MqttSettings
from schemas.ids import is_client_id
from schemas.json_text import JsonError, canonical, parse_object

log = structlog.get_logger(__name__)
_SUBSCRIPTIONS_MAX: Final = 10_000
_RETRY_SECONDS: Final = 0.1


class DeviceError(RuntimeError):
    """A device could not be asked, or did not answer as it should."""

    def __init__(self, code: str, message: str, *, retryable: bool = True) -> None:
        """Take a code of the error catalogue, a sentence, and whether to try again."""
        super().__init__(message)
        self.code = code
        self.retryable = retryable


class DeviceAnswer(NamedTuple):
    """What a device said of itself."""

    device_id: str
    online: bool
    metrics: dict[str, Any]
    last_updated: str
    """The device's own time, as it wrote it; empty where it gave none."""


class Devices:
    """All devices of one MQTT broker, over one connection, for many calls at once."""

    def __init__(self, settings: MqttSettings) -> None:
        """Take the settings; `async with` connects."""
        self._settings = settings
        self._names = MqttNames(settings.prefix)
        self._link = MqttLink(settings, self._received)
        self._waiting: dict[str, asyncio.Future[bytes]] = {}
        self._subscribed: OrderedDict[str, asyncio.Future[None]] = OrderedDict()
        self._client: ManualAckClient | None = None

    async def __aenter__(self) -> Self:
        await self._link.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._link.__aexit__(kind, error, trace)

    async def query_state(
        self,
        device_id: str,
        metrics: list[str] | None = None,
        *,
        request_id: str = "",
        seconds: float | None = None,
    ) -> DeviceAnswer:
        """Ask a device for its state and wait for the answer.

        Args:
            device_id: The device.
            metrics: The wanted metrics; None for all.
            request_id: The same id again is the same query; by default a new one.
            seconds: How long to wait, over reconnections; by default the setting's 10.

        Raises:
            DeviceError: `Timeout`, `InvalidInput`, or `CommunicationError` for a bad answer.
        """
        request_id = request_id or secrets.token_hex(16)
        _check(device_id, is_level(request_id), f"request id {request_id!r}")
        limit = self._settings.query_timeout if seconds is None else seconds
        answer = self._waiting.get(request_id)
        if answer is None:
            answer = asyncio.get_running_loop().create_future()
            self._waiting[request_id] = answer
        try:
            async with asyncio.timeout(limit):
                payload = await self._ask(device_id, metrics, request_id, answer)
        except TimeoutError:
            raise DeviceError("Timeout", self._silence(device_id, limit)) from None
        finally:
            self._waiting.pop(request_id, None)
        return _answer(device_id, payload)

    async def send_command(
        self, device_id: str, command: str, parameters: dict[str, Any], *, request_id: str = ""
    ) -> None:
        """Publish a command; returns when the MQTT broker has it.

        Raises:
            DeviceError: `Timeout` where the broker is away, or `InvalidInput`.
        """
        _check(device_id, is_command(command), f"command {command!r}")
        topic = self._names.command(device_id, command)
        try:
            async with asyncio.timeout(self._settings.query_timeout):
                await self._link.publish(topic, canonical(parameters), request_id)
        except TimeoutError:
            url = self._settings.url
            raise DeviceError("Timeout", f"the MQTT broker {url} is away") from None

    async def _ask(
        self,
        device_id: str,
        metrics: list[str] | None,
        request_id: str,
        answer: asyncio.Future[bytes],
    ) -> bytes:
        response_topic = self._names.status_response(device_id, request_id)
        request = {"request_id": request_id, "response_topic": response_topic, "metrics": metrics}
        body = canonical(request)
        while not answer.done():
            client = await self._link.client()
            lost: asyncio.Future[str] = asyncio.ensure_future(client.disconnected())
            try:
                await self._subscribe(client, device_id)
                topic = self._names.status_get(device_id)
                await self._link.publish(topic, body, request_id, response_topic)
                either: set[asyncio.Future[Any]] = {answer, lost}
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            except aiomqtt.MqttError as error:
                log.debug("query is asked again", device=device_id, reason=str(error))
                await asyncio.sleep(_RETRY_SECONDS)
            finally:
                lost.cancel()
        return answer.result()

    async def _subscribe(self, client: ManualAckClient, device_id: str) -> None:
        """Subscribe to a device's answers, once per connection."""
        if client is not self._client:
            self._client = client
            self._subscribed.clear()
        known = self._subscribed.get(device_id)
        if known is None:
            filters = (self._names.status_response(device_id, "+"),)
            known = asyncio.ensure_future(subscribe(client, self._settings, filters))
            self._subscribed[device_id] = known
            await self._forget_oldest(client)
        self._subscribed.move_to_end(device_id)
        try:
            await asyncio.shield(known)
        except aiomqtt.MqttError:
            self._subscribed.pop(device_id, None)
            raise

    async def _forget_oldest(self, client: ManualAckClient) -> None:
        while len(self._subscribed) > _SUBSCRIPTIONS_MAX:
            oldest, _ = self._subscribed.popitem(last=False)
            with contextlib.suppress(aiomqtt.MqttError):
                await client.unsubscribe(self._names.status_response(oldest, "+"))

    def _received(self, message: Received) -> None:
        place = self._names.read(message.topic)
        request_id = place.kind.rpartition("/")[2] if place else ""
        answer = self._waiting.get(request_id)
        if answer is not None and not answer.done():
            answer.set_result(message.payload)

    def _silence(self, device_id: str, seconds: float) -> str:
        if not self._link.is_connected:
            return f"no answer within {seconds:g} s: the MQTT broker {self._settings.url} is away"
        topic = self._names.status_get(device_id)
        return f"device {device_id} did not answer within {seconds:g} s; it must listen on {topic}"


def _check(device_id: str, acceptable: object, what: str) -> None:
    if not is_client_id(device_id) or not acceptable:
        raise DeviceError(
            "InvalidInput",
            f"device id {device_id!r} or {what} is not acceptable in an MQTT topic",
            retryable=False,
        )


def _answer(device_id: str, payload: bytes) -> DeviceAnswer:
    try:
        fields = parse_object(payload)
    except JsonError as error:
        raise DeviceError("CommunicationError", f"device {device_id} answered {error}") from error
    metrics = fields.get("metrics")
    if not isinstance(metrics, dict):
        raise DeviceError(
            "CommunicationError", f"device {device_id} answered without a metrics object"
        )
    online = fields.get("online", True)
    updated = fields.get("last_updated", fields.get("timestamp", ""))
    return DeviceAnswer(device_id, bool(online), metrics, str(updated))
