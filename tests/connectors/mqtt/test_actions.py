"""`iot_device_activity`: a node's metadata becomes a command or a query."""

import asyncio

import pytest

from connectors.mqtt.actions import act
from connectors.mqtt.devices import DeviceAnswer, DeviceError


class Recorder:
    """Records what it is asked; answers every query the same."""

    def __init__(self):
        self.calls = []

    async def query_state(self, device_id, metrics=None, *, request_id="", seconds=None):
        self.calls.append((device_id, metrics, request_id, seconds))
        return DeviceAnswer(device_id, True, {"temperature": 22.5}, "2026-01-01T00:00:00Z")

    async def send(self, device_id, command, parameters, request_id):
        self.calls.append((device_id, command, parameters, request_id))


def run(fields):
    recorder = Recorder()
    result = asyncio.run(act(fields, "task@1:2", recorder, recorder))
    return result, recorder.calls


def test_send_command_is_recorded_under_the_task_id():
    parameters = {"mode": "monitoring", "thresholds": {"temperature": 30.0}}
    result, calls = run(
        {
            "device_id": "d1",
            "connector_type": "mqtt_connector",
            "action_type": "SendCommand",
            "command": "initialize",
            "parameters": parameters,
        }
    )
    assert calls == [("d1", "initialize", parameters, "task@1:2")]
    assert result.pop("timestamp").endswith("Z")
    assert result == {"status": "sent", "device_id": "d1", "command": "initialize"}


def test_query_state_answers_device_online_metrics_and_last_updated():
    result, calls = run(
        {"device_id": "d1", "action_type": "QueryState", "metrics": ["temperature"], "timeout": 3}
    )
    assert calls == [("d1", ["temperature"], "task@1:2", 3.0)]
    assert result == {
        "device_id": "d1",
        "online": True,
        "metrics": {"temperature": 22.5},
        "last_updated": "2026-01-01T00:00:00Z",
    }


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"action_type": "QueryState"}, "MissingParameter"),
        ({"action_type": "QueryState", "device_id": "d", "metrics": "t"}, "InvalidInput"),
        ({"action_type": "SendCommand", "device_id": "d"}, "MissingParameter"),
        (
            {"action_type": "SendCommand", "device_id": "d", "command": "c", "parameters": [1]},
            "InvalidInput",
        ),
        ({"action_type": "Explode", "device_id": "d"}, "UnsupportedOperation"),
        ({"device_id": "d"}, "UnsupportedOperation"),
        ({"connector_type": "opcua", "action_type": "QueryState"}, "Configuration"),
    ],
)
def test_metadata_that_makes_no_action_is_an_error_that_no_retry_mends(fields, code):
    with pytest.raises(DeviceError) as caught:
        run(fields)
    assert (caught.value.code, caught.value.retryable) == (code, False)
