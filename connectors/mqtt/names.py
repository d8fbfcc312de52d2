"""MQTT topics: built and read in one place.

`PREFIX/devices/ID/telemetry` and `…/status` come from devices, `…/commands/CMD` and
`…/status/get` go to them, `…/status/response/REQUEST_ID` brings an answer.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_LEVEL: Final = re.compile(r"[^/+#\x00]{1,256}\Z")
_COMMAND: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}\Z")


class Place(NamedTuple):
    """What a topic says: which device, and what of it."""

    device_id: str
    kind: str
    """`telemetry`, `status` or `status/response/REQUEST_ID`."""


class MqttNames:
    """The topics under one prefix (which may itself have levels)."""

    def __init__(self, prefix: str) -> None:
        """Take the prefix, without slashes at its ends."""
        self.prefix = prefix.strip("/")
        self._root = f"{self.prefix}/devices/" if self.prefix else "devices/"

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Return the filters of everything that the bridge takes in."""
        return (self.telemetry("+"), self.status("+"))

    def telemetry(self, device_id: str) -> str:
        """Return where a device publishes readings."""
        return f"{self._root}{device_id}/telemetry"

    def status(self, device_id: str) -> str:
        """Return where a device, or its last will, says that it is online or offline."""
        return f"{self._root}{device_id}/status"

    def command(self, device_id: str, command: str) -> str:
        """Return where a device takes a command."""
        return f"{self._root}{device_id}/commands/{command}"

    def status_get(self, device_id: str) -> str:
        """Return where a device takes state queries."""
        return f"{self._root}{device_id}/status/get"

    def status_response(self, device_id: str, request_id: str) -> str:
        """Return where a device answers one state query."""
        return f"{self._root}{device_id}/status/response/{request_id}"

    def read(self, topic: str) -> Place | None:
        """Read device and kind off a topic; None where it is not under the prefix."""
        if not topic.startswith(self._root):
            return None
        device_id, _, kind = topic[len(self._root) :].partition("/")
        return Place(device_id, kind) if kind else None


def is_level(text: str) -> bool:
    """Tell whether a text can stand as one level of a topic."""
    return _LEVEL.match(text) is not None


def is_command(text: str) -> bool:
    """Tell whether a command's name is acceptable."""
    return _COMMAND.match(text) is not None
