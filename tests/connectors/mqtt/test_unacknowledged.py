"""The helper that says what a bridge has not acknowledged."""

import asyncio

import pytest

from connectors.mqtt.clients import session_client, subscribe
from connectors.mqtt.load import ReadingSource
from connectors.mqtt.names import MqttNames
from connectors.mqtt.testing import settings_for, unacknowledged, until


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_all_that_waits_is_found_again_and_what_was_acknowledged_and_flushed_is_not(
    mqtt_broker, version
):
    settings = settings_for(mqtt_broker, version=version, receive_maximum=1_000)

    async def main():
        taken = []
        client = session_client(settings, taken.append)
        await client.open()
        await subscribe(client, settings, MqttNames(settings.prefix).subscriptions)
        source = ReadingSource(settings)
        await source.publish(700)
        await until(lambda: len(taken) == 700)
        for message in taken[:100]:
            client.acknowledge(message.mid)
        await client.flush()
        await client.close()
        narrow = settings.model_copy(update={"receive_maximum": 500})
        for _ in range(2):
            assert len(await unacknowledged(narrow)) == 600

    asyncio.run(main())
