"""What `iot_device_activity` does: one action on one device."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from connectors.mqtt.devices import DeviceAnswer, DeviceError

CONNECTOR: Final = "mqtt_connector"


class Queries(Protocol):
    """Asks devices for their state (`connectors.mqtt.devices.Devices`)."""

    async def query_state(
        self,
        device_id: str,
        metrics: list[str] | None = None,
        *,
        request_id: str = "",
        seconds: float | None = None,
    ) -> DeviceAnswer:
        """Ask a device for its state and wait for the answer."""
        ...


class Commands(Protocol):
    """Sends commands to devices (`connectors.mqtt.outbox.CommandOutbox`)."""

    async def send(
        self, device_id: str, command: str, parameters: dict[str, Any], request_id: str
    ) -> None:
        """Record a command."""
        ...


async def act(
    fields: dict[str, Any], task_id: str, queries: Queries, commands: Commands
) -> dict[str, Any]:
    """Do the action that a node's evaluated metadata asks for.

    Args:
        fields: device_id, connector_type, action_type (SendCommand, QueryState), command,
            parameters, metrics, timeout (seconds).
        task_id: Names command and query, so that a repeated attempt is the same one.
        queries: The way to devices.
        commands: The way to devices.

    Raises:
        DeviceError: with a code of the error catalogue.
    """
    connector = fields.get("connector_type", CONNECTOR)
    if connector != CONNECTOR:
        text = f"connector_type {connector!r} is not known; there is {CONNECTOR}"
        raise DeviceError("Configuration", text, retryable=False)
    action = fields.get("action_type")
    if action == "SendCommand":
        return await _send(fields, task_id, commands)
    if action == "QueryState":
        return await _query(fields, task_id, queries)
    raise DeviceError(
        "UnsupportedOperation",
        f"action_type {action!r} does not exist; there are SendCommand and QueryState",
        retryable=False,
    )


async def _send(fields: dict[str, Any], task_id: str, commands: Commands) -> dict[str, Any]:
    device_id, command = _text(fields, "device_id"), _text(fields, "command")
    parameters = fields.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise DeviceError("InvalidInput", "parameters is not a JSON object", retryable=False)
    await commands.send(device_id, command, parameters, task_id)
    moment = datetime.fromtimestamp(time.time(), UTC)
    return {
        "status": "sent",
        "device_id": device_id,
        "command": command,
        "timestamp": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }


async def _query(fields: dict[str, Any], task_id: str, queries: Queries) -> dict[str, Any]:
    metrics = fields.get("metrics")
    if metrics is not None and not isinstance(metrics, list):
        raise DeviceError("InvalidInput", "metrics is not a list", retryable=False)
    seconds = fields.get("timeout")
    answer = await queries.query_state(
        _text(fields, "device_id"),
        metrics,
        request_id=task_id,
        seconds=float(seconds) if isinstance(seconds, int | float) else None,
    )
    return answer._asdict()


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise DeviceError("MissingParameter", f"{name} is missing or no text", retryable=False)
    return value
