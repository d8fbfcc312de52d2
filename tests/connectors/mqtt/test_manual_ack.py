"""What is taken from aiomqtt and paho-mqtt beyond their promise; and what it is taken for."""

import asyncio
import importlib.metadata
import inspect
import tomllib
from pathlib import Path

import aiomqtt
import paho.mqtt.client as paho
import pytest

from connectors.mqtt.clients import passing_client, session_client, subscribe
from connectors.mqtt.manual_ack import ManualAckClient

PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"


@pytest.mark.parametrize("package", ["aiomqtt", "paho-mqtt"])
def test_the_packages_are_pinned_exactly_and_are_the_ones_installed(package):
    dependencies = tomllib.loads(PYPROJECT.read_text())["project"]["dependencies"]
    assert f"{package}=={importlib.metadata.version(package)}" in dependencies


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("_on_connect", ["self", "client", "userdata", "flags", "reason_code", "properties"]),
        ("_on_message", ["self", "client", "userdata", "message"]),
        ("_on_publish", ["self", "client", "userdata", "mid", "reason_code", "properties"]),
        ("_on_socket_open", ["self", "client", "userdata", "sock"]),
        ("_on_socket_close", ["self", "client", "userdata", "sock"]),
        ("_misc_loop", ["self"]),
    ],
)
def test_aiomqtt_still_has_the_private_methods_that_are_overridden_or_called(name, parameters):
    assert list(inspect.signature(getattr(aiomqtt.Client, name)).parameters) == parameters


@pytest.mark.parametrize("name", ["manual_ack_set", "ack", "loop_read", "_sock_close"])
def test_paho_still_has_what_is_called(name):
    assert callable(getattr(paho.Client, name))


def test_aiomqtt_registers_its_methods_as_callbacks_and_keeps_its_futures():
    async def main() -> None:
        client = ManualAckClient(lambda _message: None, "127.0.0.1", 1)
        inner = client._client
        assert inner.on_message == client._on_message
        assert inner.on_connect == client._on_connect
        assert inner.on_publish == client._on_publish
        assert inner.on_socket_open == client._on_socket_open
        assert inner._manual_ack is True
        assert isinstance(client._disconnected, asyncio.Future)
        assert isinstance(client.pending_calls_threshold, int)

    asyncio.run(main())


async def collect(settings, count, acknowledge):
    """Connect with the persistent session; take messages; acknowledge those asked for."""
    taken = []
    client = session_client(settings, taken.append)
    await client.open()
    await subscribe(client, settings, ("t/" + settings.prefix,))
    async with asyncio.timeout(10):
        while len(taken) < count:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.3)
    for message in taken:
        if acknowledge(message):
            client.acknowledge(message.mid)
    # Artemis forgets acknowledgements that come just before the end of a connection.
    await asyncio.sleep(0.3)
    await client.close()
    return [message.payload for message in taken], client.session_present


async def publish(settings, payloads):
    client = passing_client(settings, settings.client_id + "-p")
    await client.open()
    for payload in payloads:
        await client.publish("t/" + settings.prefix, payload, 1)
    await client.close()


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_message_that_was_not_acknowledged_comes_again_and_one_that_was_does_not(
    mqtt_settings, version
):
    settings = mqtt_settings.model_copy(update={"version": version})
    payloads = [b"0", b"1", b"2", b"3"]

    async def main() -> None:
        await collect(settings, 0, lambda _: False)
        await publish(settings, payloads)
        first, kept = await collect(settings, 4, lambda message: message.payload < b"2")
        assert (first, kept) == (payloads, True)
        again, _ = await collect(settings, 2, lambda _: True)
        assert again == [b"2", b"3"]
        none, _ = await collect(settings, 0, lambda _: True)
        assert none == []

    asyncio.run(main())


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_while_paused_nothing_is_read_and_nothing_is_lost(mqtt_settings, version):
    settings = mqtt_settings.model_copy(update={"version": version})
    payloads = [b"%d" % number for number in range(50)]

    async def main() -> None:
        taken = []
        client = session_client(settings, taken.append)
        await client.open()
        await subscribe(client, settings, ("t/" + settings.prefix,))
        client.pause()
        await publish(settings, payloads)
        await asyncio.sleep(0.3)
        assert taken == []
        client.resume()
        async with asyncio.timeout(10):
            while len(taken) < 50:
                await asyncio.sleep(0.01)
        assert [message.payload for message in taken] == payloads
        await client.close()

    asyncio.run(main())


def test_the_end_of_a_connection_is_told_with_its_reason(own_mqtt_broker, mqtt_settings):
    settings = mqtt_settings.model_copy(update={"url": own_mqtt_broker.url})

    async def main() -> str:
        client = session_client(settings, lambda _message: None)
        await client.open()
        own_mqtt_broker.kill()
        async with asyncio.timeout(10):
            reason = await client.disconnected()
        await client.close()
        return reason

    assert asyncio.run(main())
    own_mqtt_broker.start()


def test_a_refused_connection_leaves_nothing_behind(mqtt_settings):
    settings = mqtt_settings.model_copy(update={"url": "mqtt://127.0.0.1:1"})

    async def main() -> int:
        client = session_client(settings, lambda _message: None)
        with pytest.raises(aiomqtt.MqttError):
            await client.open()
        await client.close()
        return len(asyncio.all_tasks())

    assert asyncio.run(main()) == 1
