"""State queries and commands over a real broker."""

import asyncio

import pytest

from connectors.mqtt.clients import session_client, subscribe
from connectors.mqtt.devices import DeviceError, Devices
from connectors.mqtt.names import MqttNames
from connectors.mqtt.settings import MqttSettings
from connectors.mqtt.testing import settings_for
from schemas.json_text import canonical, parse_object


class EchoDevice:
    """Answers each query with how many it has had; keeps requests and commands."""

    def __init__(self, settings, device_id, answer=None):
        self.requests, self.commands = [], []
        self._names = MqttNames(settings.prefix)
        self._settings = settings.model_copy(update={"client_id": f"dev-{settings.client_id}"})
        self._device_id, self._answer = device_id, answer
        self._tasks = set()

    async def __aenter__(self):
        self._client = session_client(self._settings, self._received)
        await self._client.open()
        names = self._names
        filters = (names.command(self._device_id, "+"), names.status_get(self._device_id))
        await subscribe(self._client, self._settings, filters)
        return self

    async def __aexit__(self, *_):
        await self._client.close()

    def _received(self, message):
        self._client.acknowledge(message.mid)
        fields = parse_object(message.payload)
        if "/commands/" in message.topic:
            self.commands.append((message.topic.rpartition("/")[2], fields))
            return
        self.requests.append(fields)
        answer = self._answer or canonical(
            {"metrics": {"n": len(self.requests)}, "online": True, "last_updated": "now"}
        )
        task = asyncio.create_task(self._client.publish(fields["response_topic"], answer, 1))
        self._tasks.add(task)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_query_carries_request_id_response_topic_and_metrics_and_returns_the_state(
    mqtt_settings, version
):
    settings = mqtt_settings.model_copy(update={"version": version})

    async def main():
        async with EchoDevice(settings, "d1") as device, Devices(settings) as devices:
            answer = await devices.query_state("d1", ["n"], request_id="order@1:7")
            assert answer == ("d1", True, {"n": 1}, "now")
            [request] = device.requests
            assert request == {
                "request_id": "order@1:7",
                "response_topic": f"{settings.prefix}/devices/d1/status/response/order@1:7",
                "metrics": ["n"],
            }

    asyncio.run(main())


def test_many_queries_at_once_each_get_their_own_answer(mqtt_settings):
    async def main():
        async with EchoDevice(mqtt_settings, "d1"), Devices(mqtt_settings) as devices:
            queries = (devices.query_state("d1") for _ in range(200))
            answers = await asyncio.gather(*queries)
            assert sorted(answer.metrics["n"] for answer in answers) == list(range(1, 201))

    asyncio.run(main())


def test_the_same_query_twice_at_once_is_one_waiting(mqtt_settings):
    async def main():
        async with EchoDevice(mqtt_settings, "d1"), Devices(mqtt_settings) as devices:
            both = await asyncio.gather(
                devices.query_state("d1", request_id="r"), devices.query_state("d1", request_id="r")
            )
            assert both[0] == both[1]

    asyncio.run(main())


def test_a_silent_device_is_a_timeout_that_names_the_topic(mqtt_settings):
    async def main():
        async with Devices(mqtt_settings) as devices:
            with pytest.raises(DeviceError, match=r"must listen on .*/devices/d9/status/get") as e:
                await devices.query_state("d9", seconds=0.3)
            assert (e.value.code, e.value.retryable) == ("Timeout", True)

    asyncio.run(main())


def test_an_absent_broker_is_a_timeout_that_says_so():
    settings = MqttSettings(url="mqtt://127.0.0.1:1", query_timeout=0.3)

    async def main():
        async with Devices(settings) as devices:
            with pytest.raises(DeviceError, match="is away"):
                await devices.query_state("d1", seconds=0.3)
            with pytest.raises(DeviceError, match="is away"):
                await devices.send_command("d1", "go", {})

    asyncio.run(main())


@pytest.mark.parametrize(
    ("answer", "words"),
    [(b"junk", "not a JSON object"), (b'{"metrics":3}', "without a metrics object")],
)
def test_a_bad_answer_is_an_error_that_can_be_tried_again(mqtt_settings, answer, words):
    async def main():
        async with EchoDevice(mqtt_settings, "d1", answer), Devices(mqtt_settings) as devices:
            with pytest.raises(DeviceError, match=words) as caught:
                await devices.query_state("d1")
            assert caught.value.code == "CommunicationError"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("device", "request_id"), [("a/b", "r"), ("+", "r"), ("d1", "a/b"), ("d1", "#")]
)
def test_ids_that_would_change_the_topic_are_refused(mqtt_settings, device, request_id):
    async def main():
        async with Devices(mqtt_settings) as devices:
            with pytest.raises(DeviceError, match="not acceptable") as caught:
                await devices.query_state(device, request_id=request_id)
            assert (caught.value.code, caught.value.retryable) == ("InvalidInput", False)

    asyncio.run(main())


def test_a_query_outlives_a_restart_of_the_broker(own_mqtt_broker):
    settings = settings_for(own_mqtt_broker)

    async def main():
        async with Devices(settings) as devices:
            async with EchoDevice(settings, "d1"):
                assert (await devices.query_state("d1")).metrics == {"n": 1}
            query = asyncio.create_task(devices.query_state("d1", request_id="r", seconds=20))
            await asyncio.sleep(0.2)
            await asyncio.to_thread(own_mqtt_broker.restart)
            async with EchoDevice(settings, "d1") as device:
                assert (await query).metrics["n"] >= 1
                assert {request["request_id"] for request in device.requests} == {"r"}

    asyncio.run(main())


def test_a_command_reaches_the_device(mqtt_settings):
    async def main():
        async with EchoDevice(mqtt_settings, "d1") as device, Devices(mqtt_settings) as devices:
            await devices.send_command("d1", "initialize", {"interval": 60}, request_id="r")
            async with asyncio.timeout(5):
                while not device.commands:
                    await asyncio.sleep(0.01)
            assert device.commands == [("initialize", {"interval": 60})]

    asyncio.run(main())
