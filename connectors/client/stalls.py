"""The client's call that lets go on what a defect has stopped."""

from __future__ import annotations

from typing import Final

from connectors.client.options import PLAIN, Options
from connectors.client.sender import Answer, Sender
from schemas.commands import RetryIncident

STALLING: Final = ("instance", "channel", "watch", "lock", "definition", "device")
"""Types of aggregates that a defect of the engine may stop."""


class StallCommands(Sender):
    """A part of `Client`."""

    def retry_stalled(
        self,
        aggregate_type: str,
        aggregate_id: str,
        incident: int = 0,
        options: Options = PLAIN,
    ) -> Answer:
        """Apply again what a defect stopped in an aggregate; 0 means all of it.

        Raises:
            CommandRejectedError: it has nothing that is stopped.
        """
        return self.call(aggregate_type, aggregate_id, RetryIncident(incident), options)
