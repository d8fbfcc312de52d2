"""The one place that reaches into aiomqtt: acknowledgement by hand, and reading that can pause.

aiomqtt acknowledges a message when its callback returns, which is before anybody has
stored it. paho-mqtt below it can leave that to the caller (`manual_ack`), but aiomqtt
neither turns it on nor tells of the DUP flag or of the broker's session. A few private
methods are overridden; both packages are pinned exactly and
`tests/connectors/mqtt/test_manual_ack.py` holds the overridden names against them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import aiomqtt
import paho.mqtt.client as paho
import structlog

log = structlog.get_logger(__name__)
_PENDING_CALLS = 100_000
"""Above this many unanswered calls aiomqtt warns at each; its default is 10."""
UNREADABLE_TOPIC = "\N{REPLACEMENT CHARACTER}"
_NOBODY = "tidemill/nobody"


class Received(NamedTuple):
    """One message as the broker delivered it."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    duplicate: bool
    """The DUP flag: delivered before, or so the broker thinks. Not all brokers set it."""
    mid: int


class _Socket(Protocol):
    def fileno(self) -> int: ...


class ManualAckClient(aiomqtt.Client):
    """An aiomqtt client for one connection that leaves PUBACK to its owner.

    Messages go to `handler` on the event loop, at once and in order; none are queued.
    A client is used once: a new connection takes a new client, so that no message id of
    an old connection can be acknowledged on a new one.
    """

    session_present: bool = False
    """Whether the broker had kept this client's session."""

    def __init__(
        self, handler: Callable[[Received], None], hostname: str, port: int, **options: Any
    ) -> None:
        """Take the handler of messages, the broker's address and aiomqtt's options."""
        super().__init__(hostname, port, **options)
        self._client.manual_ack_set(on=True)
        self.pending_calls_threshold = _PENDING_CALLS
        self._handler = handler
        self._socket: _Socket | None = None
        self._paused = False

    async def open(self) -> None:
        """Connect; `aiomqtt.MqttError` where the broker is away or refuses."""
        try:
            await self.__aenter__()
        except BaseException:
            self._drop()
            raise

    async def close(self) -> None:
        """Disconnect in order where connected; the broker keeps a persistent session."""
        self.resume()
        with contextlib.suppress(aiomqtt.MqttError):
            await self.__aexit__(None, None, None)
        self._drop()

    def acknowledge(self, mid: int) -> None:
        """Send the PUBACK of a message; the owner keeps the order of arrival."""
        self._client.ack(mid, 1)

    async def flush(self) -> None:
        """Wait until the broker has handled every acknowledgement sent so far.

        A broker answers in order, so an answer to anything will do: here that a filter which
        was never subscribed is unsubscribed. Without it acknowledgements are lost at the end
        of a connection: Artemis drops what it has read and not handled, and a socket closed
        with unread messages resets the connection under any broker.

        Raises:
            aiomqtt.MqttError: the connection was lost, or there was no answer in time.
        """
        self.resume()
        await self.unsubscribe(_NOBODY)

    async def disconnected(self) -> str:
        """Wait until the connection is gone; return why."""
        future = self._disconnected
        await asyncio.wait([future])
        return str(future.exception() or "disconnected")

    def pause(self) -> None:
        """Stop reading from the socket: the broker's sending stops with TCP's window."""
        if not self._paused and self._socket is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._paused = True

    def resume(self) -> None:
        """Read again after `pause`."""
        if self._paused:
            self._paused = False
            if self._socket is not None and self._socket.fileno() >= 0:
                self._loop.add_reader(self._socket.fileno(), self._read)

    def _drop(self) -> None:
        # A connection that failed half-way leaves its socket and its keep-alive task.
        self._client._sock_close()
        if self._misc_task is not None:
            self._misc_task.cancel()
        if self._disconnected.done():
            self._disconnected.exception()

    def _on_connect(
        self,
        client: paho.Client,
        userdata: Any,
        flags: paho.ConnectFlags,
        reason_code: Any,
        properties: Any = None,
    ) -> None:
        self.session_present = bool(flags.session_present)
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_message(self, _client: paho.Client, _userdata: Any, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = UNREADABLE_TOPIC
        self._handler(
            Received(
                topic,
                bytes(message.payload),
                message.qos,
                message.retain,
                message.dup,
                message.mid,
            )
        )

    def _on_publish(
        self, client: paho.Client, userdata: Any, mid: int, reason_code: Any, properties: Any
    ) -> None:
        # aiomqtt takes a refusal for a success.
        if reason_code.is_failure:
            log.error("the MQTT broker refused a message", reason=str(reason_code))
        super()._on_publish(client, userdata, mid, reason_code, properties)

    def _on_socket_open(self, _client: paho.Client, _userdata: Any, sock: Any) -> None:
        def begin() -> None:
            self._socket = sock
            if sock.fileno() >= 0:
                self._loop.add_reader(sock.fileno(), self._read)
            self._misc_task = self._loop.create_task(self._misc_loop())

        # paho calls this from the thread that connects.
        self._loop.call_soon_threadsafe(begin)

    def _on_socket_close(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        self._socket = None
        super()._on_socket_close(client, userdata, sock)

    def _read(self) -> None:
        try:
            self._client.loop_read()
            # TLS may hold decoded packets that no select would tell of.
            while not self._paused and getattr(self._socket, "pending", int)() > 0:
                self._client.loop_read()
        except Exception as error:  # noqa: BLE001 - as aiomqtt does: it ends the connection
            if not self._disconnected.done():
                self._disconnected.set_exception(error)
