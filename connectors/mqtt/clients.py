"""MQTT clients made from the settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from connectors.mqtt.manual_ack import ManualAckClient, Received
from connectors.mqtt.settings import MqttSettings

_RETAINED_ONLY_IF_NEW = 1
_REFUSED = 0x80


def session_client(
    settings: MqttSettings,
    handler: Callable[[Received], None],
    client_id: str = "",
    will: aiomqtt.Will | None = None,
) -> ManualAckClient:
    """Return a client with a persistent session (where the settings want one)."""
    address = settings.address()
    options = common_options(settings)
    options |= {"identifier": client_id or settings.client_id, "will": will}
    if settings.version == "5":
        options["clean_start"] = not settings.persistent_session
        options["properties"] = _connect_properties(settings)
    else:
        options["clean_session"] = not settings.persistent_session
    return ManualAckClient(handler, address.host, address.port, **options)


def passing_client(
    settings: MqttSettings, client_id: str, handler: Callable[[Received], None] | None = None
) -> ManualAckClient:
    """Return a client without a session: for what is asked again after a failure."""
    address = settings.address()
    options = common_options(settings) | {"identifier": client_id}
    options |= {"clean_start": True} if settings.version == "5" else {"clean_session": True}
    return ManualAckClient(handler or _ignore, address.host, address.port, **options)


def common_options(settings: MqttSettings) -> dict[str, Any]:
    """Return aiomqtt's options that every client shares."""
    protocol = aiomqtt.ProtocolVersion
    settings.check_credentials()
    return {
        "protocol": protocol.V5 if settings.version == "5" else protocol.V311,
        "username": settings.username or None,
        "password": settings.password.get_secret_value() or None,
        "tls_context": settings.tls_context(),
        "keepalive": settings.keep_alive,
        "timeout": settings.connect_timeout,
        "max_inflight_messages": 1_000,
    }


async def subscribe(
    client: aiomqtt.Client, settings: MqttSettings, filters: tuple[str, ...]
) -> None:
    """Subscribe at the QoS of the settings; retained messages come to a new session only.

    Raises:
        aiomqtt.MqttError: the broker refused a filter, or did not answer.
    """
    if settings.version == "5":
        options = SubscribeOptions(qos=settings.qos_in, retainHandling=_RETAINED_ONLY_IF_NEW)
        topics: Any = [(name, options) for name in filters]
    else:
        topics = [(name, settings.qos_in) for name in filters]
    granted: Sequence[int | ReasonCode] = await client.subscribe(topics)
    for name, code in zip(filters, granted, strict=True):
        if (code if isinstance(code, int) else code.value) >= _REFUSED:
            raise aiomqtt.MqttError(f"the MQTT broker refuses the subscription {name!r}: {code}")


def _connect_properties(settings: MqttSettings) -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.ReceiveMaximum = settings.receive_maximum
    # No MaximumPacketSize: a broker throws larger messages away without a word, whereas we
    # keep them as dead letters.
    if settings.persistent_session:
        properties.SessionExpiryInterval = settings.session_expiry
    return properties


def _ignore(_message: Received) -> None:
    return
